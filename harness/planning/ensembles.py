"""Checks of the ensembles a study names: their members are judged, and their outcome can be made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from harness.errors import BadInput
from harness.words.design import Design
from harness.words.ensemble import Ensemble, ensemble_of
from harness.words.form_errors import Problem
from harness.words.hypothesis import Hypothesis, Side, restarts_of
from harness.words.outcome import Outcome
from harness.words.study import Study

KINDS = ("superiority", "at_least", "equivalence", "non_inferiority")
METRICS = ("accuracy", "error", "nll", "brier")
VOTE_METRICS = ("accuracy", "error")  # a vote has no probabilities


def ensemble_problems(study: Study, design: Design) -> Iterator[Problem]:
    """Everything that is wrong with the sides that are ensembles, and with `judge.members`."""
    named = [(("hypotheses", i, n), h) for i, h in enumerate(study.hypotheses) for n in ("a", "b")]
    sides = [(place, h, getattr(h, place[-1], None)) for place, h in named]
    ensembles = [
        (place, h, side) for place, h, side in sides if isinstance(side, dict) and "ensemble" in side
    ]
    for place, hypothesis, side in ensembles:
        with suppress(BadInput):  # a side that is malformed or names no arm; the checks of sides say so
            found = [m for s in design.settings(hypothesis) for m in _messages(design, s.hypothesis, side)]
            yield from (Problem(place, message) for message in found[:1])
    if study.judge.members > 1 and not ensembles and not any(restarts_of(h) > 1 for h in study.hypotheses):
        message = f"found {study.judge.members}; no ensemble and no restarts are asked for: leave it out"
        yield Problem(("judge", "members"), message)


def _messages(design: Design, hypothesis: Hypothesis, side: Side) -> Iterator[str]:
    ensemble = ensemble_of(side)
    if ensemble is None:
        return
    message = _message(design, hypothesis, ensemble) or _outcome_message(hypothesis.outcome, ensemble)
    if message:
        yield message


def _message(design: Design, hypothesis: Hypothesis, ensemble: Ensemble) -> str | None:
    """What is wrong with one side's members, or None. Raises BadInput where it names no arm."""
    if hypothesis.kind not in KINDS:
        return f"an ensemble can't be a side of {hypothesis.kind}; allowed in {', '.join(KINDS)}"
    judged = design.study.judge.members
    if (ensemble.members or 1) > judged:
        wanted = ensemble.members
        return f"asks for {wanted} members, judge.members is {judged}: set judge: {{members: {wanted}}}"
    arm = design.select_arm({"ensemble": ensemble.ensemble, "arm": ensemble.arm}, hypothesis.at).label
    facts = design.data[arm]
    if facts.n_classes is None:
        return f"an ensemble needs a classification; the arm {arm!r} predicts values"
    if not facts.n_val and ensemble.ensemble in ("stacking", "best_by_validation"):
        return f"{ensemble.ensemble} needs a validation split; the data of the arm {arm!r} have none"
    return None


def _outcome_message(outcome: Outcome, ensemble: Ensemble) -> str | None:
    metrics = VOTE_METRICS if ensemble.ensemble == "vote" else METRICS
    allowed = [f"test/{metric}" for metric in metrics]
    if outcome.function == "final" and outcome.metric in allowed:
        return None
    return f"{ensemble.ensemble} of an ensemble has no {str(outcome)!r}; allowed: {', '.join(allowed)}"
