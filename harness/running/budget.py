"""As many replicates as fit into a time: the design is cut to it before anything is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import BadInput
from harness.planning.checks import MIN_REPLICATES
from harness.records.store import Store
from harness.running.freeze import judged_under
from harness.words.design import Design

MOST_REPLICATES = 200  # more detect little more
Minutes = Callable[[int], float]  # replicates -> minutes of the whole study


def fitted(design: Design, minutes: float, minutes_of: Minutes) -> int:
    """The most replicates, 8 to 200, with which the whole study takes at most so many minutes.

    Whether something has run before makes no difference, so that a run that is resumed stays as it
    began. Raises BadInput, saying what takes the time, where 8 don't fit.
    """
    least = minutes_of(MIN_REPLICATES)
    more = max(design.study.judge.replicates, 2 * MIN_REPLICATES)
    each = max((minutes_of(more) - least) / (more - MIN_REPLICATES), 1e-9)
    if least > minutes:
        raise BadInput(_too_long(design, minutes, least, MIN_REPLICATES * each))
    wanted = min(MIN_REPLICATES + int((minutes - least) / each), MOST_REPLICATES)
    while wanted > MIN_REPLICATES and minutes_of(wanted) > minutes:  # stacks don't fill up evenly
        wanted = max(MIN_REPLICATES, wanted - max(1, wanted // 20))
    return wanted


def begun_with(design: Design, results: Path) -> int | None:
    """The replicates of an earlier run that has judged trials: more of them now would be another test."""
    store = Store(results, design.folder, read_only=True)
    before = store.design()
    if before is None or judged_under(store) is None:
        return None
    return before.study.judge.replicates


def _too_long(design: Design, minutes: float, least: float, judging: float) -> str:
    tune, arms = design.study.tune, len(design.arms)
    tuned = f"{arms} arms x {design.points} points x {tune.seeds} seeds" if tune.parameters else "nothing"
    steps = max(design.steps.values())
    return (
        f"{minutes:g} minutes are too few for {design.name!r}: with {MIN_REPLICATES} replicates, the fewest "
        f"for a verdict, it takes about {least:.1f}, of which {judging:.1f} judge; the rest is start, report "
        f"and tuning ({tuned}). Give more time or workers, or cut in the study: arms ({arms}), training "
        f"(train.epochs or train.steps; {steps:,} steps now), tune.seeds or tune.points, or the size of "
        "data and networks"
    )
