"""The verdict rules: from an interval and what was asked of it to an answer; gates above them all.

Every rule is a pure function to a `Ruling`; every robustness test ends in an `Answer` of its own, and a
verdict whose test would answer otherwise is fragile.
"""

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
TOST_CONFIDENCE = 0.90  # two one-sided tests at 5 %


class Ruling(NamedTuple):
    """What a rule says, gates aside."""

    answer: Answer
    grade: str
    reason: str
    needed_n: int | None = None


class Decision(NamedTuple):
    """What is said in the end."""

    answer: Answer
    grade: str
    fragile: bool
    reason: str
    needed_n: int | None


class Robustness(NamedTuple):
    """One-sided p values of a robustness test (sign-flip, Page, or wins against losses)."""

    above_zero: float  # of the claim's direction, against a difference of 0
    below_delta: float  # of a difference below delta, against delta


def decide(
    interval: Interval,
    delta: float,
    gates: Sequence[Gate] = (),
    robustness: Robustness | None = None,
    variance_ratio: float = 0.0,
) -> Decision:
    """The verdict on an effect: `effect_rule`, its robustness test and the gates, together."""
    robust = robustness and effect_by_tests(interval.value, delta, robustness)
    return conclude(effect_rule(interval, delta, variance_ratio), gates, robust)


def conclude(ruling: Ruling | None, gates: Sequence[Gate] = (), robust: Answer | None = None) -> Decision:
    """The verdict: INCONCLUSIVE where a gate fails or nothing could be measured, else the ruling.

    `robust` is what the robustness test, put in the interval's place at the same level, answers.
    """
    failed = [g for g in gates if g.passed is False]
    if failed:
        return Decision(Answer.INCONCLUSIVE, "", False, _gate_reason(failed), None)
    if ruling is None:
        return Decision(Answer.INCONCLUSIVE, "", False, "too few runs were finished to measure it", None)
    fragile = robust is not None and robust is not ruling.answer
    return Decision(ruling.answer, ruling.grade, fragile, ruling.reason, ruling.needed_n)


def effect_rule(
    interval: Interval, delta: float, variance_ratio: float = 0.0, of: str = "replicates", each: int = 1
) -> Ruling:
    """The rule on an effect, above 0 favouring the claim, against the smallest one that matters.

    L > 0 and estimate >= δ   -> SUPPORTED    clear if L >= δ, else likely
    U < δ                     -> REFUTED      reversed (U < 0) | negligible (L <= 0) | too small (L > 0)
    otherwise                 -> INCONCLUSIVE (needs about n = … replicates, or what the interval is `of`)

    One of the interval's n takes `each` of them.
    """
    enough = interval.value >= delta
    if enough and interval.low > 0:
        return _ruling(Answer.SUPPORTED, "clear" if interval.low >= delta else "likely")
    if interval.high < delta:
        return _ruling(Answer.REFUTED, shortfall(interval))
    found = (
        "the estimate is large enough but its interval reaches down to no effect"
        if enough
        else "the interval reaches from too small an effect up to one that matters"
    )
    room = interval.value if enough else delta - interval.value
    found_n = needed_replicates(interval, room, variance_ratio)
    needed = None if found_n is None else each * found_n
    return Ruling(Answer.INCONCLUSIVE, "", _with_needed(found, needed, of), needed)


def effect_by_tests(value: float, delta: float, robustness: Robustness, level: float = ONE_SIDED) -> Answer:
    """The effect rule with one-sided p values in the interval's place."""
    if value >= delta and robustness.above_zero <= level:
        return Answer.SUPPORTED
    return Answer.REFUTED if robustness.below_delta <= level else Answer.INCONCLUSIVE


def bound_rule(interval: Interval, bound: float, variance_ratio: float = 0.0) -> Ruling:
    """The rule on a bound: L >= bound -> SUPPORTED; U < bound -> REFUTED; otherwise INCONCLUSIVE."""
    if interval.low >= bound:
        return Ruling(Answer.SUPPORTED, "clear", "the whole interval lies on the claim's side of the bound")
    if interval.high < bound:
        return Ruling(Answer.REFUTED, "reversed", "the whole interval lies on the other side of the bound")
    found = "the interval includes the bound"
    return _undecided(found, interval, abs(interval.value - bound), variance_ratio)


def bound_by_tests(above: float, below: float, level: float = ONE_SIDED) -> Answer:
    """The bound rule with one-sided p values in the interval's place."""
    if above <= level:
        return Answer.SUPPORTED
    return Answer.REFUTED if below <= level else Answer.INCONCLUSIVE


def equivalence_rule(
    interval: Interval, narrow: Interval, delta: float, variance_ratio: float = 0.0
) -> Ruling:
    """Two one-sided tests, `narrow` being the 90 % interval of the same estimate.

    90 % interval inside (-δ, δ)   -> SUPPORTED    clear if the 95 % one is inside too, else likely
    95 % interval outside [-δ, δ]  -> REFUTED      different
    otherwise                      -> INCONCLUSIVE
    Source: Schuirmann 1987.
    """
    if narrow.low > -delta and narrow.high < delta:
        inside = interval.low > -delta and interval.high < delta
        return _ruling(Answer.SUPPORTED, "clear" if inside else "likely", EQUAL)
    if interval.low > delta or interval.high < -delta:
        return _ruling(Answer.REFUTED, "different", EQUAL)
    room = delta - abs(interval.value)
    confidence = TOST_CONFIDENCE if room > 0 else CONFIDENCE
    found = "the interval reaches beyond a difference too small to matter"
    needed = needed_replicates(interval, abs(room), variance_ratio, confidence)
    return Ruling(Answer.INCONCLUSIVE, "", _with_needed(found, needed), needed)


def needed_replicates(
    interval: Interval, room: float, variance_ratio: float = 0.0, confidence: float = CONFIDENCE
) -> int | None:
    """The least n > interval.n at which an interval of the same spread is less than `room` to a side.

    The half width is t(n-1) s sqrt(1/n + variance_ratio). None beyond 10,000.
    """
    spread = interval.standard_error / math.sqrt(1 / interval.n + variance_ratio)
    n = np.arange(interval.n + 1, MOST_REPLICATES + 1)
    half_widths = _quantiles(confidence)[n - 2] * spread * np.sqrt(1 / n + variance_ratio)
    enough = n[half_widths < room]
    return int(enough[0]) if len(enough) else None


@cache
def _quantiles(confidence: float) -> Floats:
    """The t quantile of an interval for n = 2, 3, ... replicates."""
    degrees = np.arange(1, MOST_REPLICATES)
    return np.asarray(stats.t.ppf((1 + confidence) / 2, degrees), dtype=np.float64)


def shortfall(interval: Interval) -> str:
    """How an effect too small falls short: reversed, negligible or too small."""
    if interval.high < 0:
        return "reversed"
    return "negligible" if interval.low <= 0 else "too small"


def _undecided(found: str, interval: Interval, room: float, variance_ratio: float) -> Ruling:
    needed = needed_replicates(interval, room, variance_ratio)
    return Ruling(Answer.INCONCLUSIVE, "", _with_needed(found, needed), needed)


def _with_needed(found: str, needed: int | None, of: str = "replicates") -> str:
    if needed is None:
        return f"{found}; more than {MOST_REPLICATES} {of} would be needed at this estimate and spread"
    return f"{found}; about {needed} {of} would decide it at this estimate and spread"


EFFECT = {
    "clear": "the whole interval lies at or above the smallest effect that matters",
    "likely": "the interval lies above no effect, and the estimate is an effect that matters",
    "reversed": "the whole interval lies on the other side of no effect",
    "negligible": "the interval includes no effect and excludes the smallest effect that matters",
    "too small": "there is an effect, but the interval excludes the smallest one that matters",
}
EQUAL = {
    "clear": "the whole interval lies within differences too small to matter",
    "likely": "the 90 % interval, that of two one-sided tests, lies within differences too small to matter",
    "different": "the whole interval lies beyond the smallest difference that matters",
}


def _ruling(answer: Answer, grade: str, reasons: dict[str, str] = EFFECT) -> Ruling:
    return Ruling(answer, grade, reasons[grade])


def _gate_reason(failed: Sequence[Gate]) -> str:
    return "; ".join(f"{g.name} {g.title}: {g.detail} ({g.remedy})" for g in failed)
