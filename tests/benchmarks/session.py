"""What every benchmark is given and gives back: a session's settings, rows of results, fresh processes."""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl: what a child leaves behind becomes a child of this process
ORPHANS_S = 10.0  # for what a command leaves behind to end


class Bar(NamedTuple):
    """The value a result must reach: a lower or an upper bound."""

    value: float
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Whether `value` lies on the right side."""
        return value >= self.value if self.at_least else value <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"


class Row(NamedTuple):
    """One result: the median of `values`, their spread, and the bar where there is one."""

    case: str
    what: str
    values: list[float]
    unit: str = "×"
    bar: Bar | None = None

    @property
    def median(self) -> float:
        """The middle of the values."""
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        """The row as plain values."""
        bar = None if self.bar is None else str(self.bar)
        return {
            "case": self.case,
            "what": self.what,
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "n": len(self.values),
            "unit": self.unit,
            "bar": bar,
            "met": None if self.bar is None else self.bar.met(self.median),
            "values": self.values,
        }


@dataclass
class Result:
    """What a case found: its rows, every run behind them, and what a reader should know.

    `failed`: the case ended by an error, which stands in the notes.
    """

    rows: list[Row] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def add(self, part: Result) -> None:
        """Take in what a part of the case found."""
        self.rows += part.rows
        self.runs += part.runs
        self.notes += part.notes


class Skipped(Exception):
    """A case or a side can't run here; the text says why."""


@dataclass(frozen=True)
class Session:
    """How this session measures. `scale`: the share of a list of trials that peers run, 0 to 1."""

    folder: Path
    rounds: int = 2
    scale: float = 0.05
    full: bool = False
    say: Callable[[str], None] = lambda line: None

    @property
    def share(self) -> float:
        """The share of the trials that peers run in this session."""
        return 1.0 if self.full else self.scale


class Spent(NamedTuple):
    """What a process took. Far less processor time than expected by its wall time: the machine was busy."""

    wall_s: float
    cpu_s: float


def run_fresh(command: Sequence[str], environment: dict[str, str] | None = None) -> Spent:
    """Run a command in a fresh process. Raises RuntimeError with its last words.

    Its processor time is that of all its processes, on Linux also of those it leaves behind for a moment:
    the server that its workers are forked from ends by itself, after it.
    """
    _adopt_orphans()
    before = _children()
    begun, used = time.perf_counter(), _children_s()
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall_s = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    psutil.wait_procs(_children() - before, timeout=ORPHANS_S)
    return Spent(wall_s, _children_s() - used)


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children())


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module of the benchmarks with this Python."""
    return [sys.executable, "-m", f"tests.benchmarks.{name}", *map(str, arguments)]
