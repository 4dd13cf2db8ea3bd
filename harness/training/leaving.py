"""Members that end before their stack does: diverged, or stopped early. The rest goes on without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from harness.catalogue.regularisers import stopping
from harness.errors import BadInput, unknown
from harness.training.functions import Buffers
from harness.words.config import TrainSection
from harness.words.metrics import split_metric

SMALLER = 0.5  # share of a stack still training from which on the rest is gathered into a smaller one


class Weights(NamedTuple):
    """Parameters (m, P) and buffers (m, ...) of some members."""

    params: Tensor
    buffers: Buffers


@dataclass
class EarlyStopping:
    """The best evaluation of every member of a stack, M in all, whether still training or not.

    A member stops after `patience` evaluations without a better `metric`, and its weights are those of
    its best one.
    """

    metric: str  # "val/loss"
    patience: int  # evaluations
    best: Tensor  # (M,) of the metric, oriented so that more is better
    waited: Tensor  # (M,) evaluations since
    params: Tensor  # (M, P) at the best evaluation
    buffers: Buffers
    steps: list[int]  # M: optimizer steps until the best evaluation

    def see(self, step: int, rows: Tensor, values: Tensor, weights: Weights) -> Tensor:
        """Take in an evaluation of the members `rows` (m,) and say which of them stop, (m,) bool.

        `values` (m,) are the metric's, NaN for diverged members; `weights` holds their weights.
        """
        sign = 1 if split_metric(self.metric)[1].better == "higher" else -1
        better = sign * values > self.best[rows]  # False for NaN
        improved = rows[better]
        self.best[improved] = sign * values[better]
        self.params[improved] = weights.params[better]
        for name, kept in self.buffers.items():
            kept[improved] = weights.buffers[name][better]
        for member in improved.tolist():
            self.steps[member] = step
        self.waited[rows], stops = stopping(better, self.waited[rows], self.patience)
        return stops


def early_stopping(section: TrainSection, weights: Weights, measured: Sequence[str]) -> EarlyStopping | None:
    """Early stopping as a config asks for it, or None; `weights` are the members' before the first step.

    Raises BadInput for a metric that isn't among those `measured` during training.
    """
    if section.patience is None:
        return None
    if section.monitor not in measured:
        raise BadInput(unknown("train.monitor", section.monitor, measured))
    m, device = len(weights.params), weights.params.device
    return EarlyStopping(
        metric=section.monitor,
        patience=section.patience,
        best=torch.full((m,), -torch.inf, dtype=torch.float64, device=device),
        waited=torch.zeros(m, dtype=torch.int64, device=device),
        params=weights.params.clone(),
        buffers={name: b.clone() for name, b in weights.buffers.items()},
        steps=[0] * m,
    )


def worth_gathering(staying: int, members: int) -> bool:
    """Whether so many have left that the rest is better off as a smaller stack."""
    return 0 < staying <= SMALLER * members
