"""Impossibility: no run can succeed; a certificate says why, and 0 of n runs do."""

from __future__ import annotations

import math
from dataclasses import replace

from harness.analysis.certificates import CERTIFICATES, Found
from harness.analysis.estimates import Interval
from harness.analysis.events import clopper_pearson
from harness.analysis.kinds.base import WITHOUT_DELTA, Answered, Kind
from harness.analysis.question import Question
from harness.analysis.scale import Scale
from harness.analysis.verdict_rule import Ruling
from harness.errors import BadInput
from harness.words.hypothesis import Impossibility
from harness.words.verdict import Answer, Estimate


def weigh(asked: Question) -> Question:
    """The estimate is the chance of success, shown in per cent."""
    if asked.outcome.function != "success":
        raise BadInput(f"impossibility asks whether runs succeed; found outcome {asked.outcome}")
    return replace(asked, scale=Scale("points", "%"))


def impossibility(asked: Question) -> Answered:
    """SUPPORTED by a certificate and no success among n; REFUTED by one success, or a way to succeed.

    Without a certificate n failures would only bound the chance of success. Which successes it rules out
    is checked as a study is read (`not_certified`).
    """
    values = asked.table[asked.table["arm"].isin(asked.columns)]["value"]
    if values.empty:
        return Answered(asked)
    successes, n = int(values.sum()), len(values)
    low, high = clopper_pearson(successes, n)
    found = [_certificate(asked, arm) for arm in asked.columns]
    possible = [f for f in found if not f.impossible]
    return Answered(
        asked,
        Interval("Clopper-Pearson", n, successes / n, low, high, (high - low) / 4, math.nan),
        _ruling(successes, (possible or found)[0]),
        extra={"successes": float(successes), "certificate": (possible or found)[0].detail},
    )


def _ruling(successes: int, found: Found) -> Ruling:
    if successes:
        return Ruling(Answer.REFUTED, "done", "a run that succeeds shows that it is possible")
    if not found.impossible:
        return Ruling(Answer.REFUTED, "possible", "no run succeeded, but one could")
    return Ruling(Answer.SUPPORTED, "certified", "no run succeeded, and none can")


def _certificate(asked: Question, arm: str) -> Found:
    assert isinstance(asked.hypothesis, Impossibility)
    return CERTIFICATES[asked.hypothesis.certificate](asked.evidence.design.arm(arm).config)


def statement(asked: Question) -> str:
    """No run of the arms can succeed."""
    options = asked.outcome.options
    bounds = " and ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in options.items())
    return f"no run of {' or '.join(asked.columns)} can reach {asked.outcome.metric} of {bounds}"


def finding(asked: Question, found: Estimate) -> str:
    """How many runs succeeded, what chance that leaves, and the certificate."""
    count = f"{found.extra['successes']:g} of {found.n} runs of {' and '.join(asked.columns)} succeeded"
    chance = f"chance of success {found.shown_low:.2g} to {found.shown_high:.2g} %, Clopper-Pearson"
    return f"{count} ({chance}); {found.extra['certificate']}"


# A single success refutes, with no chance of error.
IMPOSSIBILITY = Kind(weigh, impossibility, statement, finding, WITHOUT_DELTA, held=False)
