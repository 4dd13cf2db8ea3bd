"""Threshold: the critical level of a factor at which half the runs diverge (or succeed)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from harness.analysis.critical_level import Critical, critical_level
from harness.analysis.estimates import Interval
from harness.analysis.events import clopper_pearson
from harness.analysis.kinds.base import WITHOUT_DELTA, Answered, Kind
from harness.analysis.outcome_table import arm_values
from harness.analysis.question import Question
from harness.analysis.scale import Scale
from harness.analysis.verdict_rule import Ruling, bound_rule
from harness.errors import BadInput
from harness.words.hypothesis import Threshold
from harness.words.named import Sweep, sweep
from harness.words.verdict import Answer, Estimate

Row = dict[str, Any]
EVENTS = {"diverged": "diverge", "success": "succeed"}


def weigh(asked: Question) -> Question:
    """The estimate is the log of the critical level, or of its ratio to the bound; shown is the level."""
    levels, (bound, sign) = _levels(asked), _bound(asked)
    if asked.outcome.function not in EVENTS:
        raise BadInput(f"threshold asks when runs diverge or succeed; found outcome {asked.outcome}")
    if levels.values[0] <= 0:
        raise BadInput(
            f"threshold needs levels above 0 (it works in their logarithm); found {levels.labels[0]}"
        )
    if bound is not None and not levels.values[0] < bound < levels.values[-1]:
        raise BadInput(
            f"the bound of a threshold lies between the outermost levels, {levels.labels[0]} and "
            f"{levels.labels[-1]}; found {bound:g}"
        )
    offset = 0.0 if bound is None else math.log(bound)
    return replace(asked, scale=Scale("ratio", levels.factor, offset=offset, sign=sign))


def threshold(asked: Question) -> Answered:
    """Rates with Clopper-Pearson intervals at every level; the critical level from a logistic curve.

    With a bound, the rule is the bound's. Without, SUPPORTED says that there is a critical level
    between the outermost ones: the rate is surely below 1/2 at one end and above at the other.
    REFUTED: it is surely on one side of 1/2 at both.
    """
    levels, (bound, sign) = _levels(asked), _bound(asked)
    values = [arm_values(asked.table, c) for c in asked.columns]
    if any(len(v) < 1 for v in values):
        return Answered(asked)
    rows = [
        _row(label, value, v, asked.confidence)
        for label, value, v in zip(levels.labels, levels.values, values, strict=True)
    ]
    exists = _existence(rows)
    if bound is None and exists.answer is Answer.REFUTED:
        return Answered(asked, ruling=exists, levels=rows)
    events, runs = (np.array([row[key] for row in rows], dtype=float) for key in ("events", "n"))
    found = critical_level(np.array(levels.positions()), events, runs, asked.confidence)
    interval = _interval(asked, found, int(runs.sum()), sign, _flat(events, runs))
    if bound is None:
        return Answered(asked, interval, exists, levels=rows)
    ruling = bound_rule(interval, 0.0)._replace(needed_n=None)
    if ruling.answer is Answer.INCONCLUSIVE:
        ruling = ruling._replace(reason="the interval of the critical level includes the bound")
    return Answered(asked, interval, ruling, levels=rows)


def _interval(asked: Question, found: Critical, n: int, sign: float, flat: float) -> Interval:
    """The critical position on the estimate's scale; p against the bound, else against no trend."""
    bound, _ = _bound(asked)
    ends = sorted(sign * (x - asked.scale.offset) for x in (found.low, found.high))
    error = (ends[1] - ends[0]) / (2 * float(stats.norm.ppf((1 + asked.confidence) / 2)))
    trend = float(stats.chi2.sf(2 * max(0.0, found.likelihood - flat), 1))
    p_value = trend if bound is None else found.p_at(asked.scale.offset)
    value = sign * (found.value - asked.scale.offset)
    return Interval("logistic, profile likelihood", n, value, ends[0], ends[1], error, p_value)


def _flat(events: np.ndarray, runs: np.ndarray) -> float:
    """The log-likelihood of one rate for all levels."""
    k, n = float(events.sum()), float(runs.sum())
    return sum(count * math.log(count / n) for count in (k, n - k) if count)


def _row(label: str, value: float, outcomes: np.ndarray, confidence: float) -> Row:
    events, n = int(outcomes.sum()), len(outcomes)
    low, high = clopper_pearson(events, n, confidence)
    return {
        "level": label,
        "value": value,
        "n": n,
        "events": events,
        "mean": events / n,
        "low": low,
        "high": high,
    }


def _existence(rows: Sequence[Row]) -> Ruling:
    first, last = (_side_of_half(row) for row in (rows[0], rows[-1]))
    rates = f"{rows[0]['mean']:.0%} at {rows[0]['level']} and {rows[-1]['mean']:.0%} at {rows[-1]['level']}"
    if first * last < 0:
        return Ruling(Answer.SUPPORTED, "clear", f"the rate crosses one half between the ends: {rates}")
    if first * last > 0:
        return Ruling(
            Answer.REFUTED, "no crossing", f"the rate lies on one side of one half at both ends: {rates}"
        )
    return Ruling(
        Answer.INCONCLUSIVE, "", f"at one end the rate is not surely below or above one half: {rates}"
    )


def _side_of_half(row: Row) -> int:
    """-1 where the rate's interval lies below one half, 1 where above, 0 where it includes it."""
    return int(row["low"] > 0.5) - int(row["high"] < 0.5)


def _levels(asked: Question) -> Sweep:
    assert isinstance(asked.hypothesis, Threshold)
    return sweep(asked.evidence.design, asked.hypothesis)


def _bound(asked: Question) -> tuple[float | None, float]:
    """The bound, if there is one, and 1 where the claim is above it (or has none), -1 where below."""
    hypothesis = asked.hypothesis
    assert isinstance(hypothesis, Threshold)
    return (hypothesis.above, 1.0) if hypothesis.below is None else (hypothesis.below, -1.0)


def statement(asked: Question) -> str:
    """Runs diverge from a critical level on, which lies on one side of the bound."""
    levels, (bound, sign) = _levels(asked), _bound(asked)
    critical = f"the {levels.factor} at which half the runs {EVENTS[asked.outcome.function]}"
    if bound is None:
        return f"{critical} lies between {levels.labels[0]} and {levels.labels[-1]}"
    return f"{critical} lies {'above' if sign > 0 else 'below'} {bound:g}"


def finding(asked: Question, found: Estimate) -> str:
    """The critical level and what was claimed of it."""
    bound, sign = _bound(asked)
    levels = _levels(asked)
    first, last = levels.values[0], levels.values[-1]
    side = "at"
    if math.isclose(found.shown_value, first):
        side = "below"
    elif math.isclose(found.shown_value, last):
        side = "above"
    where = f"{side} {levels.factor} {found.shown_value:.3g}"
    low = "below " if math.isclose(found.shown_low, first) else ""
    high = "above " if math.isclose(found.shown_high, last) else ""
    interval = f"95 % interval {low}{found.shown_low:.3g} to {high}{found.shown_high:.3g}"
    claimed = "" if bound is None else f", {'above' if sign > 0 else 'below'} {bound:g} claimed"
    return f"half the runs {EVENTS[asked.outcome.function]} {where}, {interval}{claimed}"


THRESHOLD = Kind(weigh, threshold, statement, finding, WITHOUT_DELTA)
