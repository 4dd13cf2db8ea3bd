"""Where stacks run: worker processes that may die at any moment.

An executor is anything with `submit(job, report) -> Future[Answer]` and `close()`. Nothing here imports
torch, so that a worker can be doing that while its driver does.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, Self, final

from harness.errors import RunFailed
from harness.running.worker import Worker, can_fork

if TYPE_CHECKING:
    from harness.running.job import Answer, Job, Report

MAX_TRIES = 3  # of a job whose worker dies, and more until its trials were tried one at a time


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

    Jobs are taken in the order of their submission. A job that kills its worker three times, at last with
    its trials trained one at a time, fails.
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
            slot.interrupt()
        for slot in self._slots:
            slot.join_worker()

    def _start(self, workers: int) -> None:
        self._jobs: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._slots: list[_Slot] = []
        self.grow(workers)


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
        self._worker: Worker | None = None  # until it has started
        self._forked = can_fork()

    def run(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # it comes again, and is told, with the first job
            self._worker = Worker(self._forked)
        while (task := self._jobs.get()) is not None and not self._closing.is_set():
            self._busy.set()
            self._run_task(task)
            self._busy.clear()
        if self._worker is not None:
            self._worker.end()

    def interrupt(self) -> None:
        """End a worker that is at work; an idle one ends by itself."""
        if self._busy.is_set() and self._worker is not None:
            self._worker.kill()

    def join_worker(self) -> None:
        """Wait for the worker's end; one that hasn't started yet ends as it does."""
        if self._worker is not None:
            self.join()

    def _run_task(self, task: _Task) -> None:
        for tries in itertools.count(1):
            try:
                worker = self._worker or self._start_another()
                if self._closing.is_set():
                    return
                task.future.set_result(worker.run(task.job, task.report))
                return
            except (EOFError, ConnectionError):
                code = self._bury()
                if self._closing.is_set():
                    return
                if tries >= MAX_TRIES and task.job.largest == 1:
                    task.future.set_exception(_ended(task.job, tries, code))
                    return
                task.job = task.job.smaller()  # it may have taken more memory than there is
            except Exception as error:
                task.future.set_exception(error)
                return

    def _start_another(self) -> Worker:
        try:
            self._worker = Worker(self._forked)
        except ConnectionError:  # the server it is forked from died: there is a new one at the next try
            raise
        except OSError as error:
            raise RunFailed(
                f"a worker process could not be started ({error}). Finished trials are kept; fewer workers "
                "(--workers) need fewer processes and less memory"
            ) from error
        return self._worker

    def _bury(self) -> int | None:
        """The exit code of a worker that died; the next try starts another."""
        dead, self._worker = self._worker, None
        return None if dead is None else dead.exit_code()


def _ended(job: Job, tries: int, code: int | None) -> RunFailed:
    return RunFailed(
        f"a stack of {len(job.stack.trials)} trials ended its worker process {tries} times (exit code "
        f"{code}), the last time trained one at a time. Finished trials are kept."
    )
