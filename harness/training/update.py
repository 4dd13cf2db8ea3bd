"""A stack's optimizer step, in place on its flat parameters (m, P).

Gradients come a parameter tensor at a time, (m, n) each: to join large ones would cost as much as a
rule does, and not to join small ones as much again. Rules are elementwise, so neither that nor the
blocks below change a result. Recorded once (`capture`), a rule's results are written where they belong
instead of copied there. A kernel, where an optimizer has one, takes a model after another, of gradients
that are all joined: it passes over them once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby

import torch
from torch import Tensor

from harness.catalogue.optimizers import Fused, Hyper, Optimizer, State
from harness.training.graph.capture import ByShape

Own = tuple[Tensor, State]  # what a step changes in place: parameters (m, P), and (m, P) a slot
Update = Callable[[Sequence[Tensor], Hyper], None]  # of gradients (m, n) a tensor, and coefficients (m, 1)

FUSED = 4000  # parameters of a model: of fewer, a call a model can take longer than passes over all models
JOINED_BYTES = 1 << 17  # of one tensor: up to there copying it takes less time than the rule's calls
BLOCK_BYTES = 1 << 19  # of one tensor: a rule touches up to seven; larger ones leave a core's own cache


def fused_of(optimizer: Optimizer, params: Tensor) -> Fused | None:
    """The optimizer's kernel, where a step of parameters (m, P) is faster by it than by the rule."""
    plain = params.is_cpu and params.dtype == torch.float32
    return optimizer.fused if plain and params.shape[1] >= FUSED else None


def fused_update(fused: Fused, own: Own) -> Update:
    """The update of parameters and state that change in place, model by model."""
    params, state = own
    whole = torch.empty_like(params)  # the gradient's parts, side by side
    rows, in_state, grad = params.unbind(), [slot.unbind() for slot in state], whole.unbind()

    def update(grads: Sequence[Tensor], coefficients: Hyper) -> None:
        torch.cat(list(grads), 1, out=whole)
        numbers = list(zip(*(value.flatten().tolist() for value in coefficients.values()), strict=True))
        start = 0
        for its, alike in groupby(numbers):  # replicates share theirs: one call
            block = slice(start, start + len(list(alike)))
            fused(
                grad[block],
                [slot[block] for slot in in_state],
                rows[block],
                dict(zip(coefficients, its, strict=True)),
            )
            start = block.stop

    return update


def update_of(optimizer: Optimizer) -> ByShape:
    """`update((params, state), grads, coefficients)` changes params and state (m, P) by the rule."""

    def update(own: Own, grads: Sequence[Tensor], coefficients: Hyper) -> None:
        params, state = own
        grads = joined(grads)
        widths = [part.shape[1] for part in grads]
        places = zip(*(_split(value, widths, 1) for value in (params, *state)), strict=True)
        for part, changed in zip(grads, places, strict=True):
            values, heights = (part, *changed, *coefficients.values()), _heights(part)
            for block in zip(*(_split(value, heights, 0) for value in values), strict=True):
                its_grads, its_params, *rest = block
                its_state, its = tuple(rest[: len(state)]), rest[len(state) :]
                _apply(optimizer, its_grads, its_state, its_params, dict(zip(coefficients, its, strict=True)))

    return ByShape(update, _sizes)


def _split(values: Tensor, sizes: list[int], axis: int) -> tuple[Tensor, ...]:
    """Values by parts of an axis; the tensor itself where that is one, for less than a view costs."""
    return (values,) if len(sizes) == 1 else torch.split(values, sizes, axis)


def _sizes(grads: Sequence[Tensor], coefficients: Hyper) -> Hashable:
    """What tells the shapes of all arguments but the first, for less than asking each."""
    return tuple([part.shape[1] for part in grads]), tuple(coefficients)


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


def _heights(part: Tensor) -> list[int]:
    """By how many models a part (m, n) stays in a core's cache through the whole rule; by all on a GPU."""
    m, bytes_each = len(part), part.shape[1] * part.element_size()
    height = m if part.is_cuda else max(1, BLOCK_BYTES // bytes_each)
    return [min(height, m - start) for start in range(0, m, height)]
