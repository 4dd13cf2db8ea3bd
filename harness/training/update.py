"""A stack's optimizer step, in place on its flat parameters (m, P).

Gradients come a parameter tensor at a time, (m, n) each: to join large ones would cost as much as a
rule does, and not to join small ones as much again. Rules are elementwise, so neither that nor the
blocks below change a result. Recorded once (`capture`), a rule's results are written where they belong
instead of copied there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import repeat

import torch
from torch import Tensor

from harness.catalogue.optimizers import Hyper, Optimizer, State
from harness.training.graph.capture import ByShape

Update = Callable[[Sequence[Tensor], State, Tensor, Hyper], None]

JOINED_BYTES = 1 << 17  # of one tensor: up to there copying it takes less time than the rule's calls
BLOCK_BYTES = 1 << 20  # of one tensor: a rule touches up to seven; larger ones leave a core's own cache


def update_of(optimizer: Optimizer) -> Update:
    """`update(grads, state, params, coefficients)` changes state and params (m, P) by the rule."""

    def update(grads: Sequence[Tensor], state: State, params: Tensor, coefficients: Hyper) -> None:
        grads = joined(grads)
        sizes = [part.shape[1] for part in grads]
        slots = zip(*(_split(slot, sizes) for slot in state), strict=True) if state else repeat(())
        for part, own, own_slots in zip(grads, _split(params, sizes), slots, strict=False):
            for block in _blocks(part):
                c = {name: rows(value, block) for name, value in coefficients.items()}
                its_slots = tuple(rows(slot, block) for slot in own_slots)
                _apply(optimizer, rows(part, block), its_slots, rows(own, block), c)

    return ByShape(update, _sizes)


def _split(values: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    """Values (m, P) a part; the tensor itself where that is one, for less than a view costs."""
    return (values,) if len(sizes) == 1 else torch.split(values, sizes, 1)


def _sizes(grads: Sequence[Tensor], state: State, params: Tensor, coefficients: Hyper) -> Hashable:
    """What tells the shapes of all arguments, for less than asking each."""
    del state
    return params.shape, tuple([part.shape[1] for part in grads]), tuple(coefficients)


def _apply(optimizer: Optimizer, grads: Tensor, state: State, params: Tensor, coefficients: Hyper) -> None:
    new_params, new_state = optimizer.rule(grads, state, params, coefficients)
    params.copy_(new_params)
    for slot, new in zip(state, new_state, strict=True):
        if new is not slot:
            slot.copy_(new)


def joined(parts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Neighbouring parts (m, n) as one, as long as they are small together."""
    groups: list[list[Tensor]] = []
    for part in parts:
        if groups and sum(p.nbytes for p in (*groups[-1], part)) <= JOINED_BYTES:
            groups[-1].append(part)
        else:
            groups.append([part])
    return tuple(group[0] if len(group) == 1 else torch.cat(group, 1) for group in groups)


def _blocks(part: Tensor) -> list[slice]:
    """Models whose part (m, n) stays in a core's cache through the whole rule; all of them on a GPU."""
    bytes_each = part.shape[1] * part.element_size()
    rows = len(part) if part.is_cuda else max(1, BLOCK_BYTES // bytes_each)
    return [slice(start, start + rows) for start in range(0, len(part), rows)]


def rows(values: Tensor, block: slice) -> Tensor:
    """Some models' rows; the tensor itself where that is all of them, for less than a view costs."""
    return values if block.start == 0 and block.stop >= len(values) else values[block]
