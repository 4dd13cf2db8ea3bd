"""Optimizers as pure pairs `init(params)`, `update(grads, state, params, hyperparameters, step)`.

An update is a step's coefficients and a rule. Every rule here is elementwise, so one function serves
one model and a stack: parameters, gradients and state are flat, (..., P), and hyperparameters
broadcast against them, (..., 1) in float64; a weight decay of 0 for every member is left out.
Coefficients are computed in float64 and rounded once, as torch.optim does with Python floats; each
optimizer that torch has agrees with torch.optim step for step. `step` counts updates from 1. Some have a
kernel besides, `fused`, which is the rule in one pass over memory; large enough networks are trained by it.

One new optimizer: an options class, its coefficients and rule, one line in OPTIMIZERS.
"""

from __future__ import annotations

from harness.catalogue.optimizers.adam import (
    AdamaxOptions,
    AdamOptions,
    AdamwOptions,
    NadamOptions,
    adam,
    adam_coefficients,
    adamax,
    adamax_coefficients,
    adamax_rate,
    adamw,
    adamw_coefficients,
    nadam,
    nadam_coefficients,
    radam,
    radam_coefficients,
    radam_rate,
)
from harness.catalogue.optimizers.base import Hyper, Optimizer, SgdOptions, State, as_they_are
from harness.catalogue.optimizers.descent import (
    LionOptions,
    MomentumOptions,
    lion,
    lion_coefficients,
    momentum,
    nag,
    sgd,
)
from harness.catalogue.optimizers.fused import Fused, fused_adagrad, fused_adam, fused_adamw, fused_rmsprop
from harness.catalogue.optimizers.scaled import (
    AdadeltaOptions,
    AdagradOptions,
    RmspropOptions,
    adadelta,
    adadelta_coefficients,
    adadelta_rate,
    adagrad,
    rate_over_root,
    rmsprop,
    rmsprop_coefficients,
)
from harness.words.ranges import OwnRange

__all__ = ["OPTIMIZERS", "Fused", "Hyper", "Optimizer", "State"]

# Default learning-rate ranges span four decades each, so that every optimizer's grid is as fine.
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(SgdOptions, 0, as_they_are, sgd, OwnRange(1e-3, 10), "-lr g", "Robbins and Monro 1951"),
    "momentum": Optimizer(
        MomentumOptions, 1, as_they_are, momentum, OwnRange(1e-4, 1), "-lr v", "Polyak 1964"
    ),
    "nag": Optimizer(
        MomentumOptions, 1, as_they_are, nag, OwnRange(1e-4, 1), "-lr (g + mu v)", "Nesterov 1983"
    ),
    "lion": Optimizer(
        LionOptions,
        1,
        lion_coefficients,
        lion,
        OwnRange(1e-6, 0.01),
        "-lr sign(b1 m + (1-b1) g)",
        "Chen et al. 2023",
    ),
    "adagrad": Optimizer(
        AdagradOptions,
        1,
        as_they_are,
        adagrad,
        OwnRange(1e-4, 1),
        "-lr g/(sqrt(G)+eps)",
        "Duchi et al. 2011",
        rate_over_root,
        fused_adagrad,
    ),
    "rmsprop": Optimizer(
        RmspropOptions,
        1,
        rmsprop_coefficients,
        rmsprop,
        OwnRange(1e-5, 0.1),
        "-lr g/(sqrt(v)+eps)",
        "Tieleman and Hinton 2012",
        rate_over_root,
        fused_rmsprop,
    ),
    "adadelta": Optimizer(
        AdadeltaOptions,
        2,
        adadelta_coefficients,
        adadelta,
        OwnRange(0.01, 100),
        "-lr g sqrt(u+eps)/sqrt(v+eps)",
        "Zeiler 2012",
        adadelta_rate,
    ),
    "adam": Optimizer(
        AdamOptions,
        2,
        adam_coefficients,
        adam,
        OwnRange(1e-5, 0.1),
        "-lr m^/(sqrt(v^)+eps)",
        "Kingma and Ba 2015",
        rate_over_root,
        fused_adam,
    ),
    "adamw": Optimizer(
        AdamwOptions,
        2,
        adamw_coefficients,
        adamw,
        OwnRange(1e-5, 0.1),
        "adam, theta(1-lr wd)",
        "Loshchilov and Hutter 2019",
        rate_over_root,
        fused_adamw,
    ),
    "adamax": Optimizer(
        AdamaxOptions,
        2,
        adamax_coefficients,
        adamax,
        OwnRange(1e-5, 0.1),
        "-lr m^/max(b2 u, |g|+eps)",
        "Kingma and Ba 2015",
        adamax_rate,
    ),
    "nadam": Optimizer(
        NadamOptions,
        2,
        nadam_coefficients,
        nadam,
        OwnRange(1e-5, 0.1),
        "adam, m^ looks ahead",
        "Dozat 2016",
        rate_over_root,
    ),
    "radam": Optimizer(
        AdamOptions,
        2,
        radam_coefficients,
        radam,
        OwnRange(1e-5, 0.1),
        "adam, rate r_t lr, momentum while rho_t <= 5",
        "Liu et al. 2020",
        radam_rate,
    ),
}
