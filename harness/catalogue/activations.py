"""Activation functions, elementwise: (...,) -> (...,). One function and one table line each.

A value must not depend on where in a tensor it stands, or a trial would differ from itself in a
stack. Most of torch's kernels keep to that; those that don't run `in_whole_vectors`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Activation(NamedTuple):
    """An elementwise function, where it comes from, and the limits of its range (None: unbounded).

    One that learns also names the `module` that does; `function` is then what it starts as.
    """

    function: Callable[[Tensor], Tensor]
    formula: str
    source: str
    low: float | None = None
    high: float | None = None
    module: Callable[[], nn.Module] | None = None

    def layer(self) -> Callable[[Tensor], Tensor]:
        """What a network calls: the function, or a new module with a parameter of its own."""
        return self.function if self.module is None else self.module()


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


def step(x: Tensor) -> Tensor:
    """Return 1 above 0, else 0. Its gradient is 0 everywhere: no layer below it learns."""
    return F.relu(x).sign()


def ramp(x: Tensor) -> Tensor:
    """x / 4 + 1 / 2 cut at 0 and 1: the tangent of the sigmoid at 0, also called hard sigmoid."""
    return F.hardtanh(x / 4 + 0.5, 0, 1)


def identity(x: Tensor) -> Tensor:
    """Return x itself: a network of such layers is linear."""
    return x


def square(x: Tensor) -> Tensor:
    """x^2, a polynomial: one hidden layer of it, however wide, gives polynomials of degree 2 alone."""
    return x * x


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


def prelu(x: Tensor, slope: Tensor | float = 0.25) -> Tensor:
    """Return x above 0 and slope times x below: between relu(x) and x, at half the cost of a choice."""
    return torch.lerp(F.relu(x), x, slope)


class PRelu(nn.Module):
    """`prelu` with a learned slope, one a layer, that starts at 0.25."""

    def __init__(self) -> None:
        super().__init__()
        # A vector, as biases are: initial weights are drawn for matrices only.
        self.slope = nn.Parameter(torch.full((1,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        """x (...) -> (...)."""
        return prelu(x, self.slope)


def shifted_relu(x: Tensor) -> Tensor:
    """max(-1, x)."""
    return F.threshold(x, -1.0, -1.0)


def arctan(x: Tensor) -> Tensor:
    """2 / pi times atan(x): scaled to the range (-1, 1)."""
    return in_whole_vectors(torch.atan, x) * (2 / math.pi)


# The limits of gelu and swish are their minima, near x = -0.75 and x = -1.28, rounded down.
ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, "x", "linear model"),
    "square": Activation(square, "x * x", "control: no universal approximation, Leshno et al. 1993", 0),
    "step": Activation(step, "1 if x > 0 else 0", "McCulloch and Pitts 1943", 0, 1),
    "ramp": Activation(ramp, "min(1, max(0, x / 4 + 1 / 2))", "piecewise linear sigmoid", 0, 1),
    "relu": Activation(F.relu, "max(0, x)", "Nair and Hinton 2010", 0),
    "leaky_relu": Activation(leaky_relu, "max(x, 0.01 x)", "Maas et al. 2013"),
    "prelu": Activation(
        prelu, "max(0, x) + a min(0, x), a learned from 0.25", "He et al. 2015", module=PRelu
    ),
    "shifted_relu": Activation(shifted_relu, "max(-1, x)", "Clevert et al. 2015", -1),
    "elu": Activation(elu, "x if x > 0 else exp(x) - 1", "Clevert et al. 2015", -1),
    "gelu": Activation(gelu, "x Phi(x)", "Hendrycks and Gimpel 2016", -0.169972),
    "swish": Activation(swish, "x / (1 + exp(-x))", "Ramachandran et al. 2017", -0.278465),
    "softplus": Activation(softplus, "log(1 + exp(x))", "Dugas et al. 2001", 0),
    "sigmoid": Activation(sigmoid, "1 / (1 + exp(-x))", "logistic function", 0, 1),
    "tanh": Activation(torch.tanh, "tanh(x)", "LeCun et al. 1998", -1, 1),
    "arctan": Activation(arctan, "2 / pi * atan(x)", "arctangent sigmoid", -1, 1),
}
