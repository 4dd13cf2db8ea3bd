"""What a worker does: load a stack's data, train it in as many parts as is fastest, hand back its records."""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from harness.catalogue.data import Splits, load_cached
from harness.catalogue.resolve import options_of
from harness.errors import HarnessError
from harness.running.memory import is_out_of_memory
from harness.running.pace import Pacer
from harness.training.finish import provenance
from harness.training.stack import Stack
from harness.training.train import train
from harness.words.config import RunConfig
from harness.words.predictions import Predictions
from harness.words.record import Record, Status
from harness.words.trial import Trial

CACHE = ".cache"  # of data sets and of the pace of programs, in the results folder
LARGEST, LARGEST_ON_GPU = 256, 4096  # trials trained together, unless asked otherwise
Report = Callable[[float], None]  # share of the job that is done, 0 to 1


def largest_on(device: str) -> int:
    """How many trials a stack has at most on a device, unless asked otherwise."""
    return LARGEST if device == "cpu" else LARGEST_ON_GPU


class Job(NamedTuple):
    """A stack, where data are cached, and the device it runs on."""

    stack: Stack
    cache_dir: Path
    device: str = "cpu"
    predicted: frozenset[str] = frozenset()  # ids of the trials that leave predictions too
    largest: int = LARGEST  # trials trained together, at most

    def smaller(self) -> Job:
        """The job in stacks of at most a quarter of the trials that it was trained in, as far as is known."""
        n = len(self.stack.trials)
        pace = pacer_of(self.cache_dir, self.device).known(self.stack.key)
        size = math.ceil(n / pace.parts(n, self.largest)) if pace.step_s else min(n, self.largest)
        return self._replace(largest=max(1, size // 4))


def pacer_of(cache_dir: Path, device: str) -> Pacer:
    """What remembers how long programs take on the device."""
    return Pacer(folder=cache_dir / "pace", device=device)


class Answer(NamedTuple):
    """What a job leaves: a record a trial and, where asked, the predictions of those that did not diverge."""

    records: list[Record]
    predictions: Mapping[str, Predictions] = {}  # by trial id


def splits_of(trial: Trial, cache_dir: Path) -> Splits:
    """The data of a trial's replicate."""
    config = RunConfig.model_validate(trial.config)
    options = options_of(config, "data")
    return load_cached(config.data.name, options, trial.study, trial.phase, trial.replicate, cache_dir)


def run_job(job: Job, report: Report = lambda share: None) -> Answer:
    """Train the job's stack. A program's error makes failed records; what the user can mend is raised."""
    try:
        return _train_in_parts(job, _loaded(job), report)
    except HarnessError:
        raise
    except Exception as error:
        where = traceback.format_exc(limit=-3)
        reason = f"{type(error).__name__}: {error}\n{where}"
        return Answer([_failed(trial, job, reason) for trial in job.stack.trials])


def _loaded(job: Job) -> list[Splits]:
    """The data of each trial.

    Loaded in an order that differs from process to process: workers whose jobs begin with the same
    replicates, and draw what is not cached yet, then draw different ones instead of all of them twice.
    """
    trials = job.stack.trials
    order = Random(os.getpid()).sample(range(len(trials)), len(trials))
    loaded = {i: splits_of(trials[i], job.cache_dir) for i in order}
    return [loaded[i] for i in range(len(trials))]


def _train_in_parts(job: Job, splits: Sequence[Splits], report: Report) -> Answer:
    """Train the stack part by part, in stacks of the fastest size; out of memory halves that for good."""
    trials, records, predictions = job.stack.trials, list[Record](), dict[str, Predictions]()
    size, pacer = part_size(job, splits), pacer_of(job.cache_dir, job.device)
    pace = pacer.known(job.stack.key)

    def leave(trial: str, its: Predictions) -> None:
        if trial in job.predicted:
            predictions[trial] = its

    while len(records) < len(trials):
        done = len(records)
        part = slice(done, done + size)

        def tell(share: float, done: int = done, size: int = size) -> None:
            report((done + share * min(size, len(trials) - done)) / len(trials))

        try:
            stack = Stack(job.stack.key, trials[part])
            leaves = leave if job.predicted else None
            records += train(stack, splits[part], job.device, tell, leaves, pace.goes_by_graph(size))
        except Exception as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            size = math.ceil(size / 2)
            pacer.bound(job.stack.key, size)
    return Answer(records, predictions)


def part_size(job: Job, splits: Sequence[Splits]) -> int:
    """How many of the job's trials to train together: whatever takes the least time."""
    n = len(job.stack.trials)
    if min(n, job.largest) == 1:
        return 1
    pace = pacer_of(job.cache_dir, job.device).pace(job.stack, splits, job.largest)
    return math.ceil(n / pace.parts(n, job.largest))


def _failed(trial: Trial, job: Job, reason: str) -> Record:
    return Record(
        **trial.identity(),
        status=Status.FAILED,
        reason=reason,
        steps=[],
        curves={},
        final={},
        n_parameters=0,
        time_s=0.0,
        provenance=provenance(job.device, len(job.stack.trials)),
    )
