"""Claims that hold only if every one of their parts does: the intersection-union rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.analysis.estimates import Interval
from harness.analysis.kinds.base import Answered
from harness.analysis.kinds.looks import held
from harness.analysis.question import Question
from harness.analysis.verdict_rule import Ruling
from harness.words.verdict import Answer


class Part(NamedTuple):
    """One of the things that must hold."""

    label: str
    interval: Interval
    ruling: Ruling
    robust: Answer | None


def judged_parts(asked: Question, judges: Mapping[str, Callable[[Question], Answered]]) -> list[Part]:
    """Every part by its label, as its own judge finds it; refuted at the level that is right for all."""
    parts = []
    for label, judge in judges.items():
        found = held(asked, judge, len(judges), "parts")
        assert found.interval is not None
        assert found.ruling is not None
        parts.append(Part(label, found.interval, found.ruling, found.robust))
    return parts


STRONGEST_FIRST = (Answer.REFUTED, Answer.INCONCLUSIVE, Answer.SUPPORTED)


def joint_answer(answers: Iterable[Answer]) -> Answer:
    """REFUTED where any part is, SUPPORTED where all are, else INCONCLUSIVE."""
    return min(answers, key=STRONGEST_FIRST.index)


def deciding(parts: Sequence[Part]) -> Part:
    """The part that decides for all: a refuted one, else an open one, else the one with the least effect.

    A claim of several parts is supported where all are, each at the full level, and refuted where one is
    at the level for all (`looks`); its p value is the largest of theirs. Source: Berger 1982,
    intersection-union tests.
    """
    least = min(parts, key=lambda p: (STRONGEST_FIRST.index(p.ruling.answer), p.interval.value))
    robust = [p.robust for p in parts if p.robust is not None]
    largest = max(p.interval.p_value for p in parts)
    method = least.interval.p_method if len(parts) == 1 else f"the largest of {len(parts)}"
    return least._replace(
        interval=least.interval._replace(p_value=largest, p_method=method),
        robust=joint_answer(robust) if robust else None,
    )
