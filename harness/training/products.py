"""Products of stacked matrices on a CPU, by whichever library at hand is fastest there.

torch multiplies by Intel's MKL, which leaves AVX-512 unused on AMD's processors. NumPy brings OpenBLAS,
which uses it: matrices of 30 to 1,000 rows take it half the time there. Smaller ones, those in bfloat16,
and all on other processors and on a GPU are torch's.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

aten = torch.ops.aten

PRECISIONS = (torch.float32, torch.float64)
LARGE = 1 << 14  # multiplications a model: of fewer the call itself takes most of the time
AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names of processors that have it


@cache
def by_numpy() -> bool:
    """Whether NumPy is the faster one here: its OpenBLAS uses AVX-512 on an AMD processor."""
    found = _openblas() if is_amd() else None
    return found is not None and found["architecture"] in AVX512


def library() -> str:
    """What multiplies on this machine's CPU. Results repeat bit for bit by the same library alone."""
    found = _openblas() if by_numpy() else None
    large = f", large ones NumPy {np.__version__} ({found['architecture']})" if found else ""
    return f"torch{large}, tanh NumPy {np.__version__}" if is_amd() else "torch"


def hindrance() -> str:
    """What keeps large products slower here than they need be, and what to do; nothing is the usual."""
    if by_numpy() or not (is_amd() and " avx512f " in first_core()):
        return ""
    setting = os.environ.get("OPENBLAS_CORETYPE")
    if setting is not None:
        return (
            f"OPENBLAS_CORETYPE={setting} keeps NumPy from this processor's AVX-512, by which large products "
            "take half the time; unset it"
        )
    return (
        "this processor has AVX-512, which torch doesn't use on it, and this NumPy brings nothing that does: "
        "install numpy by pip, whose OpenBLAS does"
    )


def product(a: Tensor, b: Tensor) -> Tensor:
    """a (M, n, k) times b (M, k, c) -> (M, n, c)."""
    result = torch.empty((a.shape[0], a.shape[1], b.shape[2]), dtype=a.dtype)
    np.matmul(a.numpy(), b.numpy(), out=result.numpy())
    return result


def product_and(term: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`product` plus a term that broadcasts to it."""
    return product(a, b).add_(term)


def add_product(total: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`product` added into a total of its shape."""
    return total.add_(product(a, b))


BY_NUMPY = {
    aten.bmm.default: product,
    aten.baddbmm.default: product_and,
    aten.baddbmm_.default: add_product,
}


def fastest(operation: Any, values: Sequence[Any]) -> Any:
    """What computes a product of `BY_NUMPY` on values like these: a function of it, or itself."""
    a, b = values[-2:]
    large = a.shape[1] * a.shape[2] * b.shape[2] >= LARGE
    own = large and a.is_cpu and a.dtype in PRECISIONS and _is_dense(a) and _is_dense(b)
    return BY_NUMPY[operation] if own and by_numpy() else operation


def _is_dense(factor: Tensor) -> bool:
    """Whether BLAS takes the matrices as they lie: numbers of a row, or of a column, side by side."""
    (rows, columns), (down, across) = factor.shape[1:], factor.stride()[1:]
    return (across == 1 and down >= columns) or (down == 1 and across >= rows)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """NumPy's products on one thread, and as silent as torch where they overflow."""
    with np.errstate(all="ignore"), _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController().select(internal_api="openblas")


@cache
def _openblas() -> dict[str, Any] | None:
    """NumPy's OpenBLAS as threadpoolctl describes it, if it has one."""
    return next((lib for lib in _libraries().info() if "numpy" in lib["filepath"]), None)


def device_name(device: str) -> str:
    """What computes there: a GPU by its name, else the device as torch names it."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def is_amd() -> bool:
    """Whether the processor is one of AMD's, on which Intel's MKL is slow."""
    return "AuthenticAMD" in first_core()


@cache
def first_core() -> str:
    """What the system says of the first core: its maker and, on Linux, its model and what it can do."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            return file.read(8192).partition("\n\n")[0]
    except OSError:
        return platform.processor()
