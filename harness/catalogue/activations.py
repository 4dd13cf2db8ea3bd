"""Activation functions, elementwise: (...,) -> (...,). One function and one table line each.

A value must not depend on where in a tensor it stands, or a trial would differ from itself in a
stack. Most of torch's kernels keep to that; those that don't run `in_whole_vectors`.
"""

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


VECTOR = 64  # elements: a multiple of what a CPU kernel takes at once, in any dtype


def in_whole_vectors(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The elementwise function of x, padded so that no element falls into a kernel's scalar tail.

    CPU kernels of some functions compute the elements that don't fill a vector by other
    instructions, whose last bit differs; alone those are other elements than in a stack.
    """
    spare = -x.numel() % VECTOR
    if not spare:
        return function(x)
    return function(F.pad(x.reshape(-1), (0, spare)))[: x.numel()].view_as(x)


def identity(x: Tensor) -> Tensor:
    """Return x itself: a network of such layers is linear."""
    return x


def swish(x: Tensor) -> Tensor:
    """Return x times sigmoid(x), also called SiLU."""
    return in_whole_vectors(F.silu, x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), the logistic function."""
    return in_whole_vectors(torch.sigmoid, x)


def elu(x: Tensor) -> Tensor:
    """Return x above 0 and exp(x) - 1 below."""
    return in_whole_vectors(F.elu, x)


def gelu(x: Tensor) -> Tensor:
    """Return x times Phi(x), the distribution function of the standard normal."""
    return in_whole_vectors(F.gelu, x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), a smooth max(0, x)."""
    return in_whole_vectors(F.softplus, x)


def leaky_relu(x: Tensor) -> Tensor:
    """max(x, 0.01 x): the slope below 0 is 0.01."""
    return F.leaky_relu(x, 0.01)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, "x", "linear model"),
    "relu": Activation(F.relu, "max(0, x)", "Nair and Hinton 2010"),
    "leaky_relu": Activation(leaky_relu, "max(x, 0.01 x)", "Maas et al. 2013"),
    "elu": Activation(elu, "x if x > 0 else exp(x) - 1", "Clevert et al. 2015"),
    "gelu": Activation(gelu, "x Phi(x)", "Hendrycks and Gimpel 2016"),
    "swish": Activation(swish, "x / (1 + exp(-x))", "Ramachandran et al. 2017"),
    "softplus": Activation(softplus, "log(1 + exp(x))", "Dugas et al. 2001"),
    "sigmoid": Activation(sigmoid, "1 / (1 + exp(-x))", "logistic function"),
    "tanh": Activation(torch.tanh, "tanh(x)", "LeCun et al. 1998"),
}
