"""Run a batch of trials through an executor into the store; what has run before is not run again."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import RunFailed
from harness.records.store import Store
from harness.running.balance import balanced, cost_of, trials_within
from harness.running.executors import Executor
from harness.running.job import LARGEST, Answer, Job, Report, pacer_of
from harness.running.observer import Observer
from harness.running.pace import Pacer
from harness.training.stack import Stack, stacks_of
from harness.words.record import Status
from harness.words.trial import Trial

JOB_WORK = 5e10  # of a job, some ten seconds of a CPU's arithmetic: what a killed run may lose
POLL_S = 0.5  # how often progress inside a stack is passed on


@dataclass
class Bench:
    """What every batch of a run shares."""

    store: Store
    executor: Executor
    observer: Observer
    cache_dir: Path
    device: str = "cpu"
    largest_stack: int = LARGEST
    statuses: dict[str, Status] = field(default_factory=dict)  # of this run's trials; the store has the rest

    @property
    def pacer(self) -> Pacer:
        """What remembers how long programs take."""
        return pacer_of(self.cache_dir, self.device)


def run_batch(
    bench: Bench, name: str, trials: Iterable[Trial], predicted: Collection[str] = frozenset()
) -> None:
    """Bring every trial's record into the store, running those that it does not hold.

    The trials whose ids are in `predicted` leave predictions too; one that has a record and no
    predictions runs again. Each stack's records are durable before the next is waited for. Raises
    RunFailed where trials failed by an error of the program; the others are kept.
    """
    wanted = {trial.id: trial for trial in trials if trial.id not in bench.statuses}
    known = bench.store.statuses()
    finished = {key for key in wanted if known.get(key, Status.FAILED) is not Status.FAILED}
    finished -= {
        key
        for key in finished & set(predicted)
        if known[key] is Status.DONE and key not in bench.store.predictions  # a diverged one leaves none
    }
    bench.statuses |= {key: known[key] for key in finished}
    todo = [trial for key, trial in wanted.items() if key not in finished]
    bench.observer.phase(name, len(wanted), len(finished))
    if todo:
        _run(bench, _jobs(bench, todo, predicted))
    _raise_failed(bench, wanted)


def _jobs(bench: Bench, todo: list[Trial], predicted: Collection[str]) -> list[Job]:
    """The trials as stacks, the longest first, cut so that the workers end together."""
    stacks = shared_out(todo, bench.executor.workers, bench.largest_stack, bench.pacer)
    return [
        Job(
            stack,
            bench.cache_dir,
            bench.device,
            predicted=frozenset(trial.id for trial in stack.trials) & set(predicted),
            largest=bench.largest_stack,
        )
        for stack in stacks
    ]


def shared_out(trials: Iterable[Trial], workers: int, largest: int, pacer: Pacer) -> list[Stack]:
    """The stacks of some trials for so many workers, in the order in which they are to start."""
    stacks = stacks_of(trials, largest)
    if pacer.device == "cpu":
        stacks = [part for stack in stacks for part in stack.parts(trials_within(JOB_WORK, stack.config))]
    return balanced(stacks, workers, cost_of(stacks, pacer))


def _run(bench: Bench, jobs: list[Job]) -> None:
    shares = _Shares(sum(len(job.stack.trials) for job in jobs))
    futures: dict[Future[Answer], Job] = {}
    for job in jobs:
        futures[bench.executor.submit(job, shares.of(job))] = job
    while futures:
        for future in wait(futures, timeout=POLL_S, return_when=FIRST_COMPLETED).done:
            _keep(bench, future.result())
            shares.of(futures.pop(future))(1.0)  # its records are on disk: none is held any longer
        bench.observer.share(shares.done(), shares.trials)


def _keep(bench: Bench, answer: Answer) -> None:
    """Make an answer durable, the records last: where there is a record, nothing of its trial is missing."""
    for trial, predictions in answer.predictions.items():
        bench.store.predictions.add(trial, predictions)
    bench.store.append(answer.records)
    bench.statuses |= {record.trial: record.status for record in answer.records}


class _Shares:
    """How much of each job is done; heard from executors' threads."""

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self._lock = threading.Lock()
        self._done: dict[str, float] = {}

    def of(self, job: Job) -> Report:
        key, size = job.stack.trials[0].id, len(job.stack.trials)

        def report(share: float) -> None:
            with self._lock:
                self._done[key] = share * size

        return report

    def done(self) -> float:
        with self._lock:
            return sum(self._done.values())


def _raise_failed(bench: Bench, wanted: dict[str, Trial]) -> None:
    failed = [key for key in wanted if bench.statuses[key] is Status.FAILED]
    if not failed:
        return
    (first,) = bench.store.stored(failed[:1])
    raise RunFailed(
        f"{len(failed)} of {len(wanted)} trials failed; the first, {first.record.trial}, with "
        f"{first.record.reason.strip()}\nThe others are kept: mend the cause and run again."
    )
