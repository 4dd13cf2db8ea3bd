"""Regularisers: what keeps a net from fitting its training examples too closely, or a step from leaping.

Each is a strength among a run's options and a function that the part of the run named by `on` calls:
those of weights and of the gradient change gradients (m, n) by strengths (m, 1), weights being matrices
and kernels, not biases or scales. One new regulariser: a function, one line in REGULARISERS, and its
strength among the options it stands with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from harness.catalogue.dropout import Dropout
from harness.catalogue.losses import smoothed
from harness.catalogue.optimizers.base import penalised
from harness.words.ranges import OwnRange

CLIP_EPS = 1e-6  # added to the norm, as in torch's clip_grad_norm_


class Regulariser(NamedTuple):
    """A regulariser, the dotted path of its strength, and the range in which studies look for that."""

    function: Callable[..., Any]
    on: Literal["weights", "gradient", "loss", "layer", "step", "run"]
    option: str
    range: OwnRange
    formula: str
    source: str


def l1(grads: Tensor, weights: Tensor, strength: Tensor) -> Tensor:
    """Gradients of loss + l1 sum|w|; the subgradient of |w| is sign(w), 0 at 0 (Tibshirani 1996)."""
    return torch.addcmul(grads, strength, weights.sign())


def l2(grads: Tensor, weights: Tensor, strength: Tensor) -> Tensor:
    """Gradients of loss + l2/2 sum w^2 (Hoerl and Kennard 1970)."""
    return torch.addcmul(grads, strength, weights)


def clip_norm(grads: Tensor, largest: Tensor) -> Tensor:
    """Each row of grads (m, P) scaled down to a norm of at most `largest` (m, 1), direction kept.

    g <- g min(1, c / (|g| + 1e-6)) (Pascanu et al. 2013). A row's norm doesn't depend on the others.
    """
    norms: Tensor = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    return grads * (largest / (norms + CLIP_EPS)).clamp(max=1)


def stopping(better: Tensor, waited: Tensor, patience: int) -> tuple[Tensor, Tensor]:
    """Evaluations since the best one, this one counted, and whether they are enough to stop; all (m,).

    `better` says where this evaluation is the best so far (Prechelt 1998: early stopping, but when?).
    """
    waited = torch.where(better, 0, waited + 1)
    return waited, waited >= patience


REGULARISERS: dict[str, Regulariser] = {
    "l1": Regulariser(l1, "weights", "train.l1", OwnRange(1e-6, 1e-3), "E + l1 sum |w|", "Tibshirani 1996"),
    "l2": Regulariser(
        l2, "weights", "train.l2", OwnRange(1e-5, 0.1), "E + l2/2 sum w^2", "Hoerl and Kennard 1970"
    ),
    "clip_norm": Regulariser(
        clip_norm,
        "gradient",
        "train.clip_norm",
        OwnRange(0.1, 10.0),
        "g min(1, c/|g|)",
        "Pascanu et al. 2013",
    ),
    "weight_decay": Regulariser(
        penalised,
        "step",
        "optimizer.weight_decay",
        OwnRange(1e-5, 0.1),
        "g + wd theta; adamw and lion: theta(1 - lr wd)",
        "Krogh and Hertz 1991; Loshchilov and Hutter 2019",
    ),
    "label_smoothing": Regulariser(
        smoothed,
        "loss",
        "train.label_smoothing",
        OwnRange(0.01, 0.3, log=False),
        "-sum_k ((1-s) y_k + s/C) log softmax(z)_k",
        "Szegedy et al. 2016",
    ),
    "dropout": Regulariser(
        Dropout,
        "layer",
        "model.dropout",
        OwnRange(0.1, 0.8, log=False),
        "h b/(1-p), b = 0 with probability p, else 1",
        "Srivastava et al. 2014",
    ),
    "early_stopping": Regulariser(
        stopping,
        "run",
        "train.patience",
        OwnRange(1, 50),
        "stop after k evaluations without a better one, keep the best",
        "Prechelt 1998",
    ),
}
