"""Initial weights: a function of shape, generator and dtype. One function and one table line each.

A weight has shape (fan_out, fan_in, *kernel); a kernel multiplies both fans. Biases start at 0
unless a network's options say otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, NamedTuple

import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from harness.words.base import Word
from harness.words.ranges import OwnRange

Shape = tuple[int, ...]
Draw = Callable[[Shape, torch.Generator, torch.dtype], Tensor]


class InitOptions(Word):
    """Where a network's training starts: options that every network of the catalogue shares."""

    init: str
    init_gain: Annotated[FiniteFloat, OwnRange(0.1, 10.0)] = Field(
        default=1.0, gt=0, description="times every weight that `init` draws"
    )
    init_bias: FiniteFloat = Field(default=0.0, description="what every bias starts at")


class Init(NamedTuple):
    """How weights are drawn, and where that comes from."""

    draw: Draw
    formula: str
    source: str


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (fan_out, fan_in, *kernel)."""
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def normal(std: Callable[[int, int], float]) -> Draw:
    """Draws from N(0, std(fan_in, fan_out)^2)."""

    def draw(shape: Shape, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype) * std(*fans(shape))

    return draw


def uniform(bound: Callable[[int, int], float]) -> Draw:
    """Draws from U(-bound, bound), bound(fan_in, fan_out)."""

    def draw(shape: Shape, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        return (torch.rand(shape, generator=generator, dtype=dtype) * 2 - 1) * bound(*fans(shape))

    return draw


def zeros(shape: Shape, _generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """All weights 0: right for a convex model, a trap for a deep one (units stay alike)."""
    return torch.zeros(shape, dtype=dtype)


def orthogonal(shape: Shape, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Rows or columns orthonormal: Q of the QR decomposition of a Gaussian matrix, signs made uniform."""
    rows, columns = shape[0], math.prod(shape[1:])
    flat = torch.randn((max(rows, columns), min(rows, columns)), generator=generator, dtype=dtype)
    q, r = torch.linalg.qr(flat)
    q = q * torch.sgn(torch.diagonal(r))
    weights: Tensor = (q if rows >= columns else q.T).reshape(shape).contiguous()
    return weights


INITS: dict[str, Init] = {
    "he_normal": Init(normal(lambda i, o: math.sqrt(2 / i)), "N(0, 2/fan_in)", "He et al. 2015"),
    "he_uniform": Init(uniform(lambda i, o: math.sqrt(6 / i)), "U(+-sqrt(6/fan_in))", "He et al. 2015"),
    "xavier_normal": Init(
        normal(lambda i, o: math.sqrt(2 / (i + o))), "N(0, 2/(fan_in+fan_out))", "Glorot and Bengio 2010"
    ),
    "xavier_uniform": Init(
        uniform(lambda i, o: math.sqrt(6 / (i + o))),
        "U(+-sqrt(6/(fan_in+fan_out)))",
        "Glorot and Bengio 2010",
    ),
    "lecun_normal": Init(normal(lambda i, o: math.sqrt(1 / i)), "N(0, 1/fan_in)", "LeCun et al. 1998"),
    "lecun_uniform": Init(uniform(lambda i, o: math.sqrt(3 / i)), "U(+-sqrt(3/fan_in))", "LeCun et al. 1998"),
    "normal_1": Init(normal(lambda i, o: 1.0), "N(0, 1)", "control: saturates sigmoid and tanh"),
    "normal_001": Init(normal(lambda i, o: 0.01), "N(0, 0.01^2)", "control: signals vanish with depth"),
    "orthogonal": Init(orthogonal, "Q of QR of a Gaussian matrix", "Saxe et al. 2013"),
    "zeros": Init(zeros, "0", "convex models"),
}
