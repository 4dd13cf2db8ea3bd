"""The nuisance parameters of one arm: every tuned path as a dimension with its range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.catalogue.resolve import ConfigError, resolved_with
from harness.errors import unknown
from harness.planning.arms import Combination
from harness.planning.options import is_whole, option_names, own_range, own_ranges
from harness.words.config import JUDGED_ALONE, SECTIONS, RunConfig
from harness.words.design import Dimension
from harness.words.form_errors import Problem, shown
from harness.words.ranges import LinearRange, LogRange
from harness.words.study import Tune

GRID_POINTS = 9
QUASI_RANDOM_POINTS = 16


def dimensions(tune: Tune, arm: Combination, config: RunConfig) -> tuple[list[Dimension], list[Problem]]:
    """The arm's dimensions, and what is wrong with those that can't be tuned."""
    found: list[Dimension] = []
    problems: list[Problem] = []
    for path, wanted in (tune.parameters | arm.tuned).items():
        made = _dimension(path, wanted, arm.label, config)
        if isinstance(made, Dimension):
            problems.extend(_refused(made, arm.label, config))
            found.append(made)
        else:
            problems.append(made)
    return found, [p._replace(location=arm.place(p.location)) for p in problems]


def tuning_points(tune: Tune, dims: list[Dimension]) -> int:
    """Tuning points an arm: as the study says, else every listed value, 9 on a grid, 16 quasi-random.

    0 where nothing is tuned.
    """
    if not dims:
        return 0
    if len(dims) == 1 and dims[0].values is not None:
        return tune.points or len(dims[0].values)
    declared = [r.points for r in tune.parameters.values() if isinstance(r, LogRange | LinearRange)]
    if len(dims) == 1 and declared and declared[0] is not None:
        return declared[0]
    return tune.points or (GRID_POINTS if len(dims) == 1 else QUASI_RANDOM_POINTS)


def _dimension(path: str, wanted: Any, label: str, config: RunConfig) -> Dimension | Problem:
    place = ("tune", path)
    tree = config.tree()
    section, _, option = path.partition(".")
    if section not in SECTIONS:
        return Problem(place, unknown("section of a config", section, SECTIONS))
    names = option_names(tree, section)
    if names is not None and option not in names:
        return Problem(place, f"in arm {label!r}: {unknown('option', option, names)}")
    if section == "train" and option in JUDGED_ALONE:
        return Problem(place, "acts on judged trials alone, so it can't be tuned; make it a factor of arms")
    whole = is_whole(tree, path)
    if isinstance(wanted, (LogRange, LinearRange)):
        log = isinstance(wanted, LogRange)
        low, high = wanted.log_range if isinstance(wanted, LogRange) else wanted.range
        return Dimension(path=path, low=low, high=high, log=log, whole=whole)
    if isinstance(wanted, list):
        wrong = next((v for v in wanted if isinstance(v, dict | list)), None)
        if wrong is not None:
            message = (
                f"found {shown(wanted)}; allowed: numbers, text, true or false; make it a factor of arms"
            )
            return Problem((*place, wanted.index(wrong)), message)
        return Dimension(path=path, values=list(wanted), whole=whole)
    own = own_range(config, path)
    if own is None:
        known = ", ".join(own_ranges(config))
        message = f"in arm {label!r} it has no own_range; give {{log_range: [low, high]}} (have one: {known})"
        return Problem(place, message)
    return Dimension(path=path, low=own.low, high=own.high, log=own.log, whole=whole)


def _refused(dimension: Dimension, label: str, config: RunConfig) -> Iterator[Problem]:
    """A problem where the config refuses an end of the range or a listed value."""
    ends = [dimension.low, dimension.high] if dimension.values is None else dimension.values
    for value in ends:
        try:
            resolved_with(config.tree(), {dimension.path: value})
        except ConfigError as error:
            yield Problem(("tune", dimension.path), f"in arm {label!r}: {error}")
            return
