"""Outcomes: one number for one arm and one replicate, made from a record.

A diverged run is never dropped: it gets the metric's worst value, or is censored at its budget.
Imports NumPy alone, so that tuning can use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.probe_outcome import probe_value
from harness.errors import BadInput
from harness.words.config import a_step
from harness.words.metrics import Metric, split_metric
from harness.words.outcome import OUTCOMES, UNITS, Outcome
from harness.words.probes import PROBES, ProbeOptions
from harness.words.record import Record, Status

Direction = Literal["higher", "lower"]
Floats = NDArray[np.float64]
LEAST_STEPS = 1.0  # to a target: steps are compared by their ratio, and a run may be there untrained


class Value(NamedTuple):
    """An outcome's value. `censored`: the event was not seen within the budget, `value` is the budget."""

    value: float
    censored: bool = False
    diverged: bool = False


class _Asked(NamedTuple):
    """What an outcome function works on."""

    outcome: Outcome
    record: Record
    target: float | None
    n_classes: int | None
    n_train: int | None


def outcome_value(
    outcome: Outcome,
    record: Record,
    target: float | None = None,
    n_classes: int | None = None,
    n_train: int | None = None,
) -> Value:
    """The outcome of one record. `target` on the metric's scale is needed by `steps_to` alone.

    `n_classes` gives a diverged run its worst value (accuracy 1/C, NLL log C); without it, or for a
    metric without a known worst value, a diverged run's value is NaN. `n_train` tells how many examples
    a full batch has, for times in examples.
    Raises BadInput for an outcome that is not available, a metric the record lacks, a failed trial.
    """
    if record.status is Status.FAILED:
        raise BadInput(f"trial {record.trial} failed ({record.reason}); a failed trial has no outcome")
    return _function(outcome)(_Asked(outcome, record, target, n_classes, n_train))


def outcome_direction(outcome: Outcome, override: Direction | None = None) -> Direction:
    """Which way the outcome is better: fewer steps, fewer diverged, more successes, else the metric's own.

    `override` is a hypothesis's `direction`; for `steps_to` it says which way the metric is better,
    and fewer steps stay better. Raises BadInput or UnknownName for an unknown metric.
    """
    if outcome.function == "steps_to":
        return "lower"
    if override is not None:
        return override
    if outcome.function == "probe" and outcome.metric in PROBES:
        better = PROBES[outcome.metric].better
        if better is None or "slope" in outcome.options:
            raise BadInput(f"outcome {outcome} is better neither way; give direction: higher, or lower")
        return better
    fixed: dict[str, Direction] = {"diverged": "lower", "success": "higher", "overshoot": "lower"}
    return fixed.get(outcome.function) or split_metric(outcome.metric)[1].better


def _function(outcome: Outcome) -> Callable[[_Asked], Value]:
    if outcome.function not in FUNCTIONS:
        raise BadInput(
            f"outcome {outcome.function!r} is not available yet; available: {', '.join(FUNCTIONS)} "
            f"(of the {len(OUTCOMES)} that a study file may name)"
        )
    unknown = outcome.options.keys() - OPTIONS.get(outcome.function, set())
    if unknown:
        allowed = ", ".join(sorted(OPTIONS.get(outcome.function, set()))) or "none"
        raise BadInput(f"outcome {outcome}: unknown option {', '.join(sorted(unknown))}; allowed: {allowed}")
    return FUNCTIONS[outcome.function]


def _final(asked: _Asked) -> Value:
    """The metric after the last step."""
    metric = _metric(asked)
    if asked.record.status is Status.DIVERGED:
        return Value(metric.worst(asked.n_classes), diverged=True)
    return Value(_lookup(asked.record.final, asked, "final metric"))


def _best(asked: _Asked) -> Value:
    """The best value on the metric's curve."""
    metric = _metric(asked)
    if asked.record.status is Status.DIVERGED:
        return Value(metric.worst(asked.n_classes), diverged=True)
    curve = _curve(asked)
    return Value(float(np.nanmax(curve) if metric.better == "higher" else np.nanmin(curve)))


def _area(asked: _Asked) -> Value:
    """The mean of the curve over the steps from the first evaluation to the last (trapezoids)."""
    metric = _metric(asked)
    if asked.record.status is Status.DIVERGED:
        return Value(metric.worst(asked.n_classes), diverged=True)
    curve, steps = _curve(asked), np.asarray(asked.record.steps, dtype=float)
    if len(curve) == 1:
        return Value(float(curve[0]))
    return Value(float(np.trapezoid(curve, steps) / (steps[-1] - steps[0])))


def _steps_to(asked: _Asked) -> Value:
    """The time until the running median of three evaluations reaches the target, at least a step's.

    In optimizer steps, or with another `unit` in training examples (steps times the batch size) or in
    modelled seconds (steps times what one is declared to cost).
    """
    metric = _metric(asked)
    if asked.target is None:
        raise BadInput(
            f"outcome {asked.outcome} needs a target; give target.value, or tune so that one can be set"
        )
    curve, steps = _curve(asked), np.asarray(asked.record.steps, dtype=float)
    if len(curve) < 3:
        raise BadInput(f"outcome {asked.outcome} needs at least 3 evaluations a run; found {len(curve)}")
    size = units_a_step(asked.outcome, asked.record, asked.n_train)
    if asked.record.status is Status.DIVERGED:
        return Value(size * float(steps[-1]), censored=True, diverged=True)
    sign = 1.0 if metric.better == "higher" else -1.0
    step = first_step(steps, sign * curve, sign * asked.target)
    if step is None:
        return Value(size * float(steps[-1]), censored=True)
    return Value(size * max(step, LEAST_STEPS))


def _overshoot(asked: _Asked) -> Value:
    """How far the curve falls back at most from the best it had come to, as a share of its whole range.

    0 for a curve that only gets better, and for one that never moves; 1 for a run that diverged.
    """
    if asked.record.status is Status.DIVERGED:
        return Value(1.0, diverged=True)
    curve = _curve(asked)
    falling = -curve if _metric(asked).better == "higher" else curve
    back = float(np.max(falling - np.fmin.accumulate(falling)))
    return Value(back / np.ptp(falling) if back else 0.0)


def _diverged(asked: _Asked) -> Value:
    """1 where the run diverged, else 0."""
    lost = asked.record.status is Status.DIVERGED
    return Value(float(lost), diverged=lost)


def _success(asked: _Asked) -> Value:
    """1 where the final metric is at least (or at most) the option's bound, else 0; a diverged run fails."""
    bounds = asked.outcome.options
    if len(bounds) != 1:
        raise BadInput(
            f"outcome {asked.outcome} needs at_least or at_most, one of the two; found {dict(bounds)}"
        )
    if asked.record.status is Status.DIVERGED:
        return Value(0.0, diverged=True)
    value = _lookup(asked.record.final, asked, "final metric")
    reached = value >= bounds["at_least"] if "at_least" in bounds else value <= bounds["at_most"]
    return Value(float(reached))


def _probe(asked: _Asked) -> Value:
    """What a probe measured of the hidden layers; a run that diverged keeps what it had at its start."""
    if asked.record.status is Status.DIVERGED and asked.outcome.options.get("when") != "start":
        return Value(float(np.nan), diverged=True)
    return Value(probe_value(asked.outcome, asked.record))


def units_a_step(outcome: Outcome, record: Record, n_train: int | None) -> float:
    """How many of the units of a time to a target one step of a run takes: `a_step`.

    Raises BadInput for an unknown unit, for seconds where the run declares no cost, and for any unit but
    steps where `n_train` is not known.
    """
    if outcome.unit not in UNITS:
        raise BadInput(f"outcome {outcome}: found unit {outcome.unit!r}; allowed: {', '.join(UNITS)}")
    if n_train is None and outcome.unit != "steps":
        raise BadInput(f"outcome {outcome} needs the number of training examples; give n_train")
    return a_step(record.config, outcome.unit, n_train or 0)


def first_step(steps: Floats, curve: Floats, target: float) -> float | None:
    """The first step where the centred running median of 3 of a rising curve reaches `target`, or None.

    `steps`, `curve`: (evaluations,). Linear between evaluations. The neighbour missing at either end
    counts as not reaching, as does a NaN: a single noisy last value is no arrival, and two values
    above the target at the start are an arrival at the first evaluation (no earlier step is known).
    """
    padded = np.concatenate(([-np.inf], np.where(np.isnan(curve), -np.inf, curve), [-np.inf]))
    smooth = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    reached = np.flatnonzero(smooth >= target)
    if not len(reached):
        return None
    i = int(reached[0])
    if i == 0 or not np.isfinite(smooth[i - 1]):
        return float(steps[i])
    share = (target - smooth[i - 1]) / (smooth[i] - smooth[i - 1])
    return float(steps[i - 1] + share * (steps[i] - steps[i - 1]))


def _metric(asked: _Asked) -> Metric:
    return split_metric(asked.outcome.metric)[1]


def _curve(asked: _Asked) -> Floats:
    return np.asarray(_lookup(asked.record.curves, asked, "curve"), dtype=float)


def _lookup(values: Mapping[str, Any], asked: _Asked, what: str) -> Any:
    metric = asked.outcome.metric
    if metric not in values:
        has = ", ".join(values) or "none"
        raise BadInput(f"outcome {asked.outcome}: the record has no {what} {metric!r}; it has {has}")
    return values[metric]


FUNCTIONS: dict[str, Callable[[_Asked], Value]] = {
    "final": _final,
    "best": _best,
    "steps_to": _steps_to,
    "area": _area,
    "overshoot": _overshoot,
    "diverged": _diverged,
    "success": _success,
    "probe": _probe,
}
OPTIONS: dict[str, set[str]] = {
    "final": {"restarts"},  # chosen among before an outcome is made: `outcome_table`
    "steps_to": {"unit"},
    "success": {"at_least", "at_most"},
    "probe": set(ProbeOptions.model_fields),
}
