"""What is known of a metric by its name alone: which way is better, its scale, the least effect that matters.

A metric's full name is `split/metric`: `val/accuracy`. How it is computed stands in the catalogue.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from harness.errors import BadInput, UnknownName

SPLITS = ("train", "val", "test")


class Metric(NamedTuple):
    """Facts about a metric."""

    name: str
    label: str
    better: Literal["higher", "lower"]
    delta: float  # smallest effect that matters, unless a study sets its own
    delta_is_relative: bool = False

    def worst(self, n_classes: int | None) -> float:
        """The value imputed for a diverged run: that of a constant guess, sure of it for `ece`; else NaN.

        Accuracy 1/C, error, Brier score and calibration error 1 - 1/C, NLL and loss log C; R2 0, and
        0.9 for an interval that never covers. Of a regression's errors no worst value is known.
        """
        values = {"r2": 0.0, "coverage_error": 0.9, "conditional_coverage_error": 0.9}
        if n_classes is not None:
            miss, nats = 1 - 1 / n_classes, math.log(n_classes)
            values |= {"accuracy": 1 / n_classes, "error": miss, "brier": miss, "ece": miss}
            values |= {"nll": nats, "loss": nats}
        return values.get(self.name, math.nan)


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", "accuracy", "higher", 0.01),
        Metric("error", "error rate", "lower", 0.01),
        Metric("loss", "loss", "lower", 0.05, delta_is_relative=True),
        Metric("nll", "negative log-likelihood (nats)", "lower", 0.05, delta_is_relative=True),
        Metric("mse", "mean squared error", "lower", 0.05, delta_is_relative=True),
        Metric("rmse", "root mean squared error", "lower", 0.05, delta_is_relative=True),
        Metric("mae", "mean absolute error", "lower", 0.05, delta_is_relative=True),
        Metric("r2", "R2, share of the targets' variance", "higher", 0.01),
        Metric("coverage_error", "distance of the 90 % intervals' coverage from 0.9", "lower", 0.02),
        Metric("conditional_coverage_error", "coverage error by tenths of predictions", "lower", 0.02),
        Metric("brier", "Brier score", "lower", 0.05, delta_is_relative=True),
        Metric("ece", "expected calibration error", "lower", 0.01),
    )
}


def split_metric(full_name: str) -> tuple[str, Metric]:
    """`val/accuracy` as ("val", its Metric). Raises BadInput or UnknownName for anything else."""
    split, slash, name = full_name.partition("/")
    if not slash or split not in SPLITS:
        raise BadInput(
            f"metric {full_name!r} is not of the form split/metric, such as val/accuracy; "
            f"splits: {', '.join(SPLITS)}; metrics: {', '.join(METRICS)}"
        )
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    return split, METRICS[name]
