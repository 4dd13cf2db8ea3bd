"""How metrics are computed: outputs (..., C) and targets -> (...) values whose mean is the metric.

Their names, directions and scales stand in `words.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.catalogue.losses import as_values, cross_entropy, mse

PerExample = Callable[[Tensor, Tensor], Tensor]


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where the largest output is the target's, else 0."""
    return (outputs.argmax(-1) == targets).to(outputs.dtype)


def brier(outputs: Tensor, targets: Tensor) -> Tensor:
    """Sum over classes of (softmax - one-hot)^2 (Brier 1950)."""
    return (torch.softmax(outputs, -1) - as_values(targets, outputs)).square().sum(-1)


def mae(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error over outputs."""
    return (outputs - as_values(targets, outputs)).abs().mean(-1)


# By task: what is measured at every evaluation beside the loss, and what only at the end.
CLASSIFICATION: dict[str, PerExample] = {"accuracy": accuracy}
CLASSIFICATION_AT_END: dict[str, PerExample] = {"accuracy": accuracy, "nll": cross_entropy, "brier": brier}
REGRESSION: dict[str, PerExample] = {"mse": mse}
REGRESSION_AT_END: dict[str, PerExample] = {"mse": mse, "mae": mae}
