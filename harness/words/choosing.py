"""Which tuning point wins: the rule, apart from where points and scores come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.words.design import Dimension, PointResult


def place(dimension: Dimension, value: Any) -> float:
    """Where a value lies in its dimension's range: 0 at the low end, 1 at the high one."""
    if dimension.values is not None:
        return dimension.values.index(value) / max(1, len(dimension.values) - 1)
    low, high, there = (scaled(dimension, v) for v in (dimension.low, dimension.high, value))
    return (there - low) / (high - low)


def scaled(dimension: Dimension, value: Any) -> float:
    """The value on its dimension's own scale: its logarithm where that is one."""
    return math.log(value) if dimension.log else float(value)


def choose(
    dimensions: Sequence[Dimension], results: Sequence[PointResult], better: str
) -> tuple[int | None, str]:
    """The index of the winning point and why: the best mean, or a more central one within a standard error.

    That is the error of the two points' difference, seed by seed: what seeds do to every point alike,
    as data that are harder, says nothing of which is better. Points with a diverged or failed run have
    no score and can't win (method.md, section 3).
    """
    scored = [(i, r) for i, r in enumerate(results) if r.score is not None]
    if not scored:
        return None, "every point diverged"
    sign = 1.0 if better == "higher" else -1.0
    best_index, best = max(scored, key=lambda pair: sign * (pair[1].score or 0.0))
    near = [(i, r) for i, r in scored if i == best_index or _within_an_error(best, r)]
    index, _ = min(near, key=lambda pair: (_off_centre(dimensions, pair[1]), pair[0] != best_index))
    return (
        index,
        "best mean" if index == best_index else "more central, within one standard error of the best",
    )


def _within_an_error(best: PointResult, other: PointResult) -> bool:
    """Whether two points of the same seeds differ by no more than the standard error of that difference."""
    differences = np.subtract(best.values, other.values)
    if len(differences) < 2:
        return bool(differences == 0)
    error = np.std(differences, ddof=1) / math.sqrt(len(differences))
    return bool(abs(differences.mean()) <= error)


def _off_centre(dimensions: Sequence[Dimension], result: PointResult) -> float:
    offsets = [place(d, result.params[d.path]) - 0.5 for d in dimensions]
    return round(float(np.linalg.norm(offsets)), 9) if offsets else 0.0
