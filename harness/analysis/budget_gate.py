"""What twice the tuning budget would gain an arm: the measure behind gate G8."""

from __future__ import annotations

import numpy as np

from harness.analysis.outcome_table import tuning_points
from harness.analysis.outcomes import Floats, outcome_value
from harness.analysis.question import Question
from harness.analysis.tuning_curve import expected_best
from harness.words.outcome import Outcome
from harness.words.record import Status

# Outcomes that tuning runs have.
TUNED_BY = ("final", "best", "area", "overshoot", "steps_to", "diverged", "success")


def budget_gain(question: Question, arm: str) -> float | None:
    """The gain in the hypothesis's own outcome, on the estimate's scale; None where nothing can be said.

    The last doubling of the best-of-k curve, from K/2 to K points. One dimension on a grid: the next
    doubling, judged by the last one (`grid_gain`), since a grid's halves are not its random subsets.
    Tuning records are scored on validation where the hypothesis asks for test; diverged runs count as
    the worst value.
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
        return grid_gain(values[np.argsort([float(p.params[dimensions[0].path]) for p in kept])])
    curve = expected_best(values.tolist(), "higher")
    return float(curve[-1] - curve[len(curve) // 2 - 1])


def grid_gain(values: Floats) -> float:
    """What halving the spacing of a grid once more is expected to gain, from its (n,) values in order.

    The grid is itself the doubling of either of its halves, every other point, and gained the best of
    all less the mean of the halves' bests. About a smooth optimum a grid misses the top by an amount
    that goes with the square of its spacing, so that each doubling gains a quarter of the one before.
    """
    halves = (values[::2].max() + values[1::2].max()) / 2
    return float(values.max() - halves) / 4


def _scores(question: Question, arm: str) -> dict[int, float]:
    """Tuning point -> mean outcome over its seeds, above is better; failed runs left out."""
    outcome = _on_validation(question.outcome)
    facts = question.evidence.design.data[arm]
    sign = 1.0 if question.direction == "higher" else -1.0
    scores = {}
    for index, runs in tuning_points(question.evidence, arm).items():
        found = [
            outcome_value(outcome, r, question.target, facts.n_classes, facts.n_train)
            for r in runs
            if r.status is not Status.FAILED
        ]
        values = np.array([v.value for v in found])
        if len(values):
            values = np.log(values) if question.scale.kind == "ratio" else values
            scores[index] = sign * float(values.mean())
    return scores


def _on_validation(outcome: Outcome) -> Outcome:
    return outcome.model_copy(update={"metric": outcome.metric.replace("test/", "val/")})
