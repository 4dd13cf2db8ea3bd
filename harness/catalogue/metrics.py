"""How metrics are computed: values an example, and the metric as a function of their mean over a split.

Their names, directions and scales stand in `words.metrics`. Metrics that are functions of the same
mean, as mse and rmse are, name the same `per_example`, which is then computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    less_largest,
    mae,
    mse,
    root,
    softmax,
)

CENTRAL = 0.9  # probability of the interval whose coverage is measured
CENTRAL_WITHIN = 1.6448536269514722  # standard deviations, of a normal distribution
BINS = 15  # of confidence, as in Guo et al. 2017
TENTHS = 10  # of a split, by the predicted value


class Measure(NamedTuple):
    """Values (...) or (..., K) of outputs (..., C) and targets, and the metric: a function of their mean."""

    per_example: PerExample
    of_mean: OfMean = itself


class WholeMeasure(NamedTuple):
    """A metric that is no function of a mean: of a split's outputs (M, n, C) and targets -> (M,) float64."""

    of_split: PerExample


Measures = dict[str, Measure | WholeMeasure]


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
    return (softmax(outputs) - as_values(targets, outputs)).square().sum(-1)


def confidence_gaps(outputs: Tensor, targets: Tensor) -> Tensor:
    """Accuracy less confidence in the bin of an example's confidence, else 0: (..., BINS).

    Confidence is the largest softmax; bin k holds confidences in (k / BINS, (k + 1) / BINS].
    """
    confidence = 1 / less_largest(outputs).exp().sum(-1)  # the largest's own exponential is 1
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


def covered(outputs: Tensor, targets: Tensor) -> Tensor:
    """Whether each of K targets is inside the central 90 % interval of a Gaussian head (..., 2K)."""
    mean, log_variance = halves(outputs)
    error = (mean - as_values(targets, mean)).abs()
    return error <= CENTRAL_WITHIN * (log_variance / 2).exp()


def coverage(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of the K targets that are `covered`."""
    return covered(outputs, targets).to(outputs.dtype).mean(-1)


def off_central(mean: Tensor) -> Tensor:
    """Distance of a coverage from 0.9."""
    return (mean - CENTRAL).abs()


def with_constant_variance(outputs: Tensor, targets: Tensor) -> Tensor:
    """Predicted values (M, n, K) as a Gaussian head (M, n, 2K): one variance for all, that of their errors.

    It is the one that suits these examples best, as in `best_constant_nll`.
    """
    variance = (mse(outputs, targets).sum(1, dtype=torch.float64) / outputs.shape[1]).clamp(min=1e-300)
    return torch.cat([outputs, variance.log().to(outputs.dtype)[:, None, None].expand_as(outputs)], -1)


def coverage_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Distance of a Gaussian head's coverage from 0.9, (M,)."""
    return off_central(covered(outputs, targets).double().mean((1, 2)))


def conditional_coverage_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean distance from 0.9 of a Gaussian head's coverage in each tenth of the examples, (M,).

    The tenths are by predicted value, the sum over K targets; of under 10 examples each is a group.
    Intervals too wide here and too narrow there cover as they should on the whole (Angelopoulos and Bates
    2021, section 3: conditional coverage).
    """
    mean, inside = halves(outputs)[0], covered(outputs, targets)
    order = mean.sum(-1).argsort(stable=True, dim=1)
    groups = min(TENTHS, outputs.shape[1])
    tenths = torch.tensor_split(inside.sum(-1).gather(1, order), groups, 1)
    shares = [part.sum(1).double() / (part.shape[1] * inside.shape[2]) for part in tenths]
    return off_central(torch.stack(shares, 1)).sum(1) / groups


def spread_alike(of_head: PerExample) -> WholeMeasure:
    """The metric of a Gaussian head, of predicted values with the constant variance that suits them best."""
    return WholeMeasure(lambda z, y: of_head(with_constant_variance(z, y), y))


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
REGRESSION_AT_END: Measures = {
    **REGRESSION,
    "coverage_error": spread_alike(coverage_error),
    "conditional_coverage_error": spread_alike(conditional_coverage_error),
}
GAUSSIAN = {
    **_regression(of_means),
    "nll": Measure(gaussian_nll),
    "coverage_error": Measure(coverage, off_central),
}
GAUSSIAN_AT_END: Measures = {
    **GAUSSIAN,
    "conditional_coverage_error": WholeMeasure(conditional_coverage_error),
}
NAMES = sorted({"loss", *CLASSIFICATION_AT_END, *REGRESSION_AT_END, *GAUSSIAN_AT_END})


def measured(loss: str, n_classes: int | None, at_end: bool) -> Measures:
    """What is measured of runs trained by the loss, by name: at the end, or at every evaluation.

    `n_classes` is None for a regression.
    """
    entry = LOSSES[loss]
    tables: tuple[Mapping[str, Measure], Mapping[str, Measure | WholeMeasure]]
    if n_classes is not None:
        tables = CLASSIFICATION, CLASSIFICATION_AT_END
    elif entry.outputs_per_target == 1:
        tables = REGRESSION, REGRESSION_AT_END
    else:
        tables = GAUSSIAN, GAUSSIAN_AT_END
    return {"loss": Measure(entry.per_example, entry.of_mean), **tables[at_end]}
