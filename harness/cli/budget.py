"""A study cut to a time: what `--budget` does."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness.cli import show
from harness.cli.asked import Asked
from harness.cli.running import load_design
from harness.planning.detectable import detectable
from harness.running.budget import MOST_REPLICATES, begun_with, fitted
from harness.running.cost import in_words, make_plan
from harness.running.sigmas import known_sigmas


class Means(NamedTuple):
    """What a study runs with: workers, the device, and the most trials trained together."""

    workers: int
    device: str
    stack: int


def within(asked: Asked, minutes: float, results: Path, means: Means) -> Asked:
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
        return make_plan(cut, results, *means).whole_minutes

    n = fitted(design, minutes, minutes_of)
    asks = design.study.judge.replicates
    most = f"; more than {MOST_REPLICATES} would detect little more" if n == MOST_REPLICATES else ""
    show.progress(f"{n} replicates fit into {show.minutes(minutes)}; the study asks for {asks}{most}")
    return asked._replace(replicates=n)


def tell_detectable(asked: Asked, results: Path) -> None:
    """Say on stderr what the study can detect as it is asked for, in the words of its plan."""
    design = load_design(asked)
    show.progress("The smallest effect it can detect:")
    found = in_words(design, detectable(design, known_sigmas(design, results)))
    for line in found or [show.NOTHING_TO_DETECT]:
        show.progress(show.indented(line))
