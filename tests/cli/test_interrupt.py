"""A run that is interrupted or killed leaves no process behind, and the next one trains only the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from harness.records.store import Store
from tests.cli.conftest import TINY, Harness

RUN = ["run", "tiny", "--no-mlflow", "--stack", "3", "--workers"]  # and a number of them


def until(true: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def parts(project: Path) -> dict[str, int]:
    """The parts of records, with the time each was written, in ns."""
    return {p.name: p.stat().st_mtime_ns for p in (project / "results/tiny/records").glob("part-*.parquet")}


def hear_interrupts() -> None:
    """What a shell runs in the background ignores Ctrl-C, and so would the runs that tests start there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


Start = Callable[[int], tuple["subprocess.Popen[str]", list[psutil.Process]]]


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Starts a run and returns once it has written a part: the run, and the processes it started."""
    runs = []

    def start_run(workers: int) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
        before = len(parts(project))
        argv = [sys.executable, "-m", "harness.cli", *RUN, str(workers)]
        pipe = subprocess.PIPE
        run = subprocess.Popen(
            argv, stdout=pipe, stderr=pipe, text=True, cwd=project, preexec_fn=hear_interrupts
        )
        runs.append(run)
        until(lambda: len(parts(project)) > before or run.poll() is not None)
        return run, psutil.Process(run.pid).children(recursive=True)

    yield start_run
    for run in runs:
        run.kill()
        run.communicate()


def ended(processes: list[psutil.Process]) -> bool:
    """Whether all are gone."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.mark.slow
@pytest.mark.usefixtures("no_workers")  # of the runs in this process: those that are stopped have theirs
def test_a_run_goes_on_where_it_was_stopped(start: Start, harness: Harness, project: Path) -> None:
    (project / "studies/tiny.yaml").write_text(TINY.replace("epochs: 2", "epochs: 120"))

    run, children = start(2)
    assert len(children) >= 2
    psutil.Process(run.pid).suspend()  # so that it doesn't end before the second one begins
    second = harness(*RUN, "2")
    assert second.code == 2
    assert f"is going on (pid {run.pid})" in second.err
    run.send_signal(signal.SIGINT)
    psutil.Process(run.pid).resume()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "interrupted; everything finished is kept" in err
    assert out == ""
    assert "Traceback" not in err
    assert "leaked" not in err
    until(lambda: ended(children), 30)
    after_interrupt = parts(project)
    assert "no verdict yet" in harness("report", "tiny").err

    run, children = start(1)
    run.kill()
    run.communicate(timeout=60)
    until(lambda: ended(children), 60)  # workers end by themselves
    after_kill = parts(project)
    assert after_interrupt.items() < after_kill.items()

    last = harness(*RUN, "1")
    assert last.code == 0, last.err
    assert "of them kept from before" in last.err
    whole = parts(project)
    assert after_kill.items() < whole.items()  # what was there stays as it was
    store = Store(project / "results", "tiny", read_only=True)
    trials = [trial for _, keys in store._all_keys() for trial, _ in keys]
    assert len(trials) == len(set(trials))  # no trial was trained twice
    assert len(trials) >= 2 * (9 * 2 + 8)
    assert [e["status"] for e in store.executions() if "status" in e] == ["interrupted", "done"]
