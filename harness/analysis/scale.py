"""The scale an estimate is shown on, and the smallest effect that matters on the estimate's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.errors import BadInput
from harness.words.metrics import SPLITS, split_metric
from harness.words.outcome import Delta, Outcome
from harness.words.probes import PROBES, ProbeOptions

SPEED_UP = 1.25  # the default smallest effect that matters, for speed
SMALL_ERROR = 0.03  # below this error rate 0.3 points of accuracy matter, not 1
SMALL_ERROR_DELTA = 0.003
ROUNDING = 1e-12  # of an offset
SPLIT_LABELS = dict(zip(SPLITS, ("training", "validation", "test"), strict=True))


@dataclass(frozen=True)
class Scale:
    """How the estimate's scale is shown to readers, with x = offset + sign * value.

    `kind`: "ratio" shows exp(x); "points" shows 100 x (percentage points); "relative" shows
    100 x / |reference| (per cent of the reference arm's mean); "plain" shows x.
    """

    kind: Literal["ratio", "points", "relative", "plain"]
    unit: str
    reference: float = 1.0
    offset: float = 0.0
    sign: float = 1.0

    def show(self, value: float) -> float:
        """The value as people read it."""
        x = self.offset + self.sign * value
        if abs(x) < ROUNDING * abs(self.offset):  # what is left where the two cancel
            x = 0.0
        if self.kind == "ratio":
            return math.exp(x)
        if self.kind == "plain":
            return x
        return 100 * x / (self.whole if self.kind == "relative" else 1.0)

    @property
    def whole(self) -> float:
        """What a relative value is a share of; 1 where the reference arm's mean is 0."""
        return abs(self.reference) or 1.0

    @property
    def is_relative_to_nothing(self) -> bool:
        """Whether values are to be shares of a mean of 0, which says nothing."""
        return self.kind == "relative" and self.reference == 0

    def show_ends(self, low: float, high: float) -> tuple[float, float]:
        """An interval's ends as people read them, ascending."""
        ends = sorted((self.show(low), self.show(high)))
        return ends[0], ends[1]


PLAIN = Scale("plain", "")


def is_share(outcome: Outcome) -> bool:
    """Whether the outcome lies between 0 and 1 and is shown in per cent."""
    if outcome.function == "probe":
        options = ProbeOptions.model_validate(outcome.options)
        plain = options.ratio is None and options.slope is None and not options.log10
        return PROBES[outcome.metric].share and plain
    metric = outcome.metric.partition("/")[2]
    return outcome.function in ("diverged", "success", "overshoot") or metric in ("accuracy", "error")


def difference_scale(
    outcome: Outcome, given: Delta | None, mean: float, reference: str
) -> tuple[float, Scale]:
    """The smallest difference of outcomes that matters, and how differences are shown.

    `mean` is that of the arm called `reference`, which a relative delta refers to. Raises BadInput
    where the outcome has no default delta. Of a mean of 0 no share can be taken: `is_relative_to_nothing`.
    """
    delta = given or default_delta(outcome, mean)
    if delta.relative:
        scale = Scale("relative", f"% of {reference}'s mean", mean)
        return delta.value * scale.whole, scale
    if is_share(outcome):
        return delta.value, Scale("points", "percentage points")
    timed = outcome.function == "steps_to"
    unit = outcome.unit_label if timed else outcome.metric.partition("/")[2]
    return delta.value, Scale("plain", unit)


def ratio_scale(outcome: Outcome, given: Delta | None) -> tuple[float, Scale]:
    """The smallest log ratio of times to a target that matters. Raises BadInput for a ratio of 1 or less."""
    ratio = SPEED_UP if given is None else given.value + given.relative
    if ratio <= 1:
        raise BadInput(
            f"delta of a comparison of times is a ratio of {outcome.unit_label} above 1, such as 1.25; "
            f"found {given}"
        )
    return math.log(ratio), Scale("ratio", f"ratio of {outcome.unit_label}")


def default_delta(outcome: Outcome, reference_mean: float) -> Delta:
    """The metric's own; for accuracy and error 0.3 points where the reference arm's error is below 3 %."""
    if outcome.function not in ("final", "best", "area"):
        raise BadInput(f"outcome {outcome} has no default delta; give delta in the hypothesis")
    metric = split_metric(outcome.metric)[1]
    error = {"accuracy": 1 - reference_mean, "error": reference_mean}.get(metric.name, math.nan)
    value = SMALL_ERROR_DELTA if error < SMALL_ERROR else metric.delta
    return Delta(value=value, relative=metric.delta_is_relative)


def outcome_label(outcome: Outcome) -> str:
    """The outcome in words: "test accuracy", "steps to target validation accuracy"."""
    if outcome.function == "steps_to":
        split, metric = split_metric(outcome.metric)
        return f"{outcome.unit_label} to target {SPLIT_LABELS[split]} {metric.label}"
    if outcome.function in ("diverged", "success"):
        return {"diverged": "rate of divergence", "success": "rate of success"}[outcome.function]
    if outcome.function == "probe" and outcome.metric in PROBES:
        return _probe_label(outcome)
    if outcome.function not in PREFIXES:
        return outcome.metric.replace("_", " ")
    split, metric = split_metric(outcome.metric)
    restarts = outcome.options.get("restarts")
    best = f" of the best of {restarts} restarts" if restarts else ""
    return f"{PREFIXES[outcome.function]}{SPLIT_LABELS[split]} {metric.label}{best}"


def _probe_label(outcome: Outcome) -> str:
    """What a probe measures, of which layer, when."""
    options, label = ProbeOptions.model_validate(outcome.options), PROBES[outcome.metric].label
    if options.slope == "log_step":
        return f"log-log slope over steps of the {label}"
    when = " at the start" if options.when == "start" else ""
    if options.slope == "layer":
        return f"slope a layer of the log10 {label}{when}"
    label = f"log10 {label}" if options.log10 else label
    if options.ratio is not None:
        return f"{label}, layer {options.ratio[0]} over {options.ratio[1]}{when}"
    return f"{label}{'' if options.layer == 'all' else f', layer {options.layer}'}{when}"


PREFIXES = {"final": "", "best": "best ", "area": "mean over training of ", "overshoot": "overshoot of the "}
