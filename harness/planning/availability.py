"""What a study may ask for but a run can't decide yet."""

from __future__ import annotations

from collections.abc import Iterator

from harness.words.form_errors import Problem
from harness.words.outcome import AVAILABLE_OUTCOMES, Outcome
from harness.words.study import Study
from harness.words.yaml_tree import Location


def unavailable(study: Study) -> list[Problem]:
    """Every part of the study that is well formed and not available yet."""
    return list(_outcomes(study))


def outcomes_of(study: Study) -> Iterator[tuple[Location, Outcome]]:
    """Every outcome a study names, with its place in the file."""
    for index, hypothesis in enumerate(study.hypotheses):
        yield ("hypotheses", index, "outcome"), hypothesis.outcome
    for name, check in study.require.items():
        pair = isinstance(check.outcome, tuple)
        for index, outcome in enumerate(
            check.outcome if isinstance(check.outcome, tuple) else [check.outcome]
        ):
            yield ("require", name, "outcome", *((index,) if pair else ())), outcome
    if study.tune.select is not None:
        yield ("tune", "select"), study.tune.select
    if study.objective is not None:
        yield ("objective",), study.objective


def _outcomes(study: Study) -> Iterator[Problem]:
    for place, outcome in outcomes_of(study):
        if outcome.function not in AVAILABLE_OUTCOMES:
            available = ", ".join(AVAILABLE_OUTCOMES)
            message = f"the outcome {outcome.function!r} is not available yet; available: {available}"
            yield Problem(place, message)
