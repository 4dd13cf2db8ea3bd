"""One hypothesis as analysis asks it: which arms, which outcome, what effect matters, on which scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from harness.analysis.evidence import Evidence
from harness.analysis.outcome_table import arm_values, outcome_table, resolve_target
from harness.analysis.outcomes import Direction, outcome_direction
from harness.errors import BadInput
from harness.words.hypothesis import BestOf, Faster, Superiority
from harness.words.metrics import SPLITS, split_metric
from harness.words.outcome import Delta, Outcome

SPEED_UP = 1.25  # the default smallest effect that matters, for speed
SMALL_ERROR = 0.03  # below this error rate 0.3 points of accuracy matter, not 1
SMALL_ERROR_DELTA = 0.003
Comparison = Superiority | Faster | BestOf


@dataclass(frozen=True)
class Scale:
    """How the estimate's scale is shown to readers.

    `kind`: "ratio" shows exp(value); "points" shows 100 x value (percentage points); "relative"
    shows 100 x value / |reference| (per cent of the reference arm's mean); "plain" shows the value.
    """

    kind: Literal["ratio", "points", "relative", "plain"]
    unit: str
    reference: float = 1.0

    def show(self, value: float) -> float:
        """The value as people read it."""
        if self.kind == "ratio":
            return math.exp(value)
        if self.kind == "plain":
            return value
        return 100 * value / (abs(self.reference) if self.kind == "relative" else 1.0)


@dataclass(frozen=True)
class Question:
    """What a hypothesis compares, on which data. `delta` is on the estimate's scale."""

    evidence: Evidence
    hypothesis: Comparison
    arms: tuple[str, ...]  # all that the hypothesis names: those that gate it
    subject: str  # the arm the claim is about: a, or the best
    reference: str  # the arm it is held against: b, or the best other
    direction: Direction
    target: float | None
    table: pd.DataFrame  # of outcome_table, judged trials
    delta: float
    scale: Scale

    @property
    def outcome(self) -> Outcome:
        """The hypothesis's outcome."""
        return self.hypothesis.outcome

    @property
    def variance_ratio(self) -> float:
        """Nadeau and Bengio's n_test / n_train where replicates split one finite set, else 0.

        n_test is the size of the split that the outcome is measured on (test for training metrics).
        """
        facts = self.evidence.design.data[self.reference]
        if facts.scope != "resplit":
            return 0.0
        size = facts.n_val if self.outcome.metric.startswith("val/") else facts.n_test
        return size / facts.n_train


def question(evidence: Evidence, hypothesis: Comparison) -> Question:
    """Find the arms, the target, the outcomes, the smallest effect. Raises BadInput where one is missing."""
    outcome = hypothesis.outcome
    if isinstance(hypothesis, Faster) and outcome.function != "steps_to":
        raise BadInput(f"a faster hypothesis compares steps_to a metric; found outcome {outcome}")
    target = resolve_target(evidence, outcome.metric) if outcome.function == "steps_to" else None
    direction = outcome_direction(outcome, hypothesis.direction)
    table = outcome_table(evidence, outcome, target)
    arms = _named_arms(evidence, hypothesis)
    means = {a: float(np.mean(v)) if len(v := arm_values(table, a)) else math.nan for a in arms}
    subject, reference = arms if not isinstance(hypothesis, BestOf) else _best_two(arms, means, direction)
    if isinstance(hypothesis, BestOf) and hypothesis.a is not None:
        subject = evidence.design.select_arm(hypothesis.a, hypothesis.at).label
        others = tuple(a for a in arms if a != subject)
        reference = best_arm(others, means, direction)
    delta, scale = _delta(hypothesis, means[reference], reference)
    return Question(evidence, hypothesis, arms, subject, reference, direction, target, table, delta, scale)


def best_arm(arms: Sequence[str], means: Mapping[str, float], direction: Direction) -> str:
    """The arm with the best mean; one without any finished run (NaN) comes last."""
    sign = 1.0 if direction == "higher" else -1.0
    return max(arms, key=lambda a: -math.inf if math.isnan(means[a]) else sign * means[a])


def _best_two(arms: Sequence[str], means: Mapping[str, float], direction: Direction) -> tuple[str, str]:
    first = best_arm(arms, means, direction)
    return first, best_arm([a for a in arms if a != first], means, direction)


def _named_arms(evidence: Evidence, hypothesis: Comparison) -> tuple[str, ...]:
    design = evidence.design
    if isinstance(hypothesis, BestOf):
        arms = tuple(a.label for a in design.select_arms({}, hypothesis.at))
    else:
        arms = tuple(design.select_arm(s, hypothesis.at).label for s in (hypothesis.a, hypothesis.b))
    if len(set(arms)) < 2:
        raise BadInput(f"a {hypothesis.kind} hypothesis compares different arms; found only {arms[0]!r}")
    return arms


def _delta(hypothesis: Comparison, reference_mean: float, reference: str) -> tuple[float, Scale]:
    """The smallest effect that matters on the estimate's scale, and how that scale is shown."""
    if isinstance(hypothesis, Faster):
        return _log_ratio(hypothesis.delta), Scale("ratio", "ratio of steps")
    given = hypothesis.delta or _default_delta(hypothesis.outcome, reference_mean)
    if given.relative:
        unit = f"% of {reference}'s mean"
        return given.value * abs(reference_mean), Scale("relative", unit, reference_mean)
    function, metric = hypothesis.outcome.function, hypothesis.outcome.metric.partition("/")[2]
    if function == "steps_to":
        return given.value, Scale("plain", "steps")
    if function in ("diverged", "success") or metric in ("accuracy", "error"):
        return given.value, Scale("points", "percentage points")
    return given.value, Scale("plain", metric)


def _log_ratio(delta: Delta | None) -> float:
    ratio = SPEED_UP if delta is None else delta.value + delta.relative
    if ratio <= 1:
        raise BadInput(
            f"delta of a faster hypothesis is a ratio of steps above 1, such as 1.25; found {delta}"
        )
    return math.log(ratio)


def _default_delta(outcome: Outcome, reference_mean: float) -> Delta:
    """The metric's own; for accuracy and error 0.3 points where the reference arm's error is below 3 %."""
    if outcome.function not in ("final", "best", "area"):
        raise BadInput(f"outcome {outcome} has no default delta; give delta in the hypothesis")
    metric = split_metric(outcome.metric)[1]
    error = {"accuracy": 1 - reference_mean, "error": reference_mean}.get(metric.name, math.nan)
    value = SMALL_ERROR_DELTA if error < SMALL_ERROR else metric.delta
    return Delta(value=value, relative=metric.delta_is_relative)


SPLIT_LABELS = dict(zip(SPLITS, ("training", "validation", "test"), strict=True))


def outcome_label(outcome: Outcome) -> str:
    """The outcome in words: "test accuracy", "steps to the target validation accuracy"."""
    if outcome.function in ("diverged", "success"):
        return {"diverged": "rate of divergence", "success": "rate of success"}[outcome.function]
    split, metric = split_metric(outcome.metric)
    text = f"{SPLIT_LABELS[split]} {metric.label}"
    prefix = {"final": "", "best": "best ", "area": "mean over training of ", "steps_to": "steps to target "}
    return prefix[outcome.function] + text
