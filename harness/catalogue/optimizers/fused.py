"""Rules in one pass over memory, by torch's kernels for a CPU, which take one rate for all they are given.

Adam's is given a step's coefficients, which hold the bias corrections already, and a step number at which it
has nothing left to correct. Momentum's kernel, and Nesterov's, take longer than the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Rows = tuple[Tensor, ...]  # (P,) a model

FIRST, LAST = torch.tensor(1.0), torch.tensor(torch.inf)  # steps: to the power of the last both betas are 0
Fused = Callable[[Rows, Sequence[Rows], Rows, Mapping[str, float]], None]


def fused_adagrad(grads: Rows, state: Sequence[Rows], params: Rows, c: Mapping[str, float]) -> None:
    """Change the state and parameters of some models as `adagrad` does, all by the same coefficients."""
    torch._fused_adagrad_(
        params,
        grads,
        state[0],
        [FIRST] * len(params),  # no decay of the rate
        lr=c["lr"],
        lr_decay=0.0,
        weight_decay=c.get("weight_decay", 0.0),
        eps=c["eps"],
        maximize=False,
    )


def fused_adam(grads: Rows, state: Sequence[Rows], params: Rows, c: Mapping[str, float]) -> None:
    """The same as `adam` does."""
    _step(torch._fused_adam_, grads, state, params, c, c.get("weight_decay", 0.0))


def fused_adamw(grads: Rows, state: Sequence[Rows], params: Rows, c: Mapping[str, float]) -> None:
    """The same as `adamw` does. The kernel takes rate x decay off a weight: what is kept says how much."""
    gone = 1 - c.get("kept", 1.0)
    _step(torch._fused_adamw_, grads, state, params, c, gone / c["rate"] if gone else 0.0)


def fused_rmsprop(grads: Rows, state: Sequence[Rows], params: Rows, c: Mapping[str, float]) -> None:
    """The same as `rmsprop` does: Adam whose mean is the last gradient, and lies where that does."""
    as_adam = {"share1": 1.0, "share2": c["share"], "rate": c["lr"], "eps": c["eps"]}
    _step(torch._fused_adam_, grads, (grads, *state), params, as_adam, c.get("weight_decay", 0.0))


def _step(
    kernel: Any, grads: Rows, state: Sequence[Rows], params: Rows, c: Mapping[str, float], decay: float
) -> None:
    betas = {"beta1": 1 - c["share1"], "beta2": 1 - c["share2"]}
    given = {"lr": c["rate"], **betas, "eps": c["eps"], "weight_decay": decay}
    kernel(params, grads, *state, [], [LAST] * len(params), **given, amsgrad=False, maximize=False)
