"""Executors for tests: one that counts what it is given, others that break."""

from harness.running.here import ThisProcess


class Counting:
    """Passes jobs on, noting the trials of each. After `breaks_after` jobs it is interrupted."""

    def __init__(self, inner, breaks_after=None):
        self.inner, self.breaks_after = inner, breaks_after
        self.jobs = []

    @property
    def workers(self):
        return self.inner.workers

    @property
    def trials(self):
        """Trials given, in order; reruns of single trials at the end included."""
        return [trial.id for job in self.jobs for trial in job.stack.trials]

    def submit(self, job, report):
        if self.breaks_after is not None and len(self.jobs) >= self.breaks_after:
            raise KeyboardInterrupt
        self.jobs.append(job)
        return self.inner.submit(job, report)

    def close(self):
        self.inner.close()


def interrupted_after(jobs):
    return Counting(ThisProcess(), jobs)
