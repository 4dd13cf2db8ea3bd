"""Normalisation layers that give the same numbers alone and in a stack, bit for bit.

One new normalisation: a module made from a width, one line in NORMALISATIONS, and its name among the options
of the networks that take it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Normalisation(NamedTuple):
    """What normalises a layer of some width before its activation; None leaves it as it is."""

    layer: Callable[[int], nn.Module] | None
    formula: str
    source: str


class BatchNorm(nn.Module):
    """Each feature to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe and Szegedy 2015).

    y = weight (x - mean) / sqrt(var + eps) + bias over examples in training; over the running mean and
    variance in evaluation. As `nn.BatchNorm1d` and `2d` (momentum 0.1, eps 1e-5, unbiased running variance),
    but of plain means: torch's kernel sums in another order when models are stacked.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, width) or (B, width, ...), whose statistics are over all but the second axis; same shape."""
        if x.dim() == 2:
            return self._normalised(x)
        last = x.movedim(1, -1)
        return self._normalised(last.flatten(0, -2)).view(last.shape).movedim(-1, 1)

    def _normalised(self, x: Tensor) -> Tensor:
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean = x.mean(0)
            var = (x - mean).square().mean(0)
            self._remember(mean.detach(), var.detach(), x.shape[0])
        return (x - mean) * torch.rsqrt(var + self.eps) * self.weight + self.bias

    def _remember(self, mean: Tensor, var: Tensor, n: int) -> None:
        unbiased = var * (n / max(1, n - 1))
        self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
        self.running_var.mul_(1 - self.momentum).add_(self.momentum * unbiased)


NORMALISATIONS: dict[str, Normalisation] = {
    "none": Normalisation(None, "x", "control"),
    "batch_norm": Normalisation(
        BatchNorm, "w (x - m)/sqrt(v + eps) + b, m and v over the batch", "Ioffe and Szegedy 2015"
    ),
    "layer_norm": Normalisation(
        nn.LayerNorm, "w (x - m)/sqrt(v + eps) + b, m and v over the layer", "Ba et al. 2016"
    ),
}
