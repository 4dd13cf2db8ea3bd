"""Losses an example: outputs (..., C), targets (...) class indices or (..., C) values -> (...).

Leading dimensions are examples, or models and examples. Training minimises the mean over a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Loss(NamedTuple):
    """A loss an example: outputs (..., C), targets -> (...)."""

    per_example: Callable[[Tensor, Tensor], Tensor]
    formula: str
    source: str


def as_values(targets: Tensor, outputs: Tensor) -> Tensor:
    """Targets shaped like outputs: class indices become one-hot rows, values stay."""
    if targets.is_floating_point():
        return targets.reshape(outputs.shape)
    classes = torch.arange(outputs.shape[-1], device=outputs.device)
    return (targets.unsqueeze(-1) == classes).to(outputs.dtype)


def log_partition(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Logits less their largest, and the log of the sum of their exponentials (..., 1).

    Written out: torch's log_softmax takes three times as long on rows of ten classes.
    """
    shifted = outputs - outputs.detach().amax(-1, keepdim=True)
    return shifted, shifted.exp().sum(-1, keepdim=True).log()


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """-log softmax(outputs)[target], in nats; outputs are logits."""
    shifted, log_sum = log_partition(outputs)
    return (log_sum - shifted.gather(-1, targets.unsqueeze(-1))).squeeze(-1)


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over outputs of (output - target)^2; classes as one-hot targets."""
    return (outputs - as_values(targets, outputs)).square().mean(-1)


def half_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Sum over outputs of (target - output)^2 / 2; classes as one-hot targets."""
    return (outputs - as_values(targets, outputs)).square().sum(-1) / 2


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(cross_entropy, "-log softmax(z)_y", "maximum likelihood of a categorical model"),
    "mse": Loss(mse, "mean_k (z_k - y_k)^2", "Gaussian maximum likelihood"),
    "half_squared_error": Loss(half_squared_error, "sum_k (y_k - z_k)^2 / 2", "Rumelhart et al. 1986"),
}


def smoothed(
    loss: Callable[[Tensor, Tensor], Tensor], smoothing: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy against (1-s) one-hot + s/C (Szegedy et al. 2016); other losses and s = 0 as they are."""
    if smoothing == 0 or loss is not cross_entropy:
        return loss

    def smooth(outputs: Tensor, targets: Tensor) -> Tensor:
        shifted, log_sum = log_partition(outputs)
        uniform = log_sum.squeeze(-1) - shifted.mean(-1)
        return (1 - smoothing) * cross_entropy(outputs, targets) + smoothing * uniform

    return smooth
