"""The verdict rule: from an interval, the smallest effect that matters and the gates to an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from harness.analysis.estimates import CONFIDENCE, Interval
from harness.analysis.outcomes import Floats
from harness.words.verdict import Answer, Gate

MOST_REPLICATES = 10_000
ONE_SIDED = (1 - CONFIDENCE) / 2


class Robustness(NamedTuple):
    """One-sided p values of the robustness test (sign-flip, or wins against losses)."""

    above_zero: float  # of the claim's direction, against a difference of 0
    below_delta: float  # of a difference below delta, against delta


class Decision(NamedTuple):
    """What the rule says."""

    answer: Answer
    grade: str
    fragile: bool
    reason: str
    needed_n: int | None


def decide(
    interval: Interval | None,
    delta: float,
    gates: Sequence[Gate] = (),
    robustness: Robustness | None = None,
    variance_ratio: float = 0.0,
) -> Decision:
    """The verdict on one hypothesis; all numbers on the estimate's scale, above 0 favouring the claim.

    any gate fails            -> INCONCLUSIVE (which gate, what would lift it)
    L > 0 and estimate >= δ   -> SUPPORTED    clear if L >= δ, else likely
    U < δ                     -> REFUTED      reversed (U < 0) | negligible (L <= 0) | too small (L > 0)
    otherwise                 -> INCONCLUSIVE (needs about n = … replicates)

    `fragile`: the robustness test, put in the interval's place at the same level, decides otherwise.
    `variance_ratio` is Nadeau and Bengio's, for the number of replicates needed.
    """
    failed = [g for g in gates if g.passed is False]
    if failed:
        return Decision(Answer.INCONCLUSIVE, "", False, _gate_reason(failed), None)
    if interval is None:
        return Decision(Answer.INCONCLUSIVE, "", False, "fewer than two pairs of runs were finished", None)
    answer = _answer(interval.value >= delta, interval.low > 0, interval.high < delta)
    fragile = robustness is not None and answer is not _answer(
        interval.value >= delta, robustness.above_zero <= ONE_SIDED, robustness.below_delta <= ONE_SIDED
    )
    needed = needed_replicates(interval, delta, variance_ratio) if answer is Answer.INCONCLUSIVE else None
    grade = _grade(answer, interval, delta)
    return Decision(answer, grade, fragile, _reason(answer, grade, interval, delta, needed), needed)


def needed_replicates(interval: Interval, delta: float, variance_ratio: float = 0.0) -> int | None:
    """The least n > interval.n at which the same estimate and spread would be decided; None beyond 10,000.

    An estimate of at least delta needs L > 0, a smaller one U < delta: the half width
    t(n-1) s sqrt(1/n + variance_ratio) must fall below the estimate, or below delta - estimate.
    """
    room = interval.value if interval.value >= delta else delta - interval.value
    spread = interval.standard_error / math.sqrt(1 / interval.n + variance_ratio)
    n = np.arange(interval.n + 1, MOST_REPLICATES + 1)
    half_widths = _quantiles()[n - 2] * spread * np.sqrt(1 / n + variance_ratio)
    enough = n[half_widths < room]
    return int(enough[0]) if len(enough) else None


@cache
def _quantiles() -> Floats:
    """The t quantile of a 95 % interval for n = 2, 3, ... replicates."""
    return np.asarray(stats.t.ppf((1 + CONFIDENCE) / 2, np.arange(1, MOST_REPLICATES)), dtype=np.float64)


def _answer(at_least_delta: bool, above_zero: bool, below_delta: bool) -> Answer:
    if above_zero and at_least_delta:
        return Answer.SUPPORTED
    return Answer.REFUTED if below_delta else Answer.INCONCLUSIVE


def _grade(answer: Answer, interval: Interval, delta: float) -> str:
    if answer is Answer.SUPPORTED:
        return "clear" if interval.low >= delta else "likely"
    if answer is Answer.INCONCLUSIVE:
        return ""
    if interval.high < 0:
        return "reversed"
    return "negligible" if interval.low <= 0 else "too small"


def _reason(answer: Answer, grade: str, interval: Interval, delta: float, needed: int | None) -> str:
    if answer is not Answer.INCONCLUSIVE:
        return REASONS[grade]
    if interval.value >= delta:
        found = "the estimate is large enough but its interval reaches down to no effect"
    else:
        found = "the interval reaches from too small an effect up to one that matters"
    if needed is None:
        return f"{found}; more than {MOST_REPLICATES} replicates would be needed at this estimate and spread"
    return f"{found}; about {needed} replicates would decide it at this estimate and spread"


REASONS = {
    "clear": "the whole interval lies at or above the smallest effect that matters",
    "likely": "the interval lies above no effect, and the estimate is an effect that matters",
    "reversed": "the whole interval lies on the other side of no effect",
    "negligible": "the interval includes no effect and excludes the smallest effect that matters",
    "too small": "there is an effect, but the interval excludes the smallest one that matters",
}


def _gate_reason(failed: Sequence[Gate]) -> str:
    return "; ".join(f"{g.name} {g.title}: {g.detail} ({g.remedy})" for g in failed)
