"""At least x, and non-inferiority: the mean paired difference against a bound that is not 0."""

from __future__ import annotations

from dataclasses import replace

from harness.analysis.kinds.base import Answered, Kind, bound_by_flips, without_diverged
from harness.analysis.kinds.pair import better_or_worse, difference, difference_p, pair_extra, weigh
from harness.analysis.outcome_table import pairs
from harness.analysis.question import Question, with_delta
from harness.analysis.scale import outcome_label
from harness.analysis.verdict_rule import Ruling, bound_rule, shortfall
from harness.analysis.wording import amount, delta_text
from harness.words.hypothesis import AtLeast
from harness.words.outcome import Delta
from harness.words.verdict import Answer, Estimate

BEYOND = {
    Answer.SUPPORTED: "the whole interval lies at or above the bound",
    Answer.REFUTED: "the whole interval lies below the bound",
}


def weigh_at_least(asked: Question) -> Question:
    """x is the smallest effect that matters to the gates, unless the hypothesis gives one."""
    hypothesis = asked.hypothesis
    assert isinstance(hypothesis, AtLeast)
    own = Delta(value=abs(hypothesis.x)) if hypothesis.x else None
    return with_delta(asked, asked.reference, hypothesis.delta or own)


def at_least(asked: Question) -> Answered:
    """SUPPORTED where L >= x, REFUTED where U < x."""
    bound = _x(asked)
    answered = _against(asked, bound)
    if answered.interval is None or answered.ruling is None:
        return answered
    extra = answered.extra | {"beyond_x": asked.scale.show(answered.interval.value - bound)}
    grade = (
        shortfall(answered.interval) if answered.ruling.answer is Answer.REFUTED else answered.ruling.grade
    )
    return replace(answered, extra=extra, ruling=answered.ruling._replace(grade=grade))


def non_inferiority(asked: Question) -> Answered:
    """SUPPORTED where L > -delta, the one-sided test at 2.5 % (ICH E9); REFUTED where U < -delta."""
    answered = _against(asked, -asked.margin)
    if answered.ruling is None or answered.ruling.answer is not Answer.REFUTED:
        return answered
    return replace(answered, ruling=answered.ruling._replace(grade="inferior"))


def _against(asked: Question, bound: float) -> Answered:
    both = pairs(asked.table, asked.subject, asked.reference)
    if len(both) < 2:
        return Answered(asked)
    differences = both.oriented(asked.direction)
    interval = difference(asked, differences)
    return Answered(
        asked,
        interval._replace(p_value=difference_p(asked, differences, bound), p_method="against the bound"),
        _worded(bound_rule(interval, bound, asked.variance_ratio)),
        bound_by_flips(asked, differences, bound),
        pair_extra(asked, both, differences),
        without_diverged(asked, differences, both.diverged),
    )


def _worded(ruling: Ruling) -> Ruling:
    return ruling._replace(reason=BEYOND.get(ruling.answer, ruling.reason))


def _x(asked: Question) -> float:
    assert isinstance(asked.hypothesis, AtLeast)
    return asked.hypothesis.x


def at_least_statement(asked: Question) -> str:
    """a is better than b by at least x."""
    label = outcome_label(asked.outcome)
    return (
        f"{asked.subject}'s {label} is better than {asked.reference}'s by at least {amount(asked, _x(asked))}"
    )


def at_least_finding(asked: Question, found: Estimate) -> str:
    """The difference, and the x that was asked."""
    return f"{better_or_worse(asked, found)}, at least {amount(asked, _x(asked))} claimed"


def non_inferiority_statement(asked: Question) -> str:
    """a is worse than b by less than delta."""
    label = outcome_label(asked.outcome)
    much = f"by less than {delta_text(asked)}, if at all"
    return f"{asked.subject}'s {label} is worse than {asked.reference}'s {much}"


def non_inferiority_finding(asked: Question, found: Estimate) -> str:
    """The difference, and the loss that would have been too much."""
    return f"{better_or_worse(asked, found)}, a loss of less than {delta_text(asked)} claimed"


AT_LEAST = Kind(weigh_at_least, at_least, at_least_statement, at_least_finding)
NON_INFERIORITY = Kind(weigh, non_inferiority, non_inferiority_statement, non_inferiority_finding)
