"""How many trials to train together: measured for each program on this machine, and remembered.

A small network gains by company, since a stack shares the overhead of each operation; a large one can
lose, since it leaves the cache. So a few steps are timed at several stack sizes, the smallest first.
Whatever is chosen, a trial's result is the same.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from harness.catalogue.data.base import Splits
from harness.errors import RunFailed
from harness.files import write_bytes
from harness.running.memory import free_bytes, held_bytes, is_out_of_memory
from harness.running.timing.machine import processor
from harness.training.cuda_graph import ByGraph
from harness.training.members import stacked_orders
from harness.training.products import device_name, library
from harness.training.run import Plan, Run, TakeStep, plan_steps, start
from harness.training.stack import Stack, spread_evenly
from harness.training.train import one_thread, train_step
from harness.words.base import Word, content_hash
from harness.words.config import batch_size_of

SIZES = (1, 4, 16, 64, 256, 1024, 4096)
WARM_UP, TIMED = 1, 4  # steps; the first records the program
WARM_UP_GRAPH, TIMED_GPU = 2, 16  # the second records the graph; a GPU is sent many before one has ended
WORSE = 1.3  # times the best so far: no larger stack is tried
SPENT = 0.03  # of a stack's own time
GAIN = 0.05  # share of time that makes larger stacks worth it: they take cache from other workers too
SHORT_S = (
    1e-3  # a step alone: nearly all overhead, so that every stack gains (150 programs, by 40 % at least)
)
MEMORY_SHARE = 0.5  # of what is free to one worker


class Timed(NamedTuple):
    """Seconds a step takes, of a stack or of each of its models, and whether that is as a CUDA graph."""

    step_s: float
    by_graph: bool = False


class Pace(Word):
    """Seconds a step takes, for each trial, by the size of its stack.

    `held`: bytes that the largest of them took. `fits`: the most trials that are trained together, where
    a larger stack had not enough memory. `by_graph`: the sizes whose steps are fastest as CUDA graphs.
    """

    step_s: dict[int, float]
    held: int = 0
    fits: int | None = None
    by_graph: frozenset[int] = frozenset()

    @property
    def is_telling(self) -> bool:
        """Whether it says if stacks gain: two sizes do, and one by a short step, which is overhead."""
        return len(self.step_s) > 1 or (len(self.step_s) == 1 and max(self.step_s.values()) <= SHORT_S)

    def step(self, size: int) -> float:
        """Seconds a step of one trial in a stack of `size`; one size that tells nothing says it for all."""
        return _between(self.step_s, size) if self.is_telling else max(self.step_s.values())

    def evaluation(self, size: int, examples: int, batch_size: int) -> float:
        """Seconds an evaluation of one trial takes: forward alone, a third of what a step does an example."""
        return self.step(size) * examples / batch_size / 3

    def goes_by_graph(self, size: int) -> bool:
        """Whether a stack of `size` goes as a CUDA graph: as the closest one that was timed does."""
        closest = min(self.step_s, key=lambda known: abs(math.log(known / size)), default=None)
        return closest in self.by_graph

    def also(self, size: int, timed: Timed, held: int = 0) -> Pace:
        """This pace and that of a larger size, which took so many bytes."""
        times = {**self.step_s, size: timed.step_s}
        by_graph = self.by_graph | {size} if timed.by_graph else self.by_graph
        return self.model_copy(update={"step_s": times, "held": max(held, self.held), "by_graph": by_graph})

    def at_most(self, size: int) -> Pace:
        """This pace where stacks of more than `size` don't fit."""
        return self.model_copy(update={"fits": min(size, self.fits or size)})

    def parts(self, trials: int, largest: int) -> int:
        """Into how many stacks of at most `largest` to cut so many trials, for about the least time.

        Of those the smallest. Alone is the smallest of all, so that no stack is chosen in which a trial
        takes longer than alone; nor is one that doesn't fit.
        """
        largest = min(largest, self.fits or largest)
        sizes = {math.ceil(trials / n) for n in range(math.ceil(trials / largest), trials + 1)}
        times = {size: self.step(size) for size in sizes}
        size = min(size for size in sizes if times[size] <= (1 + GAIN) * min(times.values()))
        return math.ceil(trials / size)


def _between(known: dict[int, float], size: int) -> float:
    """Linear in the logarithms; beyond the largest size that was timed by `_beyond`."""
    sizes = sorted(known)
    if size > sizes[-1]:
        return _beyond(known, size)
    return float(np.exp(np.interp(np.log(size), np.log(sizes), np.log([known[s] for s in sizes]))))


def _beyond(known: dict[int, float], size: int) -> float:
    """A trial's own arithmetic and its part of the overhead that its stack shares, by the two largest sizes.

    The overhead is at most what the smallest stack's step takes, and that where no other was timed.
    """
    *smaller, last = sorted(known)
    shared = most = min(known[last] * last, known[min(known)] * min(known))
    if smaller:
        before = smaller[-1]
        shared = min(most, max(0.0, (known[before] - known[last]) / (1 / before - 1 / last)))
    return known[last] - shared / last + shared / size


class Pacer(Word):
    """Times programs on a device and remembers them in a folder."""

    folder: Path
    device: str = "cpu"

    def pace(self, stack: Stack, splits: Sequence[Splits], largest: int | None = None) -> Pace:
        """The pace of a stack's program up to its size, or `largest`; timed where that isn't known yet.

        `splits` are the data of its trials, or of one of them, which then stands for all. Timing ends
        where it has taken SPENT of what the stack itself will take, but not before two sizes are known
        of a program whose step alone isn't short. It ends too where the next size would not fit: it is
        expected to take so much more than the one before.
        """
        known = timed = self.known(stack.key)
        before, started = held_bytes(self.device), time.perf_counter()
        trial_steps = len(stack.trials) * plan_steps(stack.config, len(splits[0].y_train))[0]
        most = min(len(stack.trials), largest or len(stack.trials))
        while (size := _next(timed, most)) is not None:
            spent = time.perf_counter() - started
            if timed.is_telling and spent > SPENT * trial_steps * min(timed.step_s.values()):
                break
            last = max(timed.step_s, default=1)
            if timed.held * size / last > MEMORY_SHARE * free_bytes(self.device):
                timed = timed.at_most(last)
                break
            try:
                found = _time(stack, splits, size, self.device)
            except Exception as error:
                if not timed.step_s or not is_out_of_memory(error):
                    raise
                timed = timed.at_most(last)
                break
            timed = timed.also(size, found, held_bytes(self.device) - before)
        if timed != known:
            _write(self._file(stack.key), timed)
        return timed

    def bound(self, key: str, size: int) -> None:
        """Remember that of a program more than `size` trials together don't fit into memory."""
        _write(self._file(key), self.known(key).at_most(size))

    def known(self, key: str) -> Pace:
        """What is remembered of a program, by its stacks' key; no size where it was never timed."""
        return _read(self._file(key))

    def _file(self, key: str) -> Path:
        machine = [processor(), device_name(self.device), torch.__version__, library()]
        return self.folder / f"{content_hash([key, *machine])}.json"


def _next(timed: Pace, most: int) -> int | None:
    """The next size to time, or None where larger ones promise nothing or don't fit."""
    if not timed.step_s:
        return 1
    largest, most = max(timed.step_s), min(most, timed.fits or most)
    following = next((size for size in SIZES if size > largest), most + 1)
    if following > most or timed.step_s[largest] > WORSE * min(timed.step_s.values()):
        return None
    return following


def _read(file: Path) -> Pace:
    """What is remembered; nothing where that can't be read."""
    try:
        return Pace.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        return Pace(step_s={})


def _write(file: Path, pace: Pace) -> None:
    """Remember it, if the disk lets us. Where two workers do so at once the later one stays."""
    with contextlib.suppress(OSError, RunFailed):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, pace.model_dump_json().encode())


def _time(stack: Stack, splits: Sequence[Splits], size: int, device: str) -> Timed:
    """How long a step takes for each of `size` trials, drawn evenly from the stack: of all its optimizers."""
    drawn = spread_evenly(size, len(stack.trials))
    trials = tuple(stack.trials[i] for i in drawn)
    data = [splits[i] if len(splits) == len(stack.trials) else splits[0] for i in drawn]
    with one_thread(), torch.no_grad():
        run = start(Stack(stack.key, trials), data, torch.device(device))
        step_s, by_graph = _on_gpu(run) if run.params.is_cuda else _on_cpu(run)
    return Timed(step_s / size, by_graph)


def _plans(run: Run, steps: int) -> Iterator[Plan]:
    """The batches and coefficients of some steps, each batch gathered when it is asked for."""
    n_train = len(run.data.splits["train"])
    size = batch_size_of(run.stack.config, n_train)
    orders = stacked_orders(run.stack.trials, n_train, size, run.params.device)
    for coefficients in run.coefficients(range(steps)):
        (batch,) = run.data.batches(next(orders).unsqueeze(0))
        yield batch, coefficients


def _on_cpu(run: Run) -> Timed:
    """A stack's step at best, by the thread's own clock: others use the cores too."""
    plans = _plans(run, WARM_UP + TIMED)

    def seconds(step: int) -> float:
        started = time.thread_time()
        train_step(run, step, *next(plans))
        return time.thread_time() - started

    return Timed(min([seconds(step) for step in range(WARM_UP + TIMED)][WARM_UP:]))


def _on_gpu(run: Run) -> Timed:
    """A stack's step as it is or, where all members are one program, as a CUDA graph if that is faster."""
    plain = Timed(_mean_s(run, train_step))
    if run.program.fallback is not None:  # code that may go by values, which a graph would not
        return plain
    graph = Timed(_mean_s(run, ByGraph(train_step)), by_graph=True)
    return graph if run.refusal is None and graph.step_s < (1 - GAIN) * plain.step_s else plain


def _mean_s(run: Run, take: TakeStep) -> float:
    """Seconds a step takes by `take` on a GPU, in the mean of many sent one after the other."""
    plans = _plans(run, WARM_UP_GRAPH + TIMED_GPU)
    for step, plan in enumerate(plans):
        if step == WARM_UP_GRAPH:
            torch.cuda.synchronize(run.params.device)
            started = time.perf_counter()
        take(run, step, *plan)
    torch.cuda.synchronize(run.params.device)
    return (time.perf_counter() - started) / TIMED_GPU
