"""Optimizers as pure pairs `init(params)`, `update(grads, state, params, hyperparameters)`.

Every rule here is elementwise, so one function serves one model and a stack: parameters, gradients
and state are flat, (..., P), and hyperparameters broadcast against them, (..., 1) in float64. A
weight decay that is 0 for every member is left out of them.
Coefficients are computed in float64 and rounded once, as torch.optim does with Python floats; each
rule agrees with torch.optim step for step. `step` counts updates from 1 and is shared by a stack.

One new optimizer: an options class, an update function, one line in OPTIMIZERS.
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
Update = Callable[[Tensor, State, Tensor, Hyper, int], tuple[Tensor, State]]


class Range(NamedTuple):
    """A default search range of a hyperparameter."""

    low: float
    high: float
    log: bool = True


class Optimizer(NamedTuple):
    """A pure optimizer: its options with defaults, its state's size, its rule and where that comes from."""

    options: type[Word]
    n_slots: int  # state tensors of the parameters' shape, all starting at 0
    update: Update
    ranges: dict[str, Range]
    formula: str
    source: str

    def init(self, params: Tensor) -> State:
        """The state before the first update: `n_slots` zero tensors shaped like params (..., P)."""
        return tuple(torch.zeros_like(params) for _ in range(self.n_slots))


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


def _penalised(grads: Tensor, params: Tensor, h: Hyper) -> Tensor:
    """The gradient plus the L2 penalty's, where any member has one."""
    decay = h.get("weight_decay")
    return grads if decay is None else torch.addcmul(grads, decay.to(grads.dtype), params)


def sgd(grads: Tensor, state: State, params: Tensor, h: Hyper, _step: int) -> tuple[Tensor, State]:
    """Step theta <- theta - lr g (Robbins and Monro 1951)."""
    return _moved(params, h["lr"], _penalised(grads, params, h)), state


def momentum(grads: Tensor, state: State, params: Tensor, h: Hyper, _step: int) -> tuple[Tensor, State]:
    """Velocity v <- mu v + g, then theta <- theta - lr v (Polyak 1964)."""
    penalised = _penalised(grads, params, h)
    velocity = torch.addcmul(penalised, h["momentum"].to(grads.dtype), state[0])
    return _moved(params, h["lr"], velocity), (velocity,)


def nag(grads: Tensor, state: State, params: Tensor, h: Hyper, _step: int) -> tuple[Tensor, State]:
    """Nesterov's accelerated gradient: v <- mu v + g, theta <- theta - lr (g + mu v).

    The parameters held are the look-ahead point theta + mu v of the textbook form, so the gradient
    is taken there; at theta it would be plain momentum (Nesterov 1983; Sutskever et al. 2013).
    """
    mu, penalised = h["momentum"].to(grads.dtype), _penalised(grads, params, h)
    velocity = torch.addcmul(penalised, mu, state[0])
    return _moved(params, h["lr"], torch.addcmul(penalised, mu, velocity)), (velocity,)


def adagrad(grads: Tensor, state: State, params: Tensor, h: Hyper, _step: int) -> tuple[Tensor, State]:
    """Sum G <- G + g^2, then theta <- theta - lr g / (sqrt(G) + eps) (Duchi et al. 2011)."""
    penalised = _penalised(grads, params, h)
    total = torch.addcmul(state[0], penalised, penalised)
    root = total.sqrt().add_(h["eps"].to(grads.dtype))
    return _divided_step(params, h["lr"], penalised, root), (total,)


def rmsprop(grads: Tensor, state: State, params: Tensor, h: Hyper, _step: int) -> tuple[Tensor, State]:
    """Mean square v <- alpha v + (1-alpha) g^2, then theta <- theta - lr g / (sqrt(v) + eps).

    (Tieleman and Hinton 2012.)
    """
    penalised = _penalised(grads, params, h)
    mean_square = torch.lerp(state[0], penalised.square(), (1 - h["alpha"]).to(grads.dtype))
    root = mean_square.sqrt().add_(h["eps"].to(grads.dtype))
    return _divided_step(params, h["lr"], penalised, root), (mean_square,)


def _moved(params: Tensor, rate: Tensor, direction: Tensor) -> Tensor:
    """Return params - rate direction, in one pass."""
    return torch.addcmul(params, rate.to(params.dtype), direction, value=-1)


def _divided_step(params: Tensor, rate: Tensor, numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return params - rate numerator / denominator."""
    return torch.addcdiv(params, numerator * rate.to(params.dtype), denominator, value=-1)


def _power(base: Tensor, exponent: int) -> Tensor:
    """Base to the exponent by logarithm: torch.pow's last bit depends on where an element stands."""
    return torch.exp(exponent * torch.log(base))


def _adam_step(grads: Tensor, state: State, params: Tensor, h: Hyper, step: int) -> tuple[Tensor, State]:
    """One Adam step. lr m^ / (sqrt(v^) + eps) = lr c / (1-b1^t) m / (sqrt(v) + c eps), c^2 = 1-b2^t."""
    dtype, beta1, beta2 = grads.dtype, h["beta1"], h["beta2"]
    mean = torch.lerp(state[0], grads, (1 - beta1).to(dtype))
    mean_square = torch.lerp(state[1], grads.square(), (1 - beta2).to(dtype))
    correction = (1 - _power(beta2, step)).sqrt()
    root = mean_square.sqrt().add_((h["eps"] * correction).to(dtype))
    rate = h["lr"] * correction / (1 - _power(beta1, step))
    return _divided_step(params, rate, mean, root), (mean, mean_square)


def adam(grads: Tensor, state: State, params: Tensor, h: Hyper, step: int) -> tuple[Tensor, State]:
    """Means m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) g^2, theta <- theta - lr m^ / (sqrt(v^) + eps).

    m^ = m/(1-b1^t) and v^ = v/(1-b2^t) undo the bias of the zero start (Kingma and Ba 2015).
    """
    return _adam_step(_penalised(grads, params, h), state, params, h, step)


def adamw(grads: Tensor, state: State, params: Tensor, h: Hyper, step: int) -> tuple[Tensor, State]:
    """Adam with decoupled weight decay: theta <- (1 - lr wd) theta first (Loshchilov and Hutter 2019)."""
    decay = h.get("weight_decay")
    shrunk = params if decay is None else params * (1 - h["lr"] * decay).to(params.dtype)
    return _adam_step(grads, state, shrunk, h, step)


# Default learning-rate ranges span four decades each, so that every optimizer's grid is as fine.
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(SgdOptions, 0, sgd, {"lr": Range(1e-3, 10)}, "-lr g", "Robbins and Monro 1951"),
    "momentum": Optimizer(MomentumOptions, 1, momentum, {"lr": Range(1e-4, 1)}, "-lr v", "Polyak 1964"),
    "nag": Optimizer(MomentumOptions, 1, nag, {"lr": Range(1e-4, 1)}, "-lr (g + mu v)", "Nesterov 1983"),
    "adagrad": Optimizer(
        AdagradOptions, 1, adagrad, {"lr": Range(1e-4, 1)}, "-lr g/(sqrt(G)+eps)", "Duchi et al. 2011"
    ),
    "rmsprop": Optimizer(
        RmspropOptions,
        1,
        rmsprop,
        {"lr": Range(1e-5, 0.1)},
        "-lr g/(sqrt(v)+eps)",
        "Tieleman and Hinton 2012",
    ),
    "adam": Optimizer(
        AdamOptions, 2, adam, {"lr": Range(1e-5, 0.1)}, "-lr m^/(sqrt(v^)+eps)", "Kingma and Ba 2015"
    ),
    "adamw": Optimizer(
        AdamwOptions, 2, adamw, {"lr": Range(1e-5, 0.1)}, "adam, theta(1-lr wd)", "Loshchilov and Hutter 2019"
    ),
}
