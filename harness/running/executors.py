"""Where stacks run: worker processes that may die at any moment.

An executor is anything with `submit(job, report) -> Future[Answer]` and `close()`. Nothing here imports
torch, so that a worker can be doing that while its driver does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Protocol, Self, final

from harness.errors import RunFailed

if TYPE_CHECKING:
    from harness.running.job import Answer, Job, Report

MAX_TRIES = 3  # of a job whose worker died
GRACE_S = 3.0  # for an idle worker to end by itself, cleaning up after it
FORKED = sys.platform == "linux"  # elsewhere a process with threads or frameworks can't be forked safely


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
            slot.interrupt()
        for slot in self._slots:
            slot.join_worker()

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
        self._worker: _Worker | None = None  # until it has started
        self._forked = FORKED and _start_server()

    def run(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # it comes again, and is told, with the first job
            self._worker = _Worker(self._forked)
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
        code = None
        for _ in range(MAX_TRIES):
            try:
                worker = self._worker or self._start_another()
                if self._closing.is_set():
                    return
                task.future.set_result(worker.run(task))
                return
            except (EOFError, ConnectionError):
                code = self._bury()
                if self._closing.is_set():
                    return
                task.job = task.job.halved()  # it may have taken more memory than there is
            except Exception as error:
                task.future.set_exception(error)
                return
        task.future.set_exception(_ended(task.job, code))

    def _start_another(self) -> _Worker:
        try:
            self._worker = _Worker(self._forked)
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


def _ended(job: Job, code: int | None) -> RunFailed:
    return RunFailed(
        f"a stack of {len(job.stack.trials)} trials ended its worker process {MAX_TRIES} times (exit code "
        f"{code}), the last time in parts of at most {job.largest}. Finished trials are kept."
    )


# One thread a worker; memory that a step frees is kept for the next instead of returned to the system.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
}
SERVER = "harness.running.fork_server"  # what the server that workers are forked from imports


@final
class _Worker:
    """A worker process, once it has started, and the pipe to it.

    `forked` from a server that has imported what jobs need: torch is imported once, whatever the number of
    workers, and one in place of a dead one is there at once. Otherwise it imports for itself.
    """

    def __init__(self, forked: bool) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._heard = False  # then its imports are done
        context: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
        self._process: BaseProcess = context.Process(
            target=work, args=(theirs, os.environ | WORKER_ENVIRONMENT), daemon=True
        )
        if forked:
            self._process.start()  # waits for the server's imports
        else:
            with _worker_environment():
                self._process.start()
        theirs.close()

    def run(self, task: _Task) -> Answer:
        """The job's answer. Raises its error, and EOFError or ConnectionError where the worker dies."""
        self._pipe.send(task.job)
        while True:
            answer = self._pipe.recv()
            self._heard = True
            if answer is None:  # it has imported what it needs
                continue
            if isinstance(answer, float):
                task.report(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                whole: Answer = answer
                return whole

    def exit_code(self) -> int | None:
        """That of a worker that is dead."""
        self._process.join()
        return self._process.exitcode

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> None:
        """End an idle one: kindly, but at once where it still imports."""
        with contextlib.suppress(OSError):
            if self._heard or self._pipe.poll():
                self._pipe.send(None)
                self._process.join(GRACE_S)
        self._process.kill()
        self._process.join()


def _start_server() -> bool:
    """Start what workers are forked from, unless it is there; returns at once. False where it can't be."""
    forkserver.set_forkserver_preload([SERVER])
    try:
        with _worker_environment():
            forkserver.ensure_running()
    except OSError:  # the folder for temporary files has too long a name for a socket
        return False
    return True


_environment = threading.Lock()


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


def work(pipe: Connection, environment: Mapping[str, str]) -> None:
    """The worker's loop: a job in, shares of progress and then its answer or its error out.

    `environment` is its driver's as it is now: a server's may be older.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    os.environ.clear()
    os.environ.update(environment)
    run_job = importlib.import_module("harness.running.job").run_job
    gc.freeze()  # imports are never garbage: looking through them takes longer than training a small stack
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
