"""The target of `faster`: from the reference arm's tuning seeds, so that judging has no say in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.errors import BadInput, RunFailed
from harness.words.metrics import split_metric
from harness.words.record import Record, Status


def tuning_target(metric: str, points: Mapping[int, Sequence[Record]], margin: float | None = None) -> float:
    """The median final `metric` over the tuning seeds of the best point, less a margin.

    `points`: tuning point -> its records, one a seed; the best point has the best mean final value,
    and a point where any run diverged or failed can't be it. `margin` is on the metric's scale, and a
    fraction of the value for metrics whose smallest effect is relative (losses); default: that
    smallest effect. Raises RunFailed where no point is whole, BadInput where tuning did not measure
    the metric.
    """
    facts = split_metric(metric)[1]
    finals = {i: [_final(r, metric) for r in runs] for i, runs in points.items() if _whole(runs)}
    if not finals:
        raise RunFailed(
            f"no target for {metric}: every tuning point of the reference arm has a diverged or failed run; "
            "give target.value, or move the range that is tuned"
        )
    sign = 1.0 if facts.better == "higher" else -1.0
    best = max(finals, key=lambda i: sign * float(np.mean(finals[i])))
    value = float(np.median(finals[best]))
    size = facts.delta if margin is None else margin
    return value - sign * size * (abs(value) if facts.delta_is_relative else 1.0)


def _whole(runs: Sequence[Record]) -> bool:
    return bool(runs) and all(r.status is Status.DONE for r in runs)


def _final(record: Record, metric: str) -> float:
    if metric not in record.final:
        raise BadInput(
            f"no target for {metric}: tuning measured {', '.join(record.final) or 'nothing'}; "
            "use one of these as the outcome, or give target.value"
        )
    return record.final[metric]
