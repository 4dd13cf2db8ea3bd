"""Arms timed side by side: warmed up, in blocks of calls, in a fresh order every round."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.running.timing.benchmark import Arm, Call, Setting
from harness.words.base import Word

BLOCK_S = 0.005  # a block's length: far above what the clock resolves
WARM_UP_CALLS = 3
SEED = 0  # of the order in which arms take turns


class Times(Word):
    """One arm's seconds a unit of work, one value a round; each is the mean over a block of calls."""

    setting: str
    arm: str
    calls: int
    seconds: list[float]


def measure(settings: Sequence[Setting], rounds: int, block_s: float = BLOCK_S) -> list[Times]:
    """Time every arm of every setting `rounds` times; the arms of a setting take turns."""
    order = random.Random(SEED)
    return [times for setting in settings for times in _measure(setting, rounds, block_s, order)]


def _measure(setting: Setting, rounds: int, block_s: float, order: random.Random) -> list[Times]:
    calls = [arm.start() for arm in setting.arms]
    counts = [calls_in(call, block_s) for call in calls]
    seconds: list[list[float]] = [[] for _ in calls]
    turns = list(range(len(calls)))
    with _without_collector():
        for _ in range(rounds):
            order.shuffle(turns)  # no arm always follows the same one
            for i in turns:
                seconds[i].append(_block(calls[i], counts[i]) / setting.arms[i].work)
    return [_times(setting, *found) for found in zip(setting.arms, counts, seconds, strict=True)]


def calls_in(call: Call, block_s: float) -> int:
    """How many calls fill a block, from timing a few after a warm-up; at least one."""
    for _ in range(WARM_UP_CALLS):
        call()
    begun, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < block_s:
        call()
        count += 1
    return max(1, math.ceil(count * block_s / elapsed))


def _block(call: Call, count: int) -> float:
    """Seconds a call. One call goes ahead untimed: it brings the arm's data back into the cache."""
    call()
    begun = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - begun) / count


def _times(setting: Setting, arm: Arm, calls: int, seconds: list[float]) -> Times:
    return Times(setting=setting.name, arm=arm.name, calls=calls, seconds=seconds)


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection inside a block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
