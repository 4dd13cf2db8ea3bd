"""How metrics are computed: values an example, and the metric as a function of their mean over a split.

Their names, directions and scales stand in `words.metrics`. Metrics that are functions of the same
mean, as mse and rmse are, name the same `per_example`, which is then computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from harness.catalogue.activations import in_whole_vectors
from harness.catalogue.losses import (
    LOSSES,
    OfMean,
    PerExample,
    as_values,
    cross_entropy,
    gaussian_nll,
    halves,
    itself,
    mae,
    mse,
    root,
)

CENTRAL = 0.9  # probability of the interval whose coverage is measured
CENTRAL_WITHIN = 1.6448536269514722  # standard deviations, of a normal distribution
BINS = 15  # of confidence, as in Guo et al. 2017


class Measure(NamedTuple):
    """Values (...) or (..., K) of outputs (..., C) and targets, and the metric: a function of their mean."""

    per_example: PerExample
    of_mean: OfMean = itself


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where the largest output, the first of equals, is the target's, else 0.

    `max` takes a tenth of the time of `argmax` where the outputs of a class lie side by side.
    """
    return (outputs.max(-1).indices == targets).to(outputs.dtype)


def rest(mean: Tensor) -> Tensor:
    """1 less the mean: the error rate of an accuracy."""
    return 1 - mean


def brier(outputs: Tensor, targets: Tensor) -> Tensor:
    """Sum over classes of (softmax - one-hot)^2 (Brier 1950)."""
    return (torch.softmax(outputs, -1) - as_values(targets, outputs)).square().sum(-1)


def confidence_gaps(outputs: Tensor, targets: Tensor) -> Tensor:
    """Accuracy less confidence in the bin of an example's confidence, else 0: (..., BINS).

    Confidence is the largest softmax; bin k holds confidences in (k / BINS, (k + 1) / BINS].
    """
    confidence = torch.softmax(outputs, -1).amax(-1)
    place = (confidence * BINS).ceil().clamp(1, BINS) - 1
    gap = accuracy(outputs, targets) - confidence
    return gap.unsqueeze(-1) * (place.unsqueeze(-1) == torch.arange(BINS, device=outputs.device))


def absolute_sum(mean: Tensor) -> Tensor:
    """Sum of absolute means: the expected calibration error of `confidence_gaps` (Guo et al. 2017)."""
    return mean.abs().sum(-1)


def r2_parts(outputs: Tensor, targets: Tensor) -> Tensor:
    """The squared error, the K targets and their squares, in float64: (..., 1 + 2K)."""
    values = as_values(targets, outputs).double()
    squared = (outputs.double() - values).square().mean(-1, keepdim=True)
    return torch.cat([squared, values, values.square()], -1)


def r2(mean: Tensor) -> Tensor:
    """1 - mean squared error / variance of the targets, means over K targets; NaN where all are one value."""
    error, values, squares = mean[..., 0], *mean[..., 1:].chunk(2, -1)
    variance = (squares - values.square()).mean(-1)
    return torch.where(variance > 0, 1 - error / variance, torch.nan)


def best_constant_nll(mean: Tensor) -> Tensor:
    """(log(2 pi v) + 1) / 2: the NLL of errors of mean square v under a normal of variance v, in nats.

    No constant variance does better on these examples: it flatters a network that gives none.
    """
    variance = mean.clamp(min=torch.finfo(mean.dtype).tiny)
    return (in_whole_vectors(torch.log, 2 * math.pi * variance) + 1) / 2


def coverage(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of the K targets inside the central 90 % interval of a Gaussian head (..., 2K)."""
    mean, log_variance = halves(outputs)
    error = (mean - as_values(targets, mean)).abs()
    return (error <= CENTRAL_WITHIN * (log_variance / 2).exp()).to(outputs.dtype).mean(-1)


def off_central(mean: Tensor) -> Tensor:
    """Distance of a coverage from 0.9."""
    return (mean - CENTRAL).abs()


def of_means(per_example: PerExample) -> PerExample:
    """The same of a Gaussian head's means, the first half of its outputs."""
    return lambda outputs, targets: per_example(halves(outputs)[0], targets)


def _regression(point: Callable[[PerExample], PerExample]) -> dict[str, Measure]:
    """Metrics of a predicted value; `point` makes functions of the value those of all outputs."""
    squared = point(mse)
    return {
        "mse": Measure(squared),
        "rmse": Measure(squared, root),
        "mae": Measure(point(mae)),
        "r2": Measure(point(r2_parts), r2),
    }


# What is measured beside the loss. Of classifications most only at the end.
CLASSIFICATION = {"accuracy": Measure(accuracy)}
CLASSIFICATION_AT_END = {
    **CLASSIFICATION,
    "error": Measure(accuracy, rest),
    "nll": Measure(cross_entropy),
    "brier": Measure(brier),
    "ece": Measure(confidence_gaps, absolute_sum),
}
REGRESSION = {**_regression(lambda per_example: per_example), "nll": Measure(mse, best_constant_nll)}
GAUSSIAN = {
    **_regression(of_means),
    "nll": Measure(gaussian_nll),
    "coverage_error": Measure(coverage, off_central),
}
NAMES = sorted({"loss", *CLASSIFICATION_AT_END, *REGRESSION, *GAUSSIAN})


def measured(loss: str, n_classes: int | None, at_end: bool) -> dict[str, Measure]:
    """What is measured of runs trained by the loss, by name: at the end, or at every evaluation.

    `n_classes` is None for a regression.
    """
    entry = LOSSES[loss]
    if n_classes is not None:
        table = CLASSIFICATION_AT_END if at_end else CLASSIFICATION
    else:
        table = REGRESSION if entry.outputs_per_target == 1 else GAUSSIAN
    return {"loss": Measure(entry.per_example, entry.of_mean), **table}
