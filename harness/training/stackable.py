"""Whether a user's own network can be stacked: tried on a batch before any of its trials trains.

What it gives in a stack is held against what it gives alone, and that against itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from harness.errors import BadInput
from harness.training.functions import Functions, Single, looped, stacked
from harness.training.graph.capture import captured, leaves

Arguments = tuple[Tensor, dict[str, Tensor], Tensor, Tensor]  # of a gradient, for two members


class _Seen(NamedTuple):
    """What a training step and an evaluation of two members left."""

    values: list[Tensor]  # the gradient (2, P), each buffer, parameters (2, P), outputs
    batches: list[Tensor]  # that they were given


def tried(forms: Sequence[Single], example: tuple[Tensor, Tensor], near: float) -> tuple[Single, str | None]:
    """The first of a module's forms that it takes, and why a stack can't be one program, on one line.

    The latter is None where it can. Forms differ in layout. Two members are tried, of other weights and
    with the examples x (B, ...), y (B,) in another order each: what a stack gives must be what each
    gives by itself, up to a share `near` of the largest number. Raises BadInput for a module that keeps
    state where it can't be seen, or draws from a global generator; what it raises in every form it raises.
    """
    single, alone = _first_taken(forms, example)
    arguments = _two_members(single, example)
    again = _seen(looped(single), arguments)
    same_order = example[0].device.type == "cpu"  # a GPU may sum in another one every time
    if not _agree(again, alone, 0.0 if same_order else near):
        raise BadInput(
            f"{type(single.module).__name__} gives something else when the same step is taken again. It "
            "keeps state in a plain attribute that trials would share (register a buffer and write into it), "
            "or draws from a global generator (use nn.Dropout)"
        )
    return single, _refusal(single, arguments, alone, near)


def _first_taken(forms: Sequence[Single], example: tuple[Tensor, Tensor]) -> tuple[Single, _Seen]:
    """The first form in which a step and an evaluation raise nothing, and what they gave alone."""
    for single in forms[:-1]:
        try:
            return single, _seen(looped(single), _two_members(single, example))
        except Exception:  # whatever a user's module raises, such as of views
            continue
    return forms[-1], _seen(looped(forms[-1]), _two_members(forms[-1], example))


def _two_members(single: Single, example: tuple[Tensor, Tensor]) -> Arguments:
    module = single.module
    flat = single.layout.flatten({n: p.detach() for n, p in module.named_parameters()})
    x, y = (torch.stack([part, part.flip(0)]) for part in example)
    buffers = {n: torch.stack([b, b]) for n, b in module.named_buffers()}
    return torch.stack([flat, 0.9 * flat]), buffers, x, y


def _refusal(single: Single, arguments: Arguments, alone: _Seen, near: float) -> str | None:
    """Why a stack of the module can't be one program, on one line; None where it can."""
    try:
        found = _seen(_recorded(stacked(single)), arguments)
    except Exception as error:  # whatever a user's module raises under vmap
        if "random operation" in str(error):
            raise BadInput(
                f"{type(single.module).__name__} draws from a global generator, which trials would share; "
                "use nn.Dropout"
            ) from error
        return f"trained one at a time, {type(error).__name__}: {first_sentence(error)}"
    if not all(torch.equal(x, arguments[2]) for x in found.batches):
        return "trained one at a time, as it writes into its input, which others may share"
    if not _agree(found, alone, near):
        return "trained one at a time, as in a stack it computes something else than alone"
    return None


def _recorded(functions: Functions) -> list[Any]:
    """Functions as they are recorded for these arguments, whatever those are."""
    return [lambda *given, f=function: captured(f, given)(*leaves(given)) for function in functions]


def _seen(functions: Sequence[Any], arguments: Arguments) -> _Seen:
    """What a training step and an evaluation give for copies of the arguments."""
    gradient, outputs, *_ = functions
    trained, evaluated = (tree_map(torch.clone, arguments) for _ in range(2))
    grads, buffers = gradient(*trained)
    seen = [torch.cat([grad.flatten(1) for grad in grads], 1), *buffers.values(), trained[0]]
    return _Seen([*seen, outputs(*evaluated[:3])], [trained[2], evaluated[2]])


def _agree(found: _Seen, wanted: _Seen, near: float) -> bool:
    return all(_are_near(a, b, near) for a, b in zip(found.values, wanted.values, strict=True))


def _are_near(found: Tensor, wanted: Tensor, near: float) -> bool:
    """Whether values are equal up to a share of the largest; those that are not finite don't count."""
    if wanted.is_complex():
        found, wanted = torch.view_as_real(found), torch.view_as_real(wanted)
    a, b = (part[wanted.isfinite()].double() for part in (found, wanted))
    return not b.numel() or bool((a - b).abs().max() <= near * b.abs().max())


def first_sentence(error: Exception) -> str:
    """What an error says first, on one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text.partition(". ")[0][:200]
