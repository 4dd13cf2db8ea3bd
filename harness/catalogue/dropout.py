"""Dropout whose mask is a hash of (trial, step, layer, element): the same in any stack, on any device.

`nn.Dropout` draws from a global generator, so a trial's mask would depend on its neighbours.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

MASK32 = 0xFFFFFFFF

Rate = Annotated[float, Field(ge=0, lt=1)]  # the option of every network


def mix(x: Tensor) -> Tensor:
    """A bijection of 32-bit words that scatters its input: two rounds of multiply and xor-shift.

    x: int64 with values in [0, 2^32); so is the result.
    """
    return _mix(x.to(torch.int32)).to(torch.int64) & MASK32


def uniform(key: Tensor, n: int) -> Tensor:
    """`n` numbers in [0, 1) from a key (...,) int64 in [0, 2^32): float32, (..., n)."""
    index = torch.arange(n, device=key.device, dtype=torch.int32) * (0x9E3779B9 - (1 << 32))
    words = _mix(_mix(index) ^ key.to(torch.int32).unsqueeze(-1))
    return _shifted(words, 8).to(torch.float32) * (1.0 / (1 << 24))


def _mix(x: Tensor) -> Tensor:
    """`mix` of 32 bits as int32, whose products wrap: a third of the time that int64 takes for many.

    The constants are those of the `lowbias32` search (Wellons 2018).
    """
    x = (x ^ _shifted(x, 16)) * 0x21F0AAAD
    x = (x ^ _shifted(x, 15)) * 0x735A2D97
    return x ^ _shifted(x, 15)


def _shifted(x: Tensor, places: int) -> Tensor:
    """The 32 bits of int32 moved down, zeros moving in: `>>` repeats the sign."""
    return (x >> places) & (MASK32 >> places)


class Dropout(nn.Module):
    """Zero each element with probability `rate` in training and scale the rest by 1/(1-rate).

    `rate` is the share dropped (Srivastava et al. 2014, inverted form). `rate` and `key` are buffers,
    so that both vary inside a stack; the training loop sets `key` anew for every trial and step. With
    `whole_channels` the elements of (B, C, ...) that share a channel are dropped together.
    """

    rate: Tensor
    key: Tensor
    layer: int

    def __init__(self, rate: float, layer: int = 0, whole_channels: bool = False) -> None:
        super().__init__()
        self.layer, self.whole_channels = layer, whole_channels
        self.register_buffer("rate", torch.tensor(float(rate), dtype=torch.float64))
        self.register_buffer("key", torch.tensor(0, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, ...) -> (B, ...)."""
        if not self.training:
            return x
        drawn = (*x.shape[:2], *[1] * (x.dim() - 2)) if self.whole_channels else x.shape
        draws = uniform(mix(self.key ^ (self.layer * 0x85EBCA6B & MASK32)), math.prod(drawn))
        keep = draws.reshape(drawn) >= self.rate
        return torch.where(keep, x * (1 / (1 - self.rate)).to(x.dtype), 0.0)
