"""One worker process: how it starts, what it is sent and what it answers.

Nothing here imports torch, so that a worker can be doing that while its driver does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from harness.running.job import Answer, Job, Report

GRACE_S = 3.0  # for an idle worker to end by itself, cleaning up after it
# One thread a worker; memory that a step frees is kept for the next instead of returned to the system.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
}
SERVER = "harness.running.fork_server"  # what the server that workers are forked from imports


@final
class Worker:
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

    def run(self, job: Job, report: Report) -> Answer:
        """The job's answer. Raises its error, and EOFError or ConnectionError where the worker dies."""
        self._pipe.send(job)
        while True:
            answer = self._pipe.recv()
            self._heard = True
            if answer is None:  # it has imported what it needs
                continue
            if isinstance(answer, float):
                report(answer)
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


def can_fork() -> bool:
    """Whether workers can be forked here: on Linux, from a server, which is started unless it is there.

    Returns at once. Elsewhere a process with threads or frameworks can't be forked safely.
    """
    if sys.platform != "linux":
        return False
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
    os.dup2(2, 1)  # what a user's network prints is no result
    run_job = importlib.import_module("harness.running.job").run_job
    # torch.fx has tqdm make a lock between processes, whose semaphores a worker that is killed leaves behind.
    importlib.import_module("tqdm").tqdm.set_lock(threading.RLock())
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
