"""Stacks run in the calling process, one after the other."""

from __future__ import annotations

from concurrent.futures import Future
from typing import final

from harness.running.job import Answer, Job, Report, run_job


@final
class ThisProcess:
    """Runs each job at once, in the calling process."""

    workers = 1

    def submit(self, job: Job, report: Report) -> Future[Answer]:
        """Run the job before returning."""
        future: Future[Answer] = Future()
        try:
            future.set_result(run_job(job, report))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing to stop."""
