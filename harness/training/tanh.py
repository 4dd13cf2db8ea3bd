"""tanh on a CPU by whichever library at hand is faster there.

torch computes it by Intel's MKL, which on AMD's processors takes ten times as long as NumPy: a quarter
of a step of a network of tanh units. Both are right to the last place or two (1.4 and 0.5 units there).
Which it is depends on the processor alone, so that a trial is the same alone and in a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.training.products import is_amd

aten = torch.ops.aten


def tanh(x: Tensor) -> Tensor:
    """Of every number, in the order in memory that x has."""
    result = torch.empty_like(x)
    np.tanh(x.numpy(), out=result.numpy())
    return result


def tanh_in_place(x: Tensor) -> Tensor:
    """Of every number, written over it."""
    np.tanh(x.numpy(), out=x.numpy())
    return x


BY_NUMPY = {aten.tanh.default: tanh, aten.tanh_.default: tanh_in_place}


def fastest(operation: Any, values: Sequence[Any]) -> Any:
    """What computes an operation of `BY_NUMPY` on values like these: a function of it, or itself."""
    (x,) = values
    own = x.is_cpu and x.dtype == torch.float32 and is_amd()
    return BY_NUMPY[operation] if own else operation
