"""Tuning points of one arm: the declared design, and its extension past an edge.

Pure functions; Optuna's part stands in `tuning`. A point is a dict of dotted path -> value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.planning.arms import spaced
from harness.words.choosing import place, scaled
from harness.words.design import Dimension
from harness.words.ranges import LinearRange, LogRange
from harness.words.study import Tune

EDGE = 0.05  # a quasi-random winner this close to an end of its range, as a share of it, lies on the edge

Point = dict[str, Any]


def is_grid(tune: Tune, dimensions: Sequence[Dimension]) -> bool:
    """Whether the design is a grid: at most one dimension, unless the study says otherwise."""
    return tune.sampler == "grid" or (tune.sampler == "auto" and len(dimensions) <= 1)


def axis(dimension: Dimension, count: int) -> list[Any]:
    """`count` values of a dimension, ends included; all of them where they are listed."""
    if dimension.values is not None:
        return list(dimension.values)
    assert dimension.low is not None
    assert dimension.high is not None
    ends = (dimension.low, dimension.high)
    values = spaced(LogRange(log_range=ends) if dimension.log else LinearRange(range=ends), count)
    return list(dict.fromkeys(round(v) for v in values)) if dimension.whole else values


def grid(dimensions: Sequence[Dimension], points: int) -> list[Point]:
    """The grid of about `points` points: all on one axis, or the product of equal axes."""
    per_axis = points if len(dimensions) == 1 else max(2, round(points ** (1 / len(dimensions))))
    rows: list[Point] = [{}]
    for dimension in dimensions:
        rows = [{**row, dimension.path: v} for row in rows for v in axis(dimension, per_axis)]
    return rows


def edges(dimensions: Sequence[Dimension], point: Mapping[str, Any]) -> dict[str, int]:
    """Paths of the point that lie on an edge of their range: -1 the low one, +1 the high one.

    Listed values that aren't numbers have no edge, nor has a list of one.
    """
    found: dict[str, int] = {}
    for d in dimensions:
        if d.values is not None and (len(d.values) < 2 or not all(_is_number(v) for v in d.values)):
            continue
        where = place(d, point[d.path])
        if min(where, 1 - where) <= EDGE + 1e-9:
            found[d.path] = -1 if where < 0.5 else 1
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def spacings(dimensions: Sequence[Dimension], points: int) -> dict[str, float]:
    """The distance between neighbours of the declared design, by path; in logs where the scale is one."""
    per_axis = points if len(dimensions) == 1 else max(3, round(points ** (1 / max(1, len(dimensions)))))
    return {
        d.path: (scaled(d, d.high) - scaled(d, d.low)) / max(1, per_axis - 1)
        for d in dimensions
        if d.values is None
    }


def extended(
    dimensions: Sequence[Dimension],
    winner: Mapping[str, Any],
    spacing: Mapping[str, float],
    valid: Callable[[Point], bool],
) -> tuple[list[Dimension], list[Point]]:
    """Two points beyond each edge the winner lies on, and the wider dimensions.

    `spacing` is that of the declared design (`spacings`), so that a second extension goes on as the
    first did. Points that `valid` refuses (a rate of 1, a negative decay) are left out: where the
    range ends by nature there is nothing to extend. Listed values are never extended.
    """
    on_edge = edges(dimensions, winner)
    wider, new = list(dimensions), []
    for i, d in enumerate(dimensions):
        if d.path not in on_edge or d.values is not None:
            continue
        beyond = [{**winner, d.path: v} for v in _beyond(d, on_edge[d.path], spacing[d.path])]
        kept = [p for p in beyond if valid(p)]
        new += kept
        ends = [p[d.path] for p in kept] + [d.low, d.high]
        wider[i] = d.model_copy(update={"low": min(ends), "high": max(ends)})
    return wider, new


def _beyond(dimension: Dimension, side: int, spacing: float) -> list[Any]:
    end = scaled(dimension, dimension.high if side > 0 else dimension.low)
    places = [end + side * spacing * k for k in (1, 2)]
    values = [float(f"{math.exp(p) if dimension.log else p:.4g}") for p in places]
    return [round(v) for v in values] if dimension.whole else values
