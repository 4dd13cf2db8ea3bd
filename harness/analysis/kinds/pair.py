"""Superiority: a is better than b by at least delta."""

from __future__ import annotations

from harness.analysis.estimates import (
    Interval,
    d_z,
    pair_correlation,
    paired_t_p,
    probability_better,
    signed_rank_p,
)
from harness.analysis.events import rate_difference, rate_difference_p
from harness.analysis.kinds.base import (
    EVENTS,
    Answered,
    Extra,
    Kind,
    by_ranks,
    effect_by_flips,
    mean_interval,
    without_diverged,
)
from harness.analysis.outcome_table import Pairs, pairs
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question, with_delta
from harness.analysis.scale import outcome_label
from harness.analysis.sign_flip import Alternative, sign_flip_p
from harness.analysis.verdict_rule import effect_rule
from harness.analysis.wording import delta_text, interval_text, unit
from harness.words.verdict import Estimate


def weigh(asked: Question) -> Question:
    """The smallest difference that matters; b is what a relative one refers to."""
    return with_delta(asked, asked.reference, getattr(asked.hypothesis, "delta", None))


def superiority(asked: Question) -> Answered:
    """The mean paired difference; the rank test is primary where more than 5 % of an arm's runs diverged."""
    both = pairs(asked.table, asked.subject, asked.reference)
    if len(both) < 2:
        return Answered(asked)
    differences = both.oriented(asked.direction)
    interval = difference(asked, differences)
    return Answered(
        asked,
        interval,
        effect_rule(interval, asked.margin, asked.variance_ratio),
        effect_by_flips(asked, differences, interval.value),
        pair_extra(asked, both, differences),
        without_diverged(asked, differences, both.diverged),
    )


def difference(asked: Question, differences: Floats, confidence: float | None = None) -> Interval:
    """The mean of a pair's differences; of an event the difference of its rates."""
    if asked.outcome.function in EVENTS:
        return rate_difference(differences, asked.variance_ratio, confidence or asked.confidence)
    return mean_interval(asked, differences, asked.columns[:2], confidence)


def difference_p(
    asked: Question, differences: Floats, bound: float, alternative: Alternative = "two-sided"
) -> float:
    """The p value of the test that `difference` inverts, against a bound."""
    if asked.outcome.function in EVENTS:
        return rate_difference_p(differences, bound, asked.variance_ratio, alternative)
    if by_ranks(asked, len(differences), asked.columns[:2]):
        return signed_rank_p(differences - bound, alternative)
    return paired_t_p(differences - bound, asked.variance_ratio, alternative)


def pair_extra(asked: Question, both: Pairs, differences: Floats) -> Extra:
    """What stands beside the estimate of a pair."""
    return {
        "d_z": d_z(differences),
        "probability_better": probability_better(differences),
        "pair_correlation": pair_correlation(both.a, both.b),
        "sign_flip_p": None if asked.variance_ratio else sign_flip_p(differences),
        "mean_a": float(both.a.mean()),
        "mean_b": float(both.b.mean()),
        "variance_ratio": asked.variance_ratio,
    }


def statement(asked: Question) -> str:
    """a has a better outcome than b by at least delta."""
    label = outcome_label(asked.outcome)
    return f"{asked.subject} has a better {label} than {asked.reference} by at least {delta_text(asked)}"


def finding(asked: Question, found: Estimate) -> str:
    """a is better or worse than b, by how much, and what was asked."""
    return f"{better_or_worse(asked, found)}, at least {delta_text(asked)} asked"


def better_or_worse(asked: Question, found: Estimate) -> str:
    """The difference of a pair in words, with its interval."""
    better = found.value >= 0
    value, interval = interval_text(found)
    if not better:
        interval = interval.replace("interval", "interval for the gain")
    return (
        f"{asked.subject}'s {outcome_label(asked.outcome)} is {'better' if better else 'worse'} than "
        f"{asked.reference}'s by {value.removeprefix('-')}{unit(asked, value)}, {interval}"
    )


SUPERIORITY = Kind(weigh, superiority, statement, finding)
