"""One rate for all parameters: gradient descent, its momenta, and signs."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from harness.catalogue.optimizers.base import Beta1, Beta2, Hyper, SgdOptions, State, kept, penalised, shrunk
from harness.words.ranges import OwnRange


class MomentumOptions(SgdOptions):
    """`momentum`: share of the velocity kept from one step to the next."""

    momentum: Annotated[float, OwnRange(0.5, 0.99, log=False)] = Field(default=0.9, ge=0, lt=1)


class LionOptions(SgdOptions):
    """`beta1`: share of the mean in the step; `beta2`: share of it kept. Weight decay is decoupled."""

    lr: PositiveFloat = 1e-4
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.99


def sgd(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Step theta <- theta - lr g (Robbins and Monro 1951)."""
    return torch.addcmul(params, c["lr"], penalised(grads, params, c), value=-1), state


def momentum(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Velocity v <- mu v + g, then theta <- theta - lr v (Polyak 1964)."""
    velocity = torch.addcmul(penalised(grads, params, c), c["momentum"], state[0])
    return torch.addcmul(params, c["lr"], velocity, value=-1), (velocity,)


def nag(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Nesterov's accelerated gradient: v <- mu v + g, theta <- theta - lr (g + mu v).

    The gradient is taken at the look-ahead point theta + mu v of the textbook form, with its v of the
    sign and scale of a step; at theta it would be plain momentum. The parameters held here are that
    point (Nesterov 1983; Sutskever et al. 2013; the form of Bengio et al. 2013, and of torch).
    """
    gradient = penalised(grads, params, c)
    velocity = torch.addcmul(gradient, c["momentum"], state[0])
    ahead = torch.addcmul(gradient, c["momentum"], velocity)
    return torch.addcmul(params, c["lr"], ahead, value=-1), (velocity,)


def lion_coefficients(hyper: Hyper, _step: Tensor) -> Hyper:
    """The gradient's share in the step and in the mean, and what decay leaves of a weight."""
    shares = {"share1": 1 - hyper["beta1"], "share2": 1 - hyper["beta2"]}
    return {"lr": hyper["lr"], **shares, **kept(hyper)}


def lion(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Step theta <- (1 - lr wd) theta - lr sign(b1 m + (1-b1) g), then m <- b2 m + (1-b2) g.

    (Chen et al. 2023.)
    """
    direction = torch.lerp(state[0], grads, c["share1"])
    # The sign of NaN is 0: adding 0 times the direction keeps a lost model from looking well.
    sign = direction.sign().add_(direction, alpha=0)
    mean = torch.lerp(state[0], grads, c["share2"])
    return torch.addcmul(shrunk(params, c), c["lr"], sign, value=-1), (mean,)
