"""Optimizers as pure pairs `init(params)`, `update(grads, state, params, hyperparameters, step)`.

An update is a step's coefficients and a rule. Every rule here is elementwise, so one function serves
one model and a stack: parameters, gradients and state are flat, (..., P), and hyperparameters
broadcast against them, (..., 1) in float64; a weight decay of 0 for every member is left out.
Coefficients are computed in float64 and rounded once, as torch.optim does with Python floats; each
optimizer agrees with torch.optim step for step. `step` counts updates from 1.

One new optimizer: an options class, its coefficients and rule, one line in OPTIMIZERS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from harness.words.base import Word

Hyper = Mapping[str, Tensor]
State = tuple[Tensor, ...]
Coefficients = Callable[[Hyper, int], Hyper]
Rule = Callable[[Tensor, State, Tensor, Hyper], tuple[Tensor, State]]


class Range(NamedTuple):
    """A default search range of a hyperparameter."""

    low: float
    high: float
    log: bool = True


class Optimizer(NamedTuple):
    """A pure optimizer: its options with defaults, its state's size, its rule and where that comes from."""

    options: type[Word]
    n_slots: int  # state tensors of the parameters' shape, all starting at 0
    coefficients: Coefficients
    rule: Rule
    ranges: dict[str, Range]
    formula: str
    source: str

    def init(self, params: Tensor) -> State:
        """The state before the first update: `n_slots` zero tensors shaped like params (..., P)."""
        return tuple(torch.zeros_like(params) for _ in range(self.n_slots))

    def update(
        self, grads: Tensor, state: State, params: Tensor, hyper: Hyper, step: int
    ) -> tuple[Tensor, State]:
        """New parameters and state after one step on grads (..., P); nothing given is changed."""
        return self.rule(grads, state, params, self.rounded(hyper, step, grads.dtype))

    def rounded(self, hyper: Hyper, step: int, dtype: torch.dtype) -> Hyper:
        """The step's coefficients, (..., 1), in the parameters' dtype."""
        return {name: value.to(dtype) for name, value in self.coefficients(hyper, step).items()}


class SgdOptions(Word):
    """Learning rate and L2 penalty (added to the gradient)."""

    lr: PositiveFloat = 0.1
    weight_decay: NonNegativeFloat = 0.0


class MomentumOptions(SgdOptions):
    """`momentum`: share of the velocity kept from one step to the next."""

    momentum: float = Field(default=0.9, ge=0, lt=1)


class AdagradOptions(SgdOptions):
    """`eps` is added to the root, outside it."""

    lr: PositiveFloat = 0.01
    eps: PositiveFloat = 1e-10


class RmspropOptions(SgdOptions):
    """`alpha`: share of the squared-gradient mean kept."""

    lr: PositiveFloat = 0.001
    alpha: float = Field(default=0.99, ge=0, lt=1)
    eps: PositiveFloat = 1e-8


class AdamOptions(SgdOptions):
    """`beta1`, `beta2`: shares of the two running means kept."""

    lr: PositiveFloat = 0.001
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    eps: PositiveFloat = 1e-8


class AdamwOptions(AdamOptions):
    """Weight decay is decoupled: it shrinks the weights, not the gradient."""

    weight_decay: NonNegativeFloat = 0.01


def as_they_are(hyper: Hyper, _step: int) -> Hyper:
    """The hyperparameters themselves, at every step."""
    return hyper


def _penalised(grads: Tensor, params: Tensor, c: Hyper) -> Tensor:
    """The gradient plus the L2 penalty's, where any member has one."""
    decay = c.get("weight_decay")
    return grads if decay is None else torch.addcmul(grads, decay, params)


def _divided(params: Tensor, numerator: Tensor, denominator: Tensor) -> Tensor:
    return torch.addcdiv(params, numerator, denominator, value=-1)


def sgd(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Step theta <- theta - lr g (Robbins and Monro 1951)."""
    return torch.addcmul(params, c["lr"], _penalised(grads, params, c), value=-1), state


def momentum(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Velocity v <- mu v + g, then theta <- theta - lr v (Polyak 1964)."""
    velocity = torch.addcmul(_penalised(grads, params, c), c["momentum"], state[0])
    return torch.addcmul(params, c["lr"], velocity, value=-1), (velocity,)


def nag(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Nesterov's accelerated gradient: v <- mu v + g, theta <- theta - lr (g + mu v).

    The parameters held are the look-ahead point theta + mu v of the textbook form, so the gradient
    is taken there; at theta it would be plain momentum (Nesterov 1983; Sutskever et al. 2013).
    """
    penalised = _penalised(grads, params, c)
    velocity = torch.addcmul(penalised, c["momentum"], state[0])
    ahead = torch.addcmul(penalised, c["momentum"], velocity)
    return torch.addcmul(params, c["lr"], ahead, value=-1), (velocity,)


def adagrad(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Sum G <- G + g^2, then theta <- theta - lr g / (sqrt(G) + eps) (Duchi et al. 2011)."""
    penalised = _penalised(grads, params, c)
    total = torch.addcmul(state[0], penalised, penalised)
    return _divided(params, penalised * c["lr"], total.sqrt().add_(c["eps"])), (total,)


def rmsprop_coefficients(hyper: Hyper, _step: int) -> Hyper:
    """The share of the new square beside the rest."""
    return {**hyper, "share": 1 - hyper["alpha"]}


def rmsprop(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Mean square v <- alpha v + (1-alpha) g^2, then theta <- theta - lr g / (sqrt(v) + eps).

    (Tieleman and Hinton 2012.)
    """
    penalised = _penalised(grads, params, c)
    mean_square = torch.lerp(state[0], penalised * penalised, c["share"])
    return _divided(params, penalised * c["lr"], mean_square.sqrt().add_(c["eps"])), (mean_square,)


def _power(base: Tensor, exponent: int) -> Tensor:
    """Base to the exponent by logarithm: torch.pow's last bit depends on where an element stands."""
    return torch.exp(exponent * torch.log(base))


def adam_coefficients(hyper: Hyper, step: int) -> Hyper:
    """Fold the bias corrections 1-b1^t and c^2 = 1-b2^t into rate and eps.

    lr m^ / (sqrt(v^) + eps) = lr c / (1-b1^t) m / (sqrt(v) + c eps).
    """
    correction = (1 - _power(hyper["beta2"], step)).sqrt()
    rate = hyper["lr"] * correction / (1 - _power(hyper["beta1"], step))
    shares = {"share1": 1 - hyper["beta1"], "share2": 1 - hyper["beta2"]}
    rest = {name: hyper[name] for name in ("weight_decay",) if name in hyper}
    return {**rest, **shares, "rate": rate, "eps": hyper["eps"] * correction}


def _adam_step(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    mean = torch.lerp(state[0], grads, c["share1"])
    mean_square = torch.lerp(state[1], grads * grads, c["share2"])
    return _divided(params, mean * c["rate"], mean_square.sqrt().add_(c["eps"])), (mean, mean_square)


def adam(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Means m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) g^2, theta <- theta - lr m^ / (sqrt(v^) + eps).

    m^ = m/(1-b1^t) and v^ = v/(1-b2^t) undo the bias of the zero start (Kingma and Ba 2015).
    """
    return _adam_step(_penalised(grads, params, c), state, params, c)


def adamw_coefficients(hyper: Hyper, step: int) -> Hyper:
    """Adam's, and what a step leaves of a weight: 1 - lr wd."""
    plain = {name: value for name, value in hyper.items() if name != "weight_decay"}
    decay = hyper.get("weight_decay")
    kept = {} if decay is None else {"kept": 1 - hyper["lr"] * decay}
    return {**adam_coefficients(plain, step), **kept}


def adamw(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Adam with decoupled weight decay: theta <- (1 - lr wd) theta first (Loshchilov and Hutter 2019)."""
    return _adam_step(grads, state, params * c["kept"] if "kept" in c else params, c)


# Default learning-rate ranges span four decades each, so that every optimizer's grid is as fine.
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(
        SgdOptions, 0, as_they_are, sgd, {"lr": Range(1e-3, 10)}, "-lr g", "Robbins and Monro 1951"
    ),
    "momentum": Optimizer(
        MomentumOptions, 1, as_they_are, momentum, {"lr": Range(1e-4, 1)}, "-lr v", "Polyak 1964"
    ),
    "nag": Optimizer(
        MomentumOptions, 1, as_they_are, nag, {"lr": Range(1e-4, 1)}, "-lr (g + mu v)", "Nesterov 1983"
    ),
    "adagrad": Optimizer(
        AdagradOptions,
        1,
        as_they_are,
        adagrad,
        {"lr": Range(1e-4, 1)},
        "-lr g/(sqrt(G)+eps)",
        "Duchi et al. 2011",
    ),
    "rmsprop": Optimizer(
        RmspropOptions,
        1,
        rmsprop_coefficients,
        rmsprop,
        {"lr": Range(1e-5, 0.1)},
        "-lr g/(sqrt(v)+eps)",
        "Tieleman and Hinton 2012",
    ),
    "adam": Optimizer(
        AdamOptions,
        2,
        adam_coefficients,
        adam,
        {"lr": Range(1e-5, 0.1)},
        "-lr m^/(sqrt(v^)+eps)",
        "Kingma and Ba 2015",
    ),
    "adamw": Optimizer(
        AdamwOptions,
        2,
        adamw_coefficients,
        adamw,
        {"lr": Range(1e-5, 0.1)},
        "adam, theta(1-lr wd)",
        "Loshchilov and Hutter 2019",
    ),
}
