"""A study cut to a time: what `--budget` does."""

from __future__ import annotations

from pathlib import Path

from harness.cli import show
from harness.cli.asked import Asked
from harness.cli.running import load_design
from harness.running.budget import begun_with, fitted
from harness.running.cost import make_plan


def within(asked: Asked, minutes: float, results: Path, workers: int, device: str) -> Asked:
    """The study with as many replicates as fit into so many minutes. Raises BadInput where 8 don't fit.

    One that has judged already keeps its replicates: what was seen must not decide how many there are.
    """
    design = load_design(asked)
    begun = begun_with(design, results)
    if begun is not None:
        show.progress(f"{begun} replicates, as it was judged before: a budget changes nothing now")
        return asked._replace(replicates=begun)

    def minutes_of(replicates: int) -> float:
        cut = load_design(asked._replace(replicates=replicates))
        return make_plan(cut, results, workers, device).whole_minutes

    n = fitted(design, minutes, minutes_of)
    asks = design.study.judge.replicates
    show.progress(f"{n} replicates fit into {show.minutes(minutes)}; the study asks for {asks}")
    return asked._replace(replicates=n)
