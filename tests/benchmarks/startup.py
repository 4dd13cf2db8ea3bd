"""Seconds until the command line answers."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.session import Bar, Result, Row, Session, run_fresh

_SCRIPT = Path(sys.executable).with_name("harness")
HARNESS = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "harness.cli"]
COMMANDS = {"--help": Bar(0.3, at_least=False), "list": Bar(0.5, at_least=False)}
TIMES = 5  # a round


def startup(session: Session) -> Result:
    """`harness --help` and `harness list`, each in fresh processes; the first of each is not counted."""
    found: dict[str, list[float]] = {argument: [] for argument in COMMANDS}
    for turn in range(session.rounds * TIMES + 1):
        for argument, values in found.items():
            wall_s, _ = run_fresh([*HARNESS, argument])
            values += [wall_s] if turn else []
    rows = [Row("startup", f"harness {a}", values, "s", COMMANDS[a]) for a, values in found.items()]
    return Result(rows, [{"case": "startup", "command": a, "wall_s": v} for a, v in found.items()])
