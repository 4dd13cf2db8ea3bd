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
        """The value imputed for a diverged run: chance accuracy 1/C, NLL log C, else NaN."""
        if n_classes is None:
            return math.nan
        return {"accuracy": 1 / n_classes, "error": 1 - 1 / n_classes, "nll": math.log(n_classes)}.get(
            self.name, math.log(n_classes) if self.name == "loss" else math.nan
        )


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
        Metric("brier", "Brier score", "lower", 0.05, delta_is_relative=True),
        Metric("ade", "average displacement error (metres)", "lower", 0.05, delta_is_relative=True),
        Metric("fde", "final displacement error (metres)", "lower", 0.05, delta_is_relative=True),
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
