"""A rate for each parameter by the squares of its gradients: AdaGrad, RMSProp, AdaDelta."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from harness.catalogue.optimizers.base import Hyper, SgdOptions, State, divided, penalised
from harness.words.ranges import OwnRange


class AdagradOptions(SgdOptions):
    """`eps` is added to the root, outside it."""

    lr: PositiveFloat = 0.01
    eps: PositiveFloat = 1e-10


class RmspropOptions(SgdOptions):
    """`alpha`: share of the squared-gradient mean kept."""

    lr: PositiveFloat = 0.001
    alpha: Annotated[float, OwnRange(0.9, 0.999, log=False)] = Field(default=0.99, ge=0, lt=1)
    eps: PositiveFloat = 1e-8


class AdadeltaOptions(SgdOptions):
    """`rho`: share kept of the mean squares of gradients and of steps; `eps` stands inside the roots."""

    lr: PositiveFloat = 1.0
    rho: Annotated[float, OwnRange(0.8, 0.99, log=False)] = Field(default=0.9, ge=0, lt=1)
    eps: PositiveFloat = 1e-6


def rate_over_root(state: State, c: Hyper) -> Tensor:
    """Lr / (sqrt(s) + eps), s being the last slot of the state: a sum or mean of squares (..., P)."""
    return c["lr"] / (torch.sqrt(state[-1]) + c["eps"])


def adagrad(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Sum G <- G + g^2, then theta <- theta - lr g / (sqrt(G) + eps) (Duchi et al. 2011)."""
    gradient = penalised(grads, params, c)
    total = torch.addcmul(state[0], gradient, gradient)
    return divided(params, gradient * c["lr"], torch.sqrt(total).add_(c["eps"])), (total,)


def rmsprop_coefficients(hyper: Hyper, _step: Tensor) -> Hyper:
    """The share of the new square beside the rest."""
    return {**hyper, "share": 1 - hyper["alpha"]}


def rmsprop(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Mean square v <- alpha v + (1-alpha) g^2, then theta <- theta - lr g / (sqrt(v) + eps).

    (Tieleman and Hinton 2012.)
    """
    gradient = penalised(grads, params, c)
    mean_square = torch.lerp(state[0], gradient * gradient, c["share"])
    return divided(params, gradient * c["lr"], torch.sqrt(mean_square).add_(c["eps"])), (mean_square,)


def adadelta_coefficients(hyper: Hyper, _step: Tensor) -> Hyper:
    """The share of the new squares beside the rest."""
    return {**hyper, "share": 1 - hyper["rho"]}


def adadelta(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Step d = g sqrt(u + eps) / sqrt(v + eps), then theta <- theta - lr d.

    v <- rho v + (1-rho) g^2 before it and u <- rho u + (1-rho) d^2 after it (Zeiler 2012).
    """
    gradient = penalised(grads, params, c)
    mean_square = torch.lerp(state[1], gradient * gradient, c["share"])
    delta = (state[0] + c["eps"]).sqrt_() / (mean_square + c["eps"]).sqrt_() * gradient
    moved = torch.lerp(state[0], delta * delta, c["share"])
    return torch.addcmul(params, c["lr"], delta, value=-1), (moved, mean_square)


def adadelta_rate(state: State, c: Hyper) -> Tensor:
    """Lr sqrt(u + eps) / sqrt(v + eps): what the next step multiplies a gradient of the usual g^2 = v by."""
    return c["lr"] * (state[0] + c["eps"]).sqrt() / (state[1] + c["eps"]).sqrt()
