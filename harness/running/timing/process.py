"""A benchmark timed in a process of its own, and judged in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from harness.errors import RunFailed, UnknownName
from harness.running.timing.clock import Times
from harness.running.timing.judge import DELTA, Timed, check_asked, headline, judge
from harness.running.timing.machine import machine
from harness.running.timing.step_cost import linear_costs
from harness.running.timing.table import BENCHMARKS
from harness.running.worker import WORKER_ENVIRONMENT

ROUNDS = 30


def run_alone(name: str, rounds: int = ROUNDS, delta: float = DELTA) -> Timed:
    """Time a benchmark in a fresh process with one thread, and judge it.

    Raises UnknownName, BadInput for rounds or delta that can't decide, RunFailed with the process's
    last words.
    """
    if name not in BENCHMARKS:
        raise UnknownName("benchmark", name, BENCHMARKS)
    check_asked(rounds, delta)
    benchmark = BENCHMARKS[name]
    told = {
        "benchmark": name,
        "says": benchmark.says,
        "source": benchmark.source,
        "work": benchmark.work,
        "rounds": rounds,
        "delta": delta,
        "machine": machine(),
    }
    if refusal := benchmark.refusal():
        return Timed(**told, headline=f"skipped: {refusal}", skipped=refusal)
    measured = _measured(name, rounds)
    comparisons = judge(benchmark, measured.times, delta)
    costs = linear_costs(benchmark.settings(), measured.times) if benchmark.linear else []
    found = {"headline": headline(comparisons[0]), "comparisons": comparisons, "costs": costs}
    return Timed(**told, **found, **measured._asdict())


class _Measured(NamedTuple):
    times: list[Times]
    processor_share: float


def _measured(name: str, rounds: int) -> _Measured:
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        target = Path(folder) / "times.json"
        command = [sys.executable, "-m", "harness.running.timing", name, str(rounds), str(target)]
        done = subprocess.run(
            command, env={**os.environ, **WORKER_ENVIRONMENT}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RunFailed(f"timing {name} ended with {done.returncode}:\n{done.stderr[-2000:].strip()}")
        found = json.loads(target.read_text(encoding="utf-8"))
    return _Measured([Times.model_validate(t) for t in found["times"]], found["processor_share"])
