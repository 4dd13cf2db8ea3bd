"""What a benchmark is: arms that do the same work in several ways, and which of them is claimed faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Call = Callable[[], object]


class Arm(NamedTuple):
    """One way of doing the work. `start` sets it up, untimed, and gives the call that is timed.

    A call does `work` units of it: elements, examples, layers. A call on a GPU ends when the GPU does.
    """

    name: str
    start: Callable[[], Call]
    work: int = 1


class Setting(NamedTuple):
    """Arms that are timed side by side, at one size."""

    name: str
    arms: tuple[Arm, ...]


class Pair(NamedTuple):
    """The claim at one setting: `faster` takes less time a unit of work than `slower`."""

    setting: str
    faster: str
    slower: str


class Benchmark(NamedTuple):
    """A claim about time, the settings it is timed at, and its pairs: the first one is the primary.

    `refusal` says why it can't run here, or "". `linear`: arms are batch sizes, and what a step costs is
    fitted to them (`step_cost`).
    """

    says: str
    source: str
    work: str  # what the times are of: "a training step of one example"
    settings: Callable[[], list[Setting]]
    pairs: tuple[Pair, ...]
    refusal: Callable[[], str] = lambda: ""
    linear: bool = False
