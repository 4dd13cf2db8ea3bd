"""What a side of a comparison is told and tells, as JSON files: it runs in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.trials import Listed, Timed, from_json


class Task(NamedTuple):
    """Trials to run, where their data are cached, a folder for what is written, and the side's settings."""

    listed: list[Listed]
    cache_dir: Path
    folder: Path
    settings: dict[str, Any]

    def write(self, path: Path) -> None:
        """Keep the task as a file for `serve`."""
        plain = {
            "listed": [item.as_json() for item in self.listed],
            "cache_dir": str(self.cache_dir),
            "folder": str(self.folder),
            "settings": self.settings,
        }
        path.write_text(json.dumps(plain), encoding="utf-8")


class Done(NamedTuple):
    """What a side did: each trial's time and metrics, and the wall seconds of all of them together."""

    trials: list[Timed]
    loop_s: float


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since the block began."""
    begun = time.perf_counter()
    yield lambda: time.perf_counter() - begun


def serve(run: Callable[[Task], Done]) -> None:
    """The body of a side's process: `python -m MODULE TASK RESULT`."""
    source, target = map(Path, sys.argv[1:3])
    plain = json.loads(source.read_text(encoding="utf-8"))
    task = Task(
        [from_json(v) for v in plain["listed"]],
        Path(plain["cache_dir"]),
        Path(plain["folder"]),
        plain["settings"],
    )
    done = run(task)
    result = {"trials": [t._asdict() for t in done.trials], "loop_s": done.loop_s}
    target.write_text(json.dumps(result), encoding="utf-8")


def read_done(path: Path) -> Done:
    """What `serve` wrote."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    return Done([Timed(**t) for t in plain["trials"]], plain["loop_s"])
