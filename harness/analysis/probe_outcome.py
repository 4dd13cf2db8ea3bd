"""One number of a record's probe: a layer's value, a ratio of two layers, or a slope."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import BadInput
from harness.words.outcome import Outcome
from harness.words.probes import Place, ProbeOptions
from harness.words.record import Record

Floats = NDArray[np.float64]
TINY = float(np.finfo(np.float32).tiny)  # what a value of 0 counts as where logarithms are taken


def probe_value(outcome: Outcome, record: Record) -> float:
    """The outcome of a finished record, as `ProbeOptions` says; NaN where the network has too few layers.

    Raises BadInput where the record lacks the probe at the moment asked for.
    """
    options = ProbeOptions.model_validate(outcome.options)
    series = record.probes.get(outcome.metric, {})
    if options.slope == "log_step":
        steps = sorted(step for step in series if step > 0)
        values = [_at(series[step], options.layer) for step in steps]
        return _slope(np.log10(np.asarray(steps, dtype=float)), values) if len(steps) > 1 else np.nan
    step = 0 if options.when == "start" else _last_step(record)
    if step not in series:
        has = ", ".join(map(str, sorted(series))) or "none"
        raise BadInput(f"outcome {outcome}: the record has no such probe at step {step}; it has steps {has}")
    values = series[step]
    if options.slope == "layer":
        return _slope(np.arange(1.0, len(values) + 1), values)
    value = _at(values, options.layer) if options.ratio is None else _ratio(values, options.ratio)
    return float(np.log10(max(value, TINY))) if options.log10 and not np.isnan(value) else value


def _last_step(record: Record) -> int:
    return record.steps[-1] if record.best_step is None else record.best_step


def _at(values: Sequence[float], layer: Place | str) -> float:
    """One layer's value, or the mean over all; NaN where there is no such layer."""
    if layer == "all":
        return float(np.mean(values))
    index = {"first": 1, "last": len(values)}.get(layer, layer) if isinstance(layer, str) else layer
    return values[int(index) - 1] if int(index) <= len(values) else np.nan


def _ratio(values: Sequence[float], places: tuple[Place, Place]) -> float:
    """One layer's value over another's; NaN where that is 0."""
    above, below = (_at(values, place) for place in places)
    return above / below if below else np.nan


def _slope(x: Floats, values: Sequence[float]) -> float:
    """The least-squares slope of log10 of the values on x; NaN for fewer than two, or none above 0."""
    y = np.asarray(values, dtype=float)
    if len(y) < 2 or not (y > 0).any() or not np.isfinite(y).all():
        return np.nan
    logs = np.log10(np.maximum(y, TINY))
    centred = x - x.mean()
    return float(centred @ (logs - logs.mean()) / (centred @ centred))
