"""Equivalence: a and b differ by less than delta, by two one-sided tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.analysis.estimates import paired_t_p
from harness.analysis.kinds.base import Answered, Kind, without_diverged
from harness.analysis.kinds.pair import better_or_worse, difference, difference_p, pair_extra, weigh
from harness.analysis.outcome_table import pairs
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question
from harness.analysis.scale import outcome_label
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.verdict_rule import TOST_CONFIDENCE, equivalence_rule
from harness.analysis.wording import delta_text
from harness.words.verdict import Answer, Estimate

TOST = "the larger of two one-sided tests"
Above = Callable[[Floats, float], float]  # the one-sided p of (n,) values against a bound


def _t_above(values: Floats, bound: float) -> float:
    return paired_t_p(values - bound, alternative="greater")


def equivalence(asked: Question) -> Answered:
    """The 90 % interval inside (-delta, delta); its p value is the larger of the two one-sided tests'."""
    both = pairs(asked.table, asked.subject, asked.reference)
    if len(both) < 2:
        return Answered(asked)
    differences = both.oriented(asked.direction)
    interval = difference(asked, differences)
    narrow = difference(asked, differences, TOST_CONFIDENCE)
    above = partial(difference_p, asked, alternative="greater")
    low, high = asked.scale.show_ends(narrow.low, narrow.high)
    return Answered(
        asked,
        interval._replace(p_value=tost_p(differences, asked.margin, above), p_method=TOST),
        equivalence_rule(interval, narrow, asked.margin, asked.variance_ratio),
        _by_flips(asked, differences),
        pair_extra(asked, both, differences) | {"low_90": low, "high_90": high},
        without_diverged(asked, differences, both.diverged),
    )


def tost_p(differences: Floats, delta: float, above: Above = _t_above) -> float:
    """The larger p of the one-sided tests, t unless said, against -delta and against delta.

    Source: Schuirmann 1987.
    """
    return max(above(differences, -delta), above(-differences, -delta))


def _by_flips(asked: Question, differences: Floats) -> Answer | None:
    """The two tests by sign flips; and, for a refutation, a difference beyond delta to either side."""
    if asked.variance_ratio:
        return None
    delta = asked.margin
    inside = max(sign_flip_p(differences + delta, "greater"), sign_flip_p(differences - delta, "less"))
    if inside <= (1 - TOST_CONFIDENCE) / 2:
        return Answer.SUPPORTED
    beyond = min(sign_flip_p(differences - delta, "greater"), sign_flip_p(differences + delta, "less"))
    return Answer.REFUTED if beyond <= asked.one_sided else Answer.INCONCLUSIVE


def statement(asked: Question) -> str:
    """a and b differ by less than delta."""
    label = outcome_label(asked.outcome)
    return f"the {label} of {asked.subject} and of {asked.reference} differ by less than {delta_text(asked)}"


def finding(asked: Question, found: Estimate) -> str:
    """The difference with both intervals, and what was claimed."""
    low, high = found.extra["low_90"], found.extra["high_90"]
    narrow = f"90 %: {low:.3g} to {high:.3g}"
    return f"{better_or_worse(asked, found)} ({narrow}), less than {delta_text(asked)} claimed"


EQUIVALENCE = Kind(weigh, equivalence, statement, finding)
