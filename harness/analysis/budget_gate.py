"""What twice the tuning budget would gain an arm: the measure behind gate G8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.outcome_table import tuning_points
from harness.analysis.outcomes import Floats, outcome_value
from harness.analysis.question import Question
from harness.analysis.tuning_curve import expected_best
from harness.words.design import Dimension, PointResult
from harness.words.outcome import Outcome
from harness.words.record import Status

TUNED_BY = ("final", "best", "area", "steps_to", "diverged", "success")  # outcomes that tuning runs have


def budget_gain(question: Question, arm: str) -> float | None:
    """The gain in the hypothesis's own outcome, on the estimate's scale; None where nothing can be said.

    One dimension on a grid: doubling the points halves the spacing, so the gain is that of the vertex
    of the parabola, in log of the value for a log range, through the best point and its neighbours.
    Other designs: the last doubling of the best-of-k curve, from K/2 to K. Tuning records are scored on
    validation where the hypothesis asks for test; diverged runs count as the worst value.
    """
    if question.outcome.function not in TUNED_BY:
        return None
    choice, dimensions = question.evidence.choices.get(arm), question.evidence.design.arm(arm).tuned
    if choice is None or not dimensions:
        return None
    scores = _scores(question, arm)
    kept = [p for p in choice.points if p.index in scores]
    values = np.array([scores[p.index] for p in kept])
    if len(values) < 2 or np.isnan(values).all() or all(d.values is not None for d in dimensions):
        return None  # listed levels have no values between them to try
    values = np.where(np.isnan(values), np.nanmin(values), values)
    if len(dimensions) == 1 and question.evidence.design.study.tune.sampler in ("auto", "grid"):
        return parabola_gain(_positions(kept, dimensions[0]), values)
    curve = expected_best(values.tolist(), "higher")
    return float(curve[-1] - curve[len(curve) // 2 - 1])


def parabola_gain(positions: Floats, values: Floats) -> float | None:
    """How far the parabola through the highest of (n,) values and its two neighbours rises above it.

    None where the highest lies at an end. With equal spacing the gain is
    (right - left)^2 / (16 (best - (left + right) / 2)), at most (best - lower neighbour) / 8.
    """
    order = np.argsort(positions)
    x, y = positions[order], values[order]
    best = int(np.argmax(y))
    if best in (0, len(y) - 1):
        return None
    left, right = x[best - 1] - x[best], x[best + 1] - x[best]
    down, up = (y[best - 1] - y[best]) / left, (y[best + 1] - y[best]) / right
    bend = (up - down) / (right - left)  # y = y_best + slope x + bend x^2 about the best point
    slope = down - bend * left
    return float(-(slope**2) / (4 * bend)) if bend < 0 else 0.0


def _scores(question: Question, arm: str) -> dict[int, float]:
    """Tuning point -> mean outcome over its seeds, above is better; failed runs left out."""
    outcome = _on_validation(question.outcome)
    classes = question.evidence.design.data[arm].n_classes
    sign = 1.0 if question.direction == "higher" else -1.0
    scores = {}
    for index, runs in tuning_points(question.evidence, arm).items():
        found = [
            outcome_value(outcome, r, question.target, classes) for r in runs if r.status is not Status.FAILED
        ]
        values = np.array([v.value for v in found])
        if len(values):
            values = np.log(values) if question.scale.kind == "ratio" else values
            scores[index] = sign * float(values.mean())
    return scores


def _on_validation(outcome: Outcome) -> Outcome:
    return outcome.model_copy(update={"metric": outcome.metric.replace("test/", "val/")})


def _positions(points: Sequence[PointResult], dimension: Dimension) -> Floats:
    """(n,) the tuned values, in the logarithm where the range is."""
    values = np.array([float(p.params[dimension.path]) for p in points])
    return np.log(values) if dimension.log else values
