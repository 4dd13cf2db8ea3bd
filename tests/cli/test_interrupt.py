"""A run that is interrupted or killed leaves no process behind, and the next one trains only the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.records.store import Store
from tests.cli.conftest import TINY, Harness

WORDS = ["run", "tiny", "--no-mlflow", "--workers", "2", "--stack"]  # and a number


def until(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def parts(project: Path) -> dict[str, int]:
    """The parts of records, with the time each was written, in ns."""
    return {p.name: p.stat().st_mtime_ns for p in (project / "results/tiny/records").glob("part-*.parquet")}


def start(project: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A run under way that has written more parts than there were; and the processes it started."""
    before = len(parts(project))
    run = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *WORDS, "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=project,
    )
    until(lambda: len(parts(project)) > before or run.poll() is not None)
    return run, psutil.Process(run.pid).children(recursive=True)


def ended(processes: list[psutil.Process]) -> bool:
    """Whether all are gone."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_stopped(harness: Harness, project: Path) -> None:
    (project / "studies/tiny.yaml").write_text(TINY.replace("epochs: 2", "epochs: 8"))

    run, children = start(project)
    assert len(children) >= 2
    second = harness(*WORDS, "3")  # a second run at the same time
    assert second.code == 2
    assert f"is going on (pid {run.pid})" in second.err
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "interrupted; everything finished is kept" in err
    assert out == ""
    assert "Traceback" not in err
    until(lambda: ended(children), 10)
    after_interrupt = parts(project)
    assert "no verdict yet" in harness("report", "tiny").err

    run, children = start(project)
    run.kill()
    run.communicate(timeout=30)
    until(lambda: ended(children), 20)  # workers end by themselves
    after_kill = parts(project)
    assert after_interrupt.items() < after_kill.items()

    last = harness(*WORDS, "18")
    assert last.code == 0, last.err
    assert "of them kept from before" in last.err
    whole = parts(project)
    assert after_kill.items() < whole.items()  # what was there stays as it was
    store = Store(project / "results", "tiny", read_only=True)
    trials = [trial for _, keys in store._all_keys() for trial, _ in keys]
    assert len(trials) == len(set(trials))  # no trial was trained twice
    assert len(trials) >= 2 * (9 * 2 + 8)
    assert [e["status"] for e in store.executions() if "status" in e] == ["interrupted", "done"]
