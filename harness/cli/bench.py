"""Wall-clock benchmarks from a name to a table and a file: what the `bench` command does."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from harness.analysis.wording import rounded
from harness.cli import show
from harness.cli.folders import check_writable
from harness.errors import UnknownName
from harness.records.files import write_json
from harness.reporting.numbers import number
from harness.running.timing.judge import Timed, check_asked
from harness.running.timing.process import run_alone
from harness.running.timing.step_cost import LinearCost
from harness.running.timing.table import BENCHMARKS

FOLDER = "bench"  # in the results folder


def bench(name: str | None, rounds: int, delta: float, results: Path) -> list[Timed]:
    """Time and judge one benchmark, or all of them one after the other, and keep each that ran.

    Raises BadInput, before anything is timed, for an unknown name, for rounds or delta that can't decide,
    and where the folder can't be written.
    """
    if name is not None and name not in BENCHMARKS:
        raise UnknownName("benchmark", name, BENCHMARKS)
    check_asked(rounds, delta)
    folder = results / FOLDER
    check_writable(folder, "results")
    found = []
    for wanted in [name] if name else list(BENCHMARKS):
        show.progress(f"{wanted}: {rounds} rounds, alone in a process ...")
        timed = run_alone(wanted, rounds, delta)
        found.append(timed)
        if not timed.skipped:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / f"{wanted}.json", timed.model_dump(mode="json"))
    return found


def show_timed(found: Sequence[Timed], results: Path) -> None:
    """Each benchmark's verdict, its pairs and its times."""
    for timed in found:
        show.text(f"\n{timed.benchmark}: {timed.says}")
        show.paragraph(timed.headline)
        if timed.skipped:
            continue
        if timed.disturbed:
            show.warn(
                f"other work kept the processor busy: the timing had {timed.processor_share:.0%} of a core. "
                "Intervals are wide for it; time again when the machine is quiet"
            )
        show.text("")
        show.table(["setting", "faster", "slower", "ratio", "95 % interval", "answer"], _pairs(timed))
        show.text(f"\nns, {timed.work}; median of {timed.rounds} rounds")
        show.table(["setting", "arm", "median", "min to max"], _times(timed))
        for cost in timed.costs:
            show.text(f"\n{_declared(cost)}")
        show.text(f"\nevery time  {results / FOLDER / timed.benchmark}.json")


def _pairs(timed: Timed) -> list[list[str]]:
    rows = []
    for c in timed.comparisons:
        low, ratio, high = rounded(c.low, c.ratio, c.high)
        answer = f"{c.answer.value} ({c.grade})" if c.grade else c.answer.value
        rows.append([c.setting, c.faster, c.slower, ratio, f"{low} to {high}", answer])
    return rows


def _declared(cost: LinearCost) -> str:
    """What a study file may declare a step to cost, and how well that fits."""
    numbers = f"step_us: {cost.step_us:.3g}, example_us: {cost.example_us:.3g}"
    fit = f"within {cost.misfit:.0%} of the fastest round at every batch size"
    return f"train.cost: {{{numbers}}}  # {cost.setting}, {fit}"


def _times(timed: Timed) -> list[list[str]]:
    rows = []
    for t in timed.times:
        low, median, high = (number(1e9 * f(t.seconds)) for f in (min, statistics.median, max))
        rows.append([t.setting, t.arm, median, f"{low} to {high}"])
    return rows
