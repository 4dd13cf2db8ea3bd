"""tanh and the square root on a CPU by whichever library at hand is faster there.

torch computes both by Intel's MKL. On AMD's processors its tanh takes ten times as long as NumPy's: a quarter
of a step of a network of tanh units. Both are right to the last place or two (1.4 and 0.5 units there).
Its square root takes twenty times as long for a 0, of which dead units leave many in an optimizer's state;
NumPy's takes as long for every number, and rounds as the standard for floating point says: nobody's differs.
Which library it is depends on the processor alone, so that a trial is the same alone and in a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.training.products import PRECISIONS, is_amd

aten = torch.ops.aten


def _new(function: np.ufunc) -> Callable[[Tensor], Tensor]:
    """Of every number, in the order in memory that x has."""

    def compute(x: Tensor) -> Tensor:
        result = torch.empty_like(x)
        function(x.numpy(), out=result.numpy())
        return result

    return compute


def _in_place(function: np.ufunc) -> Callable[[Tensor], Tensor]:
    """Of every number, written over it."""

    def compute(x: Tensor) -> Tensor:
        function(x.numpy(), out=x.numpy())
        return x

    return compute


TANH = {aten.tanh.default: _new(np.tanh), aten.tanh_.default: _in_place(np.tanh)}
SQRT = {aten.sqrt.default: _new(np.sqrt), aten.sqrt_.default: _in_place(np.sqrt)}
BY_NUMPY = {**TANH, **SQRT}


def fastest(operation: Any, values: Sequence[Any]) -> Any:
    """What computes an operation of `BY_NUMPY` on values like these: a function of it, or itself."""
    (x,) = values
    own = x.dtype in PRECISIONS if operation in SQRT else x.dtype == torch.float32 and is_amd()
    return BY_NUMPY[operation] if own and x.is_cpu else operation
