"""Where stacks run: worker processes that may die at any moment.

An executor is anything with `submit(job, report) -> Future[Answer]` and `close()`. Nothing here imports
torch, so that a worker can be doing that while its driver does.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Protocol, Self, final

from harness.errors import RunFailed

if TYPE_CHECKING:
    from harness.running.job import Answer, Job, Report

MAX_TRIES = 3  # of a job whose worker died
GRACE_S = 3.0  # for an idle worker to end by itself, cleaning up after it


class Executor(Protocol):
    """Runs jobs."""

    @property
    def workers(self) -> int:
        """How many jobs run at once."""

    def submit(self, job: Job, report: Report) -> Future[Answer]:
        """Run the job some time; `report` hears the share that is done."""

    def close(self) -> None:
        """Stop at once; jobs not finished are lost, their futures never resolve."""


@final
class WorkerProcesses:
    """One supervised process a slot: a worker that dies is replaced and its job runs again.

    Jobs are taken in the order of their submission. A job that kills its worker three times fails.
    Used in a `with`, it closes at the end.
    """

    def __init__(self, workers: int) -> None:
        self._start(workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def workers(self) -> int:
        """How many jobs run at once."""
        return len(self._slots)

    def grow(self, workers: int) -> None:
        """Start more workers, until there are so many."""
        while self.workers < workers:
            self._slots.append(_Slot(self._jobs, self._closing))
            self._slots[-1].start()

    def restart(self) -> None:
        """Drop what is running and queued, and start as many workers anew."""
        self.close()
        self._start(self.workers)

    def submit(self, job: Job, report: Report) -> Future[Answer]:
        """Queue the job."""
        future: Future[Answer] = Future()
        self._jobs.put(_Task(job, report, future))
        return future

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        self._closing.set()
        for _ in self._slots:
            self._jobs.put(None)
        for slot in self._slots:
            slot.dismiss()
        for slot in self._slots:
            slot.end()
            slot.join()

    def _start(self, workers: int) -> None:
        self._jobs: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._slots: list[_Slot] = []
        self.grow(workers)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Task:
    def __init__(self, job: Job, report: Report, future: Future[Answer]) -> None:
        self.job, self.report, self.future = job, report, future


@final
class _Slot(threading.Thread):
    """A thread that keeps one worker process busy and alive."""

    def __init__(self, jobs: queue.SimpleQueue[_Task | None], closing: threading.Event) -> None:
        super().__init__(daemon=True)
        self._jobs, self._closing = jobs, closing
        self._busy = threading.Event()
        self._awake = False  # whether the worker has been heard
        self._process, self._pipe = _start_worker()

    def run(self) -> None:
        while (task := self._jobs.get()) is not None and not self._closing.is_set():
            self._busy.set()
            self._run_task(task)
            self._busy.clear()

    def dismiss(self) -> None:
        """Tell the worker to end: kindly where it is idle, at once where it is at work or still imports."""
        with contextlib.suppress(OSError):
            if self._busy.is_set() or not (self._awake or self._pipe.poll()):
                self._process.kill()
            else:
                self._pipe.send(None)

    def end(self) -> None:
        """See that the worker has ended."""
        self._process.join(GRACE_S)
        self._process.kill()
        self._process.join()

    def _run_task(self, task: _Task) -> None:
        for _ in range(MAX_TRIES):
            try:
                self._pipe.send(task.job)
                task.future.set_result(self._await(task))
                return
            except (EOFError, ConnectionError):
                self._process.join()
                if self._closing.is_set():
                    return
                self._awake = False
                self._process, self._pipe = _start_worker()
                task.job = task.job.halved()  # it may have taken more memory than there is
            except Exception as error:
                task.future.set_exception(error)
                return
        code = self._process.exitcode
        task.future.set_exception(
            RunFailed(
                f"a stack of {len(task.job.stack.trials)} trials ended its worker process {MAX_TRIES} times "
                f"(exit code {code}), the last time in parts of at most {task.job.largest}. Finished trials "
                "are kept."
            )
        )

    def _await(self, task: _Task) -> Answer:
        while True:
            answer = self._pipe.recv()
            self._awake = True
            if answer is None:  # it has imported what it needs
                continue
            if isinstance(answer, float):
                task.report(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                whole: Answer = answer
                return whole


def _start_worker() -> tuple[SpawnProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,), daemon=True)
    with _worker_environment():
        process.start()
    theirs.close()
    return process, ours


_environment = threading.Lock()
# One thread a worker; memory that a step frees is kept for the next instead of returned to the system.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
}


@contextlib.contextmanager
def _worker_environment() -> Iterator[None]:
    with _environment:
        before = dict(os.environ)
        os.environ.update(WORKER_ENVIRONMENT)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def work(pipe: Connection) -> None:
    """The worker's loop: a job in, shares of progress and then its answer or its error out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    run_job = importlib.import_module("harness.running.job").run_job
    with contextlib.suppress(OSError):
        pipe.send(None)
    while True:
        try:
            job: Job | None = pipe.recv()
        except (EOFError, OSError):  # the driver is gone
            return
        if job is None:
            return
        try:
            answer: Answer | Exception = run_job(job, pipe.send)
        except Exception as error:
            answer = error
        with contextlib.suppress(OSError):
            pipe.send(answer)
