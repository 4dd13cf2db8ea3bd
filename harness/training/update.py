"""A stack's optimizer step, block by block: a block's tensors stay in the cache through the whole rule."""

from __future__ import annotations

from torch import Tensor

from harness.catalogue.optimizers import Hyper, Optimizer, State

BLOCK_BYTES = 256 * 1024  # of one tensor: a rule touches about seven; larger ones leave a core's own cache


def step_in_place(
    optimizer: Optimizer, grads: Tensor, state: State, params: Tensor, coefficients: Hyper
) -> None:
    """Update params (M, P) and state in place. Rules are elementwise, so blocks change nothing."""
    rows = rows_of(params)
    for start in range(0, len(params), rows):
        block = slice(start, start + rows)
        own = tuple(slot[block] for slot in state)
        c = {name: value[block] for name, value in coefficients.items()}
        new_params, new_state = optimizer.rule(grads[block], own, params[block], c)
        params[block] = new_params
        for slot, new in zip(own, new_state, strict=True):
            if new is not slot:
                slot.copy_(new)


def rows_of(params: Tensor) -> int:
    """Models a block holds; all of them on a GPU."""
    if params.is_cuda:
        return len(params)
    return max(1, BLOCK_BYTES // (params.shape[1] * params.element_size()))
