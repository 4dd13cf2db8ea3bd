"""Adam and its kin: a running mean of gradients over a root of squares.

Their bias corrections are folded into the coefficients, which are numbers, so that a step passes over
the parameters no oftener than it must. With c^2 = 1-b2^t, and b1^t for the mean's own zero start:
lr m^ / (sqrt(v^) + eps) = lr c / (1-b1^t) m / (sqrt(v) + c eps).
"""

from __future__ import annotations

import math

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from harness.catalogue.optimizers.base import (
    Beta1,
    Beta2,
    Hyper,
    SgdOptions,
    State,
    divided,
    kept,
    penalised,
    power,
    shrunk,
)

MOMENTUM_DECAY = 0.004  # psi of NAdam, as Dozat and torch have it
GROWTH_STEPS = 60  # after which the product of NAdam's growing momenta is below half a float64's last bit


class AdamOptions(SgdOptions):
    """`beta1`, `beta2`: shares of the two running means kept."""

    lr: PositiveFloat = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: PositiveFloat = 1e-8


class AdamwOptions(AdamOptions):
    """Weight decay is decoupled: it shrinks the weights, not the gradient."""

    weight_decay: NonNegativeFloat = 0.01


class AdamaxOptions(AdamOptions):
    """`beta1`: share of the mean kept; `beta2`: share kept of the largest gradient seen."""

    lr: PositiveFloat = 0.002


class NadamOptions(AdamOptions):
    """`beta1`, the momentum reached in the end, and `beta2`: shares of the two running means kept."""

    lr: PositiveFloat = 0.002


def _plain(hyper: Hyper) -> Hyper:
    """What every rule here needs at every step: the shares of the new gradient, and the L2 penalty."""
    rest = {name: hyper[name] for name in ("weight_decay",) if name in hyper}
    return {**rest, "share1": 1 - hyper["beta1"], "share2": 1 - hyper["beta2"]}


def adam_coefficients(hyper: Hyper, step: Tensor) -> Hyper:
    """The bias corrections folded into rate and eps; `lr` is the rate without the mean's correction."""
    correction = (1 - power(hyper["beta2"], step)).sqrt()
    lr = hyper["lr"] * correction
    rate = lr / (1 - power(hyper["beta1"], step))
    return {**_plain(hyper), "lr": lr, "rate": rate, "eps": hyper["eps"] * correction}


def _adam_step(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    mean = torch.lerp(state[0], grads, c["share1"])
    mean_square = torch.lerp(state[1], grads * grads, c["share2"])
    return divided(params, mean * c["rate"], torch.sqrt(mean_square).add_(c["eps"])), (mean, mean_square)


def adam(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Means m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) g^2, theta <- theta - lr m^ / (sqrt(v^) + eps).

    m^ = m/(1-b1^t) and v^ = v/(1-b2^t) undo the bias of the zero start (Kingma and Ba 2015).
    """
    return _adam_step(penalised(grads, params, c), state, params, c)


def adamw_coefficients(hyper: Hyper, step: Tensor) -> Hyper:
    """Adam's, and what a step leaves of a weight: 1 - lr wd."""
    plain = {name: value for name, value in hyper.items() if name != "weight_decay"}
    return {**adam_coefficients(plain, step), **kept(hyper)}


def adamw(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Adam with decoupled weight decay: theta <- (1 - lr wd) theta first (Loshchilov and Hutter 2019)."""
    return _adam_step(grads, state, shrunk(params, c), c)


def adamax_coefficients(hyper: Hyper, step: Tensor) -> Hyper:
    """The mean's bias correction folded into the rate; the largest gradient has no bias."""
    rate = hyper["lr"] / (1 - power(hyper["beta1"], step))
    own = {name: hyper[name] for name in ("lr", "beta2", "eps")}
    return {**_plain(hyper), **own, "rate": rate}


def adamax(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Adam in the infinity norm: u <- max(b2 u, |g| + eps), theta <- theta - lr m^ / u.

    (Kingma and Ba 2015, section 7.1; eps as torch has it.)
    """
    gradient = penalised(grads, params, c)
    mean = torch.lerp(state[0], gradient, c["share1"])
    largest = torch.maximum(state[1] * c["beta2"], gradient.abs().add_(c["eps"]))
    return divided(params, mean * c["rate"], largest), (mean, largest)


def adamax_rate(state: State, c: Hyper) -> Tensor:
    """Lr / u."""
    return c["lr"] / state[1]


def _growth(step: Tensor) -> Tensor:
    """NAdam's momentum at a step as a share of beta1: 1 - 0.96^(t psi) / 2."""
    return 1 - 0.5 * torch.exp(step * MOMENTUM_DECAY * math.log(0.96))


def _grown(step: Tensor) -> Tensor:
    """The product of the growths so far, whose effect on 1 - product ends at GROWTH_STEPS."""
    growths = _growth(torch.arange(1, GROWTH_STEPS + 1, dtype=step.dtype, device=step.device))
    return growths.cumprod(0)[step.clamp(max=GROWTH_STEPS).long() - 1]


def nadam_coefficients(hyper: Hyper, step: Tensor) -> Hyper:
    """Adam's, with a rate for the mean, by the next step's momentum, and one for the gradient.

    mu_t = b1 (1 - 0.96^(t psi)/2), and the bias corrections are of the products of mu so far.
    """
    beta1, adam_like = hyper["beta1"], adam_coefficients(hyper, step)
    so_far = power(beta1, step) * _grown(step)
    next_mu = beta1 * _growth(step + 1)
    of_mean = adam_like["lr"] * next_mu / (1 - so_far * next_mu)
    of_gradient = adam_like["lr"] * (1 - beta1 * _growth(step)) / (1 - so_far)
    return {**adam_like, "rate": of_mean, "gradient_rate": of_gradient}


def nadam(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Adam with Nesterov's momentum: theta <- theta - lr m^ / (sqrt(v^) + eps) with a mean that looks ahead.

    m^ = mu_(t+1) m / (1 - prod_(i<=t+1) mu_i) + (1 - mu_t) g / (1 - prod_(i<=t) mu_i) (Dozat 2016).
    """
    gradient = penalised(grads, params, c)
    mean = torch.lerp(state[0], gradient, c["share1"])
    mean_square = torch.lerp(state[1], gradient * gradient, c["share2"])
    ahead = torch.addcmul(mean * c["rate"], gradient, c["gradient_rate"])
    return divided(params, ahead, torch.sqrt(mean_square).add_(c["eps"])), (mean, mean_square)


def radam_coefficients(hyper: Hyper, step: Tensor) -> Hyper:
    """Rectified from the step on at which rho_t > 5, by each member's beta2; plain momentum before.

    The denominator is adaptive sqrt(v) + offset: sqrt(v) + eps or 1. With rho = 2/(1-b2) - 1,
    rho_t = rho - 2t b2^t/(1-b2^t), r^2 = (rho_t-4)(rho_t-2) rho / ((rho-4)(rho-2) rho_t).
    """
    kept_square = power(hyper["beta2"], step)
    rho = 2 / (1 - hyper["beta2"]) - 1
    rho_t = rho - 2 * step * kept_square / (1 - kept_square)
    rectified = rho_t > 5
    square = (rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t)
    lr = hyper["lr"] * torch.where(rectified, (square * (1 - kept_square)).sqrt(), 1.0)
    offset = torch.where(rectified, hyper["eps"], 1.0)
    rate = lr / (1 - power(hyper["beta1"], step))
    return {**_plain(hyper), "lr": lr, "rate": rate, "adaptive": rectified.to(lr.dtype), "offset": offset}


def _radam_denominator(mean_square: Tensor, c: Hyper) -> Tensor:
    return torch.addcmul(c["offset"], c["adaptive"], torch.sqrt(mean_square))


def radam(grads: Tensor, state: State, params: Tensor, c: Hyper) -> tuple[Tensor, State]:
    """Adam whose first steps, with too few squares to trust, are plain momentum, theta <- theta - lr m^.

    Later theta <- theta - lr r_t m^ / (sqrt(v^) + eps/c), with c^2 = 1-b2^t (Liu et al. 2020; eps as in
    torch).
    """
    gradient = penalised(grads, params, c)
    mean = torch.lerp(state[0], gradient, c["share1"])
    mean_square = torch.lerp(state[1], gradient * gradient, c["share2"])
    return divided(params, mean * c["rate"], _radam_denominator(mean_square, c)), (mean, mean_square)


def radam_rate(state: State, c: Hyper) -> Tensor:
    """Lr while the steps are plain momentum, lr r_t / (sqrt(v^) + eps/c) after that."""
    return c["lr"] / _radam_denominator(state[1], c)
