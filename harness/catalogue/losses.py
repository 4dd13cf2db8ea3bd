"""Losses: a value an example, and what a batch's loss is of their mean.

Outputs (..., C) and targets (...) class indices or (..., C) values -> (...); leading dimensions are
examples, or models and examples. Training minimises the mean over a batch, or a function of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from harness.errors import BadInput

PerExample = Callable[[Tensor, Tensor], Tensor]
OfMean = Callable[[Tensor], Tensor]


def itself(mean: Tensor) -> Tensor:
    """Return the mean over examples as it is."""
    return mean


def root(mean: Tensor) -> Tensor:
    """The square root of a mean over examples; at 0 its gradient is 0 rather than not a number."""
    return mean.clamp(min=torch.finfo(mean.dtype).tiny).sqrt()


class Loss(NamedTuple):
    """A loss: outputs (..., C), targets -> values (...) an example; a batch's is a function of their mean.

    `targets` says what it is for, `outputs_per_target` how many outputs a class or value takes. With
    `one_logit` a network has one output for two classes, which it gives as the logits of both (`two_logits`).
    """

    per_example: PerExample
    formula: str
    source: str
    of_mean: OfMean = itself
    targets: Literal["classes", "values", "any"] = "any"
    outputs_per_target: int = 1
    one_logit: bool = False


def as_values(targets: Tensor, outputs: Tensor) -> Tensor:
    """Targets shaped like outputs: class indices become one-hot rows, values stay."""
    if targets.is_floating_point():
        return targets.reshape(outputs.shape)
    classes = torch.arange(outputs.shape[-1], device=outputs.device)
    return (targets.unsqueeze(-1) == classes).to(outputs.dtype)


def log_partition(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Logits less their largest, and the log of the sum of their exponentials (..., 1).

    Written out: torch's log_softmax and softmax take three to four times as long on rows of ten classes.
    """
    shifted = less_largest(outputs)
    return shifted, shifted.exp().sum(-1, keepdim=True).log()


def less_largest(x: Tensor) -> Tensor:
    """The values less the largest of their last axis: no exponential of them is above 1."""
    return x - x.detach().amax(-1, keepdim=True)


def softmax(x: Tensor) -> Tensor:
    """exp(x) / sum exp(x) over the last axis, written out like `log_partition`."""
    powers = less_largest(x).exp()
    return powers / powers.sum(-1, keepdim=True)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """-log softmax(outputs)[target], in nats; outputs are logits.

    Targets may be probabilities (..., C) too: -sum_k y_k log softmax(outputs)_k.
    """
    shifted, log_sum = log_partition(outputs)
    if targets.is_floating_point():
        return (as_values(targets, outputs) * (log_sum - shifted)).sum(-1)
    return (log_sum - shifted.gather(-1, targets.unsqueeze(-1))).squeeze(-1)


def two_logits(z: Tensor) -> Tensor:
    """(0, z), the logits of two classes (..., 2), of the second one's against the first (..., 1)."""
    return torch.cat([torch.zeros_like(z), z], -1)


def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """log(1 + exp(z)) - y z for classes y of 0 and 1, in nats; outputs are `two_logits` of z.

    It is their `cross_entropy`, as softmax(0, z) = (1 - sigmoid(z), sigmoid(z)).
    """
    return cross_entropy(outputs, targets)


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over outputs of (output - target)^2; classes as one-hot targets."""
    return (outputs - as_values(targets, outputs)).square().mean(-1)


def half_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Sum over outputs of (target - output)^2 / 2; classes as one-hot targets."""
    return (outputs - as_values(targets, outputs)).square().sum(-1) / 2


def cross_entropy_one_hot(outputs: Tensor, targets: Tensor) -> Tensor:
    """`cross_entropy`, from one-hot rows instead of class indices: the same numbers."""
    return cross_entropy(outputs, as_values(targets, outputs))


def softmax_mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over classes of (softmax(outputs) - one-hot target)^2; outputs are logits."""
    return mse(softmax(outputs), targets)


def mae(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over outputs of |output - target|; classes as one-hot targets."""
    return (outputs - as_values(targets, outputs)).abs().mean(-1)


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over outputs of e^2 / 2 for errors |e| <= 1, else |e| - 1 / 2; classes as one-hot targets."""
    error = (outputs - as_values(targets, outputs)).abs()
    return torch.where(error <= 1, error.square() / 2, error - 0.5).mean(-1)


def halves(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """The means and the log variances, (..., K) each, of a Gaussian head's outputs (..., 2K)."""
    mean, log_variance = outputs.chunk(2, -1)
    return mean, log_variance


def gaussian_nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over K values of -log N(target; mean, variance), in nats; outputs (..., 2K).

    (s + (y - m)^2 exp(-s) + log 2 pi) / 2, the first half of the outputs being the means m, the
    second the log variances s.
    """
    mean, log_variance = halves(outputs)
    squared = (mean - as_values(targets, mean)).square()
    return (log_variance + squared * (-log_variance).exp() + math.log(2 * math.pi)).mean(-1) / 2


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(
        cross_entropy, "-log softmax(z)_y", "maximum likelihood of a categorical model", targets="classes"
    ),
    "cross_entropy_one_hot": Loss(
        cross_entropy_one_hot, "-sum_k y_k log softmax(z)_k", "the same as cross_entropy", targets="classes"
    ),
    "binary_cross_entropy": Loss(
        binary_cross_entropy,
        "log(1 + exp(z)) - y z, of one logit z and two classes",
        "maximum likelihood of a Bernoulli model (Cox 1958)",
        targets="classes",
        one_logit=True,
    ),
    "softmax_mse": Loss(softmax_mse, "mean_k (softmax(z)_k - y_k)^2", "Brier 1950", targets="classes"),
    "mse": Loss(mse, "mean_k (z_k - y_k)^2", "Gaussian maximum likelihood"),
    "half_squared_error": Loss(half_squared_error, "sum_k (y_k - z_k)^2 / 2", "Rumelhart et al. 1986"),
    "rmse": Loss(mse, "sqrt(mean over a batch of mean_k (z_k - y_k)^2)", "square root of mse", root),
    "mae": Loss(mae, "mean_k |z_k - y_k|", "Laplace maximum likelihood"),
    "huber": Loss(huber, "mean_k e_k^2 / 2 if |e_k| <= 1 else |e_k| - 1 / 2, e = z - y", "Huber 1964"),
    "gaussian_nll": Loss(
        gaussian_nll,
        "mean_k (s_k + (y_k - m_k)^2 exp(-s_k) + log 2 pi) / 2, (m, s) = z",
        "Nix and Weigend 1994",
        targets="values",
        outputs_per_target=2,
    ),
}

# The losses that `train.label_smoothing` acts on.
SMOOTHED = {name: LOSSES[name] for name in ("cross_entropy", "cross_entropy_one_hot", "binary_cross_entropy")}


def n_outputs(name: str, n_classes: int | None, n_targets: int = 1) -> int:
    """How many outputs a network needs: one a class, or a target of a regression, times what the loss takes.

    One for two classes where the loss takes one logit. Raises BadInput where the loss is not for such
    targets.
    """
    loss = LOSSES[name]
    if not _is_for(loss, n_classes):
        allowed = ", ".join(n for n, entry in LOSSES.items() if _is_for(entry, n_classes))
        wanted = "two classes" if loss.one_logit else loss.targets
        found = "values" if n_classes is None else f"{n_classes} classes" if loss.one_logit else "classes"
        raise BadInput(f"{name} is for targets that are {wanted}; these are {found}; allowed: {allowed}")
    return 1 if loss.one_logit else (n_classes or n_targets) * loss.outputs_per_target


def _is_for(loss: Loss, n_classes: int | None) -> bool:
    fits = loss.targets in ("any", "values" if n_classes is None else "classes")
    return fits and (n_classes == 2 or not loss.one_logit)


def smoothed(loss: Loss, smoothing: float) -> Loss:
    """Cross-entropy against (1-s) one-hot + s/C (Szegedy et al. 2016); other losses and s = 0 as they are."""
    per_example = loss.per_example
    if smoothing == 0 or loss not in SMOOTHED.values():
        return loss

    def smooth(outputs: Tensor, targets: Tensor) -> Tensor:
        shifted, log_sum = log_partition(outputs)
        uniform = log_sum.squeeze(-1) - shifted.mean(-1)
        return (1 - smoothing) * per_example(outputs, targets) + smoothing * uniform

    return loss._replace(per_example=smooth)
