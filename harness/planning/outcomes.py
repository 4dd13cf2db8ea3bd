"""The outcomes that a study names, wherever it does."""

from __future__ import annotations

from collections.abc import Iterator

from harness.words.outcome import Outcome
from harness.words.study import Study
from harness.words.yaml_tree import Location


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
