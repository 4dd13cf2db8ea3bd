"""Activation functions, elementwise: (...,) -> (...,). One function and one table line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Activation(NamedTuple):
    """An elementwise function and where it comes from."""

    function: Callable[[Tensor], Tensor]
    formula: str
    source: str


def identity(x: Tensor) -> Tensor:
    """Return x itself: a network of such layers is linear."""
    return x


def swish(x: Tensor) -> Tensor:
    """Return x times sigmoid(x), also called SiLU."""
    return F.silu(x)


def leaky_relu(x: Tensor) -> Tensor:
    """max(x, 0.01 x): the slope below 0 is 0.01."""
    return F.leaky_relu(x, 0.01)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, "x", "linear model"),
    "relu": Activation(F.relu, "max(0, x)", "Nair and Hinton 2010"),
    "leaky_relu": Activation(leaky_relu, "max(x, 0.01 x)", "Maas et al. 2013"),
    "elu": Activation(F.elu, "x if x > 0 else exp(x) - 1", "Clevert et al. 2015"),
    "gelu": Activation(F.gelu, "x Phi(x)", "Hendrycks and Gimpel 2016"),
    "swish": Activation(swish, "x / (1 + exp(-x))", "Ramachandran et al. 2017"),
    "softplus": Activation(F.softplus, "log(1 + exp(x))", "Dugas et al. 2001"),
    "sigmoid": Activation(torch.sigmoid, "1 / (1 + exp(-x))", "logistic function"),
    "tanh": Activation(torch.tanh, "tanh(x)", "LeCun et al. 1998"),
}
