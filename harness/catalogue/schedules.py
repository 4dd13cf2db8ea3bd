"""Learning-rate schedules: the factor on the learning rate at a step, in [0, 1].

A pure function of step (0-based) and the trial's total steps; the peak rate is the optimizer's. Options
that name a time are shares of the run, so that a schedule means the same at any length. A schedule may
also listen to the validation loss during training (`on_evaluation`): each model's factor by what it has
heard so far multiplies the factor of the step.

One new schedule: an options class, a function, one line in SCHEDULES.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt
from torch import Tensor

from harness.words.base import Word
from harness.words.ranges import OwnRange


class NoOptions(Word):
    """No options."""


class CosineOptions(Word):
    """`final`: the factor at the end. `warmup`: the share of steps of linear warm-up."""

    final: Annotated[float, OwnRange(0.0, 0.1, log=False)] = Field(default=0.0, ge=0, le=1)
    warmup: Annotated[float, OwnRange(0.0, 0.2, log=False)] = Field(default=0.0, ge=0, lt=1)


class LinearWarmupOptions(Word):
    """`warmup`: the share of steps of linear warm-up."""

    warmup: Annotated[float, OwnRange(0.01, 0.3, log=False)] = Field(default=0.1, ge=0, lt=1)


class StepOptions(Word):
    """`gamma`: what a drop leaves of the rate. `every`: the share of steps from one drop to the next."""

    gamma: Annotated[float, OwnRange(0.05, 0.5)] = Field(default=0.1, gt=0, le=1)
    every: Annotated[float, OwnRange(0.1, 0.5, log=False)] = Field(default=0.3, gt=0, le=1)


class ExponentialOptions(Word):
    """`final`: the factor that the end of the run would have, one step after the last."""

    final: Annotated[float, OwnRange(1e-4, 0.1)] = Field(default=0.01, gt=0, le=1)


class InverseTimeOptions(Word):
    """`decay`: the factor is 1 / (1 + decay) at the end of the run."""

    decay: Annotated[NonNegativeFloat, OwnRange(1.0, 1000.0)] = 10.0


class OneCycleOptions(Word):
    """`warmup`: the share of steps up to the peak. `start`, `final`: the factors at both ends."""

    warmup: Annotated[float, OwnRange(0.1, 0.5, log=False)] = Field(default=0.3, gt=0, lt=1)
    start: Annotated[float, OwnRange(0.01, 0.2)] = Field(default=0.04, ge=0, le=1)
    final: Annotated[float, OwnRange(1e-6, 1e-2)] = Field(default=4e-6, ge=0, le=1)


class PlateauOptions(Word):
    """The rate is multiplied by `gamma` after more than `patience` evaluations in a row without gain.

    A gain is a validation loss below (1 - `threshold`) times the best so far.
    """

    gamma: Annotated[float, OwnRange(0.05, 0.7)] = Field(default=0.1, gt=0, lt=1)
    patience: NonNegativeInt = 3
    threshold: float = Field(default=1e-3, ge=0, lt=1)


class Heard(NamedTuple):
    """What the models of a stack have heard of their validation losses: three tensors of (M,)."""

    factor: Tensor  # float64, on the learning rate
    best: Tensor  # float64, the lowest loss so far
    stale: Tensor  # int64, evaluations since that loss, or since the last drop of the rate

    def of(self, members: Tensor) -> Heard:
        """What some members heard, by index (n,)."""
        return Heard(*(part[members] for part in self))


def silence(n_models: int, device: torch.device) -> Heard:
    """Before the first evaluation: factor 1, no loss yet."""
    one = torch.ones(n_models, dtype=torch.float64, device=device)
    return Heard(one, torch.full_like(one, torch.inf), torch.zeros_like(one, dtype=torch.int64))


OnEvaluation = Callable[[Heard, Tensor, Any], Heard]


class Schedule(NamedTuple):
    """`factor(step, total, options)`, and `on_evaluation(heard, val_loss (M,), options)` where it listens."""

    options: type[Word]
    factor: Callable[[int, int, Any], float]
    formula: str
    source: str
    on_evaluation: OnEvaluation | None = None


def constant(_step: int, _total: int, _options: Word) -> float:
    """1 at every step."""
    return 1.0


def cosine(step: int, total: int, options: CosineOptions) -> float:
    """From 1 to `final` along half a cosine, after a linear warm-up.

    final + (1-final)(1 + cos(pi t/T))/2 (Loshchilov and Hutter 2017, without restarts), the same
    values as torch's CosineAnnealingLR with T_max = total.
    """
    warmup = round(options.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    return _half_cosine(1, options.final, (step - warmup) / (total - warmup))


def linear_warmup(step: int, total: int, options: LinearWarmupOptions) -> float:
    """(t+1)/W over the first W steps, then 1 (Goyal et al. 2017)."""
    warmup = round(options.warmup * total)
    return (step + 1) / warmup if step < warmup else 1.0


def step_decay(step: int, total: int, options: StepOptions) -> float:
    """Gamma to the number of drops so far, one every k = every T steps, as torch's StepLR."""
    return options.gamma ** (step // max(1, round(options.every * total)))


def exponential(step: int, total: int, options: ExponentialOptions) -> float:
    """Final to the share of the run, as torch's ExponentialLR with gamma = final^(1/T)."""
    return options.final ** (step / total)  # type: ignore[no-any-return]


def inverse_time(step: int, total: int, options: InverseTimeOptions) -> float:
    """1 / (1 + decay t/T): sums like log t, so that no point is out of reach (Robbins and Monro 1951)."""
    return 1 / (1 + options.decay * step / total)


def one_cycle(step: int, total: int, options: OneCycleOptions) -> float:
    """From `start` up to 1 and down to `final`, both along half a cosine, as torch's OneCycleLR.

    The momentum stays as it is (Smith and Topin 2018 lower it meanwhile).
    """
    peak, last = options.warmup * total - 1, total - 1
    if step < peak:
        return _half_cosine(options.start, 1, step / peak)
    return _half_cosine(1, options.final, (step - peak) / (last - peak))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def on_plateau(heard: Heard, val_loss: Tensor, options: PlateauOptions) -> Heard:
    """The factor times gamma where the loss (M,) is the one too many without gain, as ReduceLROnPlateau."""
    loss = val_loss.to(heard.best.dtype)
    better = loss < heard.best * (1 - options.threshold)  # False for NaN
    stale = torch.where(better, 0, heard.stale + 1)
    drop = stale > options.patience
    factor = torch.where(drop, heard.factor * options.gamma, heard.factor)
    return Heard(factor, torch.where(better, loss, heard.best), torch.where(drop, 0, stale))


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(NoOptions, constant, "1", "plain SGD"),
    "cosine": Schedule(
        CosineOptions, cosine, "final + (1-final)(1+cos(pi t/T))/2", "Loshchilov and Hutter 2017"
    ),
    "linear_warmup": Schedule(LinearWarmupOptions, linear_warmup, "min(1, (t+1)/W)", "Goyal et al. 2017"),
    "step": Schedule(StepOptions, step_decay, "gamma^floor(t/k)", "He et al. 2016"),
    "exponential": Schedule(ExponentialOptions, exponential, "final^(t/T)", "exponential decay"),
    "inverse_time": Schedule(InverseTimeOptions, inverse_time, "1/(1 + decay t/T)", "Robbins and Monro 1951"),
    "one_cycle": Schedule(
        OneCycleOptions, one_cycle, "start to 1 to final by half cosines", "Smith and Topin 2018"
    ),
    "reduce_on_plateau": Schedule(
        PlateauOptions, constant, "gamma^(plateaus so far)", "Bengio 2012, torch", on_plateau
    ),
}
