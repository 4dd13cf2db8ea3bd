"""Identity: two ways to compute one thing agree to rounding. No training is involved."""

from __future__ import annotations

import math
from dataclasses import replace

from harness.analysis.estimates import Interval
from harness.analysis.exact import EXACT, agreements
from harness.analysis.kinds.base import Answered, Kind
from harness.analysis.question import Question
from harness.analysis.scale import Scale, outcome_label
from harness.analysis.verdict_rule import Ruling
from harness.errors import BadInput, UnknownName
from harness.words.hypothesis import Identity
from harness.words.verdict import Answer, Estimate


def weigh(asked: Question) -> Question:
    """The estimate is the largest difference, relative to the size of what is computed."""
    if asked.outcome.function != "exact":
        raise BadInput(
            f"identity compares exact quantities, such as {{exact: linear_collapse}}; found {asked.outcome}"
        )
    if asked.outcome.metric not in EXACT:
        raise UnknownName("exact quantity", asked.outcome.metric, EXACT)
    return replace(asked, scale=Scale("plain", "relative error"))


def identity(asked: Question) -> Answered:
    """SUPPORTED where the largest difference of every replicate is within tolerance x scale, else REFUTED.

    The interval runs from the replicates' smallest relative error to their largest, the estimate.
    """
    n, tolerance = asked.evidence.design.study.judge.replicates, _tolerance(asked)
    found = agreements(asked.outcome.metric, n)
    errors = [f.error / f.scale for f in found]
    within = all(f.error <= tolerance * f.scale for f in found)
    ruling = (
        Ruling(Answer.SUPPORTED, "exact", "the two agree to rounding")
        if within
        else Ruling(Answer.REFUTED, "unequal", "the two differ by more than rounding")
    )
    worst = max(errors)
    interval = Interval("largest of all replicates", n, worst, min(errors), worst, 0.0, math.nan)
    return Answered(asked, interval, ruling, extra={"tolerance": f"{tolerance:g}"})


def _tolerance(asked: Question) -> float:
    assert isinstance(asked.hypothesis, Identity)
    return asked.hypothesis.tolerance


def statement(asked: Question) -> str:
    """Both ways of computing agree within the tolerance."""
    tolerance = f"{_tolerance(asked):g}"
    return f"{outcome_label(asked.outcome)}: both ways of computing it agree within {tolerance} of its size"


def finding(asked: Question, found: Estimate) -> str:
    """The largest difference, and the tolerance."""
    return (
        f"{outcome_label(asked.outcome)}: the two ways differ by at most {found.value:.2g} of its size in "
        f"{found.n} random cases, at most {_tolerance(asked):g} claimed"
    )


IDENTITY = Kind(weigh, identity, statement, finding, gates=frozenset())
