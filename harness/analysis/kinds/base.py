"""What every kind of hypothesis is made of, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.estimates import (
    MIN_RANK_PAIRS,
    Interval,
    hodges_lehmann,
    paired_t,
)
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.verdict_rule import Robustness, Ruling, bound_by_tests, effect_by_tests
from harness.words.verdict import Answer, Estimate

RANK_ABOVE = 0.05  # share of diverged runs in any arm above which the rank test is primary
EVENTS = ("diverged", "success")  # outcomes that a run has or hasn't, diverged or not
EVERY_GATE = frozenset(f"G{i}" for i in range(1, 10))
WITHOUT_DELTA = frozenset({"G1", "G3", "G4", "G6", "G7", "G9"})  # for kinds without a smallest effect
Extra = dict[str, float | str | None]


@dataclass(frozen=True)
class Answered:
    """A question with its numbers. `interval` and `ruling` are None with too few finished runs."""

    question: Question
    interval: Interval | None = None
    ruling: Ruling | None = None
    robust: Answer | None = None  # what the robustness test answers, where there is one
    extra: Extra = field(default_factory=dict)
    without_diverged: Interval | None = None
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    sensitivity: list[dict[str, float]] = field(default_factory=list)
    levels: list[dict[str, Any]] = field(default_factory=list)


def whole(answered: Answered) -> Question:
    """The question with every arm that it was asked of."""
    return answered.question


class Kind(NamedTuple):
    """One kind of hypothesis: how it is measured, decided and said."""

    weigh: Callable[[Question], Question]  # sets the smallest effect, the scale, the columns' order
    answer: Callable[[Question], Answered]
    statement: Callable[[Question], str]  # the hypothesis in words
    finding: Callable[[Question, Estimate], str]  # the effect, its interval and what was asked
    gates: frozenset[str] = EVERY_GATE  # those that bear on it
    deciding: Callable[[Answered], Question] = whole  # with the arms that decide, which gates look at
    held: bool = True  # refutes by the interval for as many settings (`looks`); else by its own means


def mean_interval(
    asked: Question, values: Floats, columns: Sequence[str], confidence: float | None = None
) -> Interval:
    """The mean of (n,) values made of those columns, or its form in ranks (`by_ranks`).

    The interval is that of the question's own confidence unless another is given.
    """
    if by_ranks(asked, len(values), columns):
        return hodges_lehmann(values, confidence or asked.confidence)
    return paired_t(values, asked.variance_ratio, confidence or asked.confidence)


def by_ranks(asked: Question, n: int, columns: Sequence[str]) -> bool:
    """Whether n values made of those columns are judged by ranks: over 5 % of a column's runs diverged.

    Repeated splits of one data set keep the Nadeau-Bengio t, which alone accounts for their overlap. Of
    an event a run that diverged has a value of its own, not one that stands in.
    """
    lost = asked.table[asked.table["arm"].isin(columns)].groupby("arm")["diverged"].mean()
    possible = n >= MIN_RANK_PAIRS and not asked.variance_ratio and asked.outcome.function not in EVENTS
    return possible and float(lost.max()) > RANK_ABOVE


def without_diverged(asked: Question, values: Floats, diverged: NDArray[np.bool_]) -> Interval | None:
    """The mean without replicates in which a run diverged, where there are any and two are left."""
    left = values[~diverged]
    if len(left) == len(values) or len(left) < 2 or asked.outcome.function == "diverged":
        return None
    return paired_t(left, asked.variance_ratio)


def effect_by_flips(asked: Question, values: Floats, value: float) -> Answer | None:
    """The effect rule by sign flips of (n,) values. None where replicates overlap: flips need them apart."""
    if asked.variance_ratio:
        return None
    flips = Robustness(sign_flip_p(values, "greater"), sign_flip_p(values - asked.margin, "less"))
    return effect_by_tests(value, asked.margin, flips, asked.one_sided)


def bound_by_flips(asked: Question, values: Floats, bound: float) -> Answer | None:
    """The bound rule by sign flips of (n,) values, None as above."""
    if asked.variance_ratio:
        return None
    above, below = sign_flip_p(values - bound, "greater"), sign_flip_p(values - bound, "less")
    return bound_by_tests(above, below, asked.one_sided)


def described(asked: Question, values: Floats) -> dict[str, float | None]:
    """Mean of (n,) values with its 95 % t interval, where there are two, for a row of a level."""
    if len(values) < 2:
        return {
            "n": len(values),
            "mean": float(values[0]) if len(values) else None,
            "low": None,
            "high": None,
        }
    mean = paired_t(values, asked.variance_ratio)
    return {"n": len(values), "mean": mean.value, "low": mean.low, "high": mean.high}
