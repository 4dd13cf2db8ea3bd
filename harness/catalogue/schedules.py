"""Learning-rate schedules: the factor on the learning rate at a step, in [0, 1].

A pure function of step (0-based) and the trial's total steps; the peak rate is the optimizer's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from pydantic import Field

from harness.words.base import Word


class NoOptions(Word):
    """No options."""


class CosineOptions(Word):
    """`final`: the factor at the end. `warmup`: the share of steps of linear warm-up."""

    final: float = Field(default=0.0, ge=0, le=1)
    warmup: float = Field(default=0.0, ge=0, lt=1)


class Schedule(NamedTuple):
    """`factor(step, total, options)`."""

    options: type[Word]
    factor: Callable[[int, int, Word], float]
    formula: str
    source: str


def constant(_step: int, _total: int, _options: Word) -> float:
    """1 at every step."""
    return 1.0


def cosine(step: int, total: int, options: Word) -> float:
    """From 1 to `final` along half a cosine, after a linear warm-up.

    final + (1-final)(1 + cos(pi t/T))/2 (Loshchilov and Hutter 2017, without restarts), the same
    values as torch's CosineAnnealingLR with T_max = total.
    """
    assert isinstance(options, CosineOptions)
    warmup = round(options.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return options.final + (1 - options.final) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(NoOptions, constant, "1", "plain SGD"),
    "cosine": Schedule(
        CosineOptions, cosine, "final + (1-final)(1+cos(pi t/T))/2", "Loshchilov and Hutter 2017"
    ),
}
