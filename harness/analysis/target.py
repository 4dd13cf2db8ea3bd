"""The target of `faster`: from the reference arm's tuning seeds, so that judging has no say in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.outcomes import Floats
from harness.errors import BadInput, RunFailed
from harness.words.metrics import split_metric
from harness.words.record import Record, Status


def tuning_target(metric: str, points: Mapping[int, Sequence[Record]], margin: float | None = None) -> float:
    """The median over tuning seeds of the best point's final `metric`, less a margin.

    `points`: tuning point -> its records, one a seed, seeds in the same order everywhere. For each seed the
    best point is the one with the best mean over the others, so that the luck of the best of many points
    raises no target; a point where any run diverged or failed can't be it. `margin` is on the metric's
    scale, and a fraction of the value for metrics whose smallest effect is relative (losses); default: that
    smallest effect. Raises RunFailed where no point is whole, BadInput where tuning did not measure
    the metric.
    """
    facts = split_metric(metric)[1]
    finals = np.array([[_final(r, metric) for r in runs] for runs in points.values() if _whole(runs)])
    if not finals.size:
        raise RunFailed(
            f"no target for {metric}: every tuning point of the reference arm has a diverged or failed run; "
            "give target.value, or move the range that is tuned"
        )
    sign = 1.0 if facts.better == "higher" else -1.0
    value = float(np.median(_best_unseen(sign * finals))) * sign
    size = facts.delta if margin is None else margin
    return value - sign * size * (abs(value) if facts.delta_is_relative else 1.0)


def _best_unseen(finals: Floats) -> Floats:
    """(points, seeds), the higher the better -> each seed's value at the point that is best by the others.

    Where there is one seed alone it says itself which point is best.
    """
    seeds = finals.shape[1]
    others = finals.sum(axis=1, keepdims=True) - finals if seeds > 1 else finals
    found: Floats = finals[others.argmax(axis=0), np.arange(seeds)]
    return found


def _whole(runs: Sequence[Record]) -> bool:
    return bool(runs) and all(r.status is Status.DONE for r in runs)


def _final(record: Record, metric: str) -> float:
    if metric not in record.final:
        raise BadInput(
            f"no target for {metric}: tuning measured {', '.join(record.final) or 'nothing'}; "
            "use one of these as the outcome, or give target.value"
        )
    return record.final[metric]
