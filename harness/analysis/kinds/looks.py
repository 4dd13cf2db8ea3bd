"""Refuting by any of several looks: rivals, parts of a claim, settings. Each is held to Bonferroni's level.

A claim that must hold at each of k looks is false where it fails at a single one. Supporting it needs no
correction: all of them pass a false claim, each at the full level, no more often than that one passes
(Berger 1982, intersection-union tests). Refuting does: one of k is enough, so a true claim has k chances to
be refuted. A look refutes only where the interval of 1 - 0.05 / k does (Bonferroni), which holds however
looks that share data and seeds depend on one another. Holm's steps (1979) begin at this very level: they
could name more looks, never refute a claim that this does not. Hochberg's (1988) and Simes's tests could,
under positive dependence, which looks that share some runs and not others needn't have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.analysis.kinds.base import Answered
from harness.analysis.question import Question
from harness.analysis.verdict_rule import Ruling
from harness.analysis.wording import rounded
from harness.words.verdict import Answer


def held(
    asked: Question, answer: Callable[[Question], Answered], parts: int = 1, called: str = "settings"
) -> Answered:
    """What `answer` says, REFUTED only by the interval that is right for all looks.

    Looks are `parts` in each of the question's settings; `called` is what the parts are.
    """
    own, stricter = answer(asked), among(asked, parts)
    refuted = own.ruling is not None and Answer.REFUTED in (own.ruling.answer, own.robust)
    if own.ruling is None or not refuted or stricter.looks == 1:
        return own
    wide = answer(stricter)
    robust = wide.robust if own.robust is Answer.REFUTED else own.robust
    both = parts > 1 and asked.settings > 1
    return replace(own, ruling=_held(wide, own.ruling, "comparisons" if both else called), robust=robust)


def among(asked: Question, parts: int) -> Question:
    """The question with the interval that is right for as many parts in each of its settings."""
    return replace(asked, looks=asked.settings * parts)


def _held(wide: Answered, own: Ruling, called: str) -> Ruling:
    """A ruling, held to the wide interval where it refutes."""
    if own.answer is not Answer.REFUTED or wide.interval is None or wide.ruling is None:
        return own
    asked = wide.question
    ends = asked.scale.show_ends(wide.interval.low, wide.interval.high)
    low, _, high = rounded(ends[0], asked.scale.show(wide.interval.value), ends[1])
    level = f"the {100 * asked.confidence:.4g} % interval, {low} to {high}"
    if wide.ruling.answer is Answer.REFUTED:
        why = f"judged by {level}, as any of {asked.looks} {called} may refute: {wide.ruling.reason}"
        return wide.ruling._replace(reason=why)
    why = f"the 95 % interval would refute it, but not {level}, by which any of {asked.looks} {called} may"
    return Ruling(Answer.INCONCLUSIVE, "", why)
