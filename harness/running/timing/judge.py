"""From times to verdicts: the ratio of paired times by the project's own rule, as for claims about speed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.analysis.estimates import paired_t
from harness.analysis.multiplicity import LEVEL, holm
from harness.analysis.outcomes import Floats
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.verdict_rule import Robustness, decide
from harness.analysis.wording import rounded
from harness.errors import BadInput
from harness.running.timing.benchmark import Benchmark, Pair
from harness.running.timing.clock import Times
from harness.running.timing.step_cost import LinearCost
from harness.words.base import Word
from harness.words.verdict import Answer, graded

DELTA = 1.25  # the smallest ratio of times that matters (method.md, section 6)
QUIET = 0.9  # of a core
MIN_ROUNDS = 8  # the floor of replicates everywhere (method.md, section 4)


class Comparison(Word):
    """One pair's verdict. `ratio`: the slower arm's time over the faster one's, geometric mean of rounds."""

    setting: str
    faster: str
    slower: str
    primary: bool
    answer: Answer
    grade: str
    fragile: bool
    reason: str
    ratio: float
    low: float  # of the 95 % interval
    high: float
    delta: float
    n: int
    p_value: float  # two-sided, of no difference
    p_adjusted: float | None = None  # Holm, over the secondary pairs
    needed_n: int | None = None


class Timed(Word):
    """Everything a benchmark found, written to `results/bench/NAME.json`. `skipped`: why nothing ran.

    `processor_share`: processor seconds over wall seconds of the timing process, near 1 on a machine
    with a core to spare.
    """

    benchmark: str
    says: str
    source: str
    work: str
    headline: str
    scope: str = "one machine, one process, one thread; rounds are repeated timings of the same program"
    rounds: int
    delta: float
    comparisons: list[Comparison] = []
    times: list[Times] = []
    costs: list[LinearCost] = []  # what a step costs by its batch, where batch sizes were timed
    processor_share: float | None = None
    machine: dict[str, Any] = {}
    skipped: str = ""

    @property
    def disturbed(self) -> bool:
        """Whether other work took the processor away often enough to blur the times."""
        return self.processor_share is not None and self.processor_share < QUIET


def check_asked(rounds: int, delta: float) -> None:
    """Raises BadInput where the rule could not decide with these."""
    if rounds < MIN_ROUNDS:
        raise BadInput(
            f"{rounds} rounds are too few to judge by; give --rounds {MIN_ROUNDS} or more (30 is usual)"
        )
    if not 1 < delta < math.inf:
        raise BadInput(
            f"--delta {delta:g} is no smallest ratio of times; give a number above 1, such as {DELTA}"
        )


def judge(benchmark: Benchmark, times: Sequence[Times], delta: float = DELTA) -> list[Comparison]:
    """A verdict on every pair; the first is the primary, the others are adjusted by Holm's rule."""
    seconds = {(t.setting, t.arm): np.array(t.seconds) for t in times}
    first, *others = (compare(pair, seconds, delta) for pair in benchmark.pairs)
    adjusted: Floats = holm([c.p_value for c in others])
    secondary = [_corrected(c, float(p), len(others)) for c, p in zip(others, adjusted, strict=True)]
    return [first.model_copy(update={"primary": True}), *secondary]


def _corrected(found: Comparison, p_adjusted: float, pairs: int) -> Comparison:
    """With its adjusted p; INCONCLUSIVE where it is SUPPORTED and that p is above 5 %, as in a study."""
    found = found.model_copy(update={"p_adjusted": p_adjusted})
    if found.answer is not Answer.SUPPORTED or p_adjusted <= LEVEL:
        return found
    why = f"{found.reason}; but Holm's p over {pairs} secondary pairs is {p_adjusted:.2g}, above {LEVEL:g}"
    return found.model_copy(
        update={"answer": Answer.INCONCLUSIVE, "grade": "", "fragile": False, "reason": why}
    )


def compare(pair: Pair, seconds: Mapping[tuple[str, str], Floats], delta: float) -> Comparison:
    """Paired t on the log ratio of times, round by round; sign flips as robustness test."""
    faster, slower = (seconds[pair.setting, arm] for arm in (pair.faster, pair.slower))
    logs: Floats = np.log(slower) - np.log(faster)
    interval, margin = paired_t(logs), math.log(delta)
    robustness = Robustness(sign_flip_p(logs, "greater"), sign_flip_p(logs - margin, "less"))
    found = decide(interval, margin, robustness=robustness)
    return Comparison(
        **pair._asdict(),
        primary=False,
        answer=found.answer,
        grade=found.grade,
        fragile=found.fragile,
        reason=found.reason,
        ratio=math.exp(interval.value),
        low=math.exp(interval.low),
        high=math.exp(interval.high),
        delta=delta,
        n=interval.n,
        p_value=interval.p_value,
        needed_n=found.needed_n,
    )


def headline(found: Comparison) -> str:
    """The verdict in one sentence: answer, effect, interval, reason."""
    answer = graded(found.answer, found.grade, found.fragile)
    low, ratio, high = rounded(found.low, found.ratio, found.high)
    return (
        f"{answer}: {found.slower} takes {ratio}x the time of {found.faster} ({found.setting}), "
        f"95 % interval {low} to {high}, at least {found.delta:g}x asked; {found.reason}."
    )
