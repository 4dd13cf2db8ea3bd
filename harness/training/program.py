"""One model's loss, gradient and outputs as pure functions, and their stacked forms by `vmap`.

Shapes: M models, then B examples, then features. A model's parameters are one flat vector (P,), a
stack's (M, P): the optimizer then passes over memory once, whatever the number of layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from harness.catalogue.dropout import Dropout
from harness.catalogue.losses import Loss
from harness.errors import BadInput
from harness.training.graph.capture import ByShape, captured, leaves
from harness.training.graph.matrices import NARROW

Buffers = dict[str, Tensor]
Parts = tuple[Tensor, ...]  # of flat parameters: one (..., n) a parameter tensor
Gradient = Callable[[Tensor, Buffers, Tensor, Tensor], tuple[Parts, tuple[Tensor, Buffers]]]
BoundGradient = Callable[[Buffers, Tensor, Tensor], tuple[Parts, tuple[Tensor, Buffers]]]
Outputs = Callable[[Tensor, Buffers, Tensor], Tensor]
Functions = tuple[Gradient, Outputs, Outputs]  # outputs in evaluation, and in training mode

NEAR = 1e-3  # share of its largest number that a tensor may differ by in a stack: another order of sums
NEAR_MIXED = 5e-2  # of products in bfloat16


class Layout(NamedTuple):
    """How a flat vector (P,) splits into a module's named parameters.

    A weight (fan_out, fan_in, *kernel) is kept as (*kernel, fan_in, fan_out), so that x W^T multiplies
    two row-major matrices: twice as fast on a CPU as with the second one transposed. A matrix of few
    rows stays as it is, as its products are computed turned (`graph.matrices`).
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    def split(self, flat: Tensor) -> Parts:
        """Views of flat (..., P), one (..., n) a parameter tensor."""
        return torch.split(flat, [shape.numel() for shape in self.shapes], -1)

    def named(self, parts: Parts) -> dict[str, Tensor]:
        """Views of the parts (n,) by parameter name, in the module's own shapes."""
        return {n: _view(p, s) for n, p, s in zip(self.names, parts, self.shapes, strict=True)}

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of flat (P,) by parameter name, in the module's own shapes."""
        return self.named(self.split(flat))

    def flatten(self, named: Mapping[str, Tensor]) -> Tensor:
        """The flat vector (P,) of parameters in the module's own shapes."""
        parts = (named[name] for name in self.names)
        return torch.cat([_turned(p).reshape(-1) for p in parts])


def _turned(weight: Tensor) -> Tensor:
    """(fan_out, fan_in, *kernel) -> (*kernel, fan_in, fan_out), where it is kept that way."""
    return weight.permute(*range(2, weight.dim()), 1, 0) if _is_turned(weight.shape) else weight


def _is_turned(shape: torch.Size) -> bool:
    return len(shape) > 2 or (len(shape) == 2 and shape[0] >= NARROW)


def _view(part: Tensor, shape: torch.Size) -> Tensor:
    if not _is_turned(shape):
        return part.view(shape)
    fan_out, fan_in, *kernel = shape
    stored = part.view(*kernel, fan_in, fan_out)
    return stored.permute(-1, -2, *range(len(kernel))) if kernel else stored.t()


def layout_of(module: nn.Module) -> Layout:
    """The layout of a module's parameters, in its own order."""
    named = dict(module.named_parameters())
    return Layout(tuple(named), tuple(p.shape for p in named.values()))


class Program(NamedTuple):
    """What a stack runs: a module, its layout, and the stacked functions of it.

    `gradient(params (M, P), buffers, x (M, B, ...), y (M, B)) -> grads, (loss (M,), buffers)`, with the
    gradients by parameter tensor, (M, n) each;
    `outputs(params (M, P), buffers, x (M, B, ...)) -> (M, B, C)`, in evaluation mode;
    `outputs_in_training` the same in training mode, and the buffers stay as they are.
    """

    module: nn.Module
    layout: Layout
    gradient: Gradient
    outputs: Outputs
    outputs_in_training: Outputs
    dropouts: tuple[str, ...]  # paths of the module's dropout layers
    fallback: str | None = None  # why members train one at a time, where they do


class Single(NamedTuple):
    """One model's loss and outputs as pure functions of the parts of its parameters and its buffers."""

    layout: Layout
    loss: Callable[[Parts, Buffers, Tensor, Tensor], tuple[Tensor, Buffers]]
    outputs: Callable[[Parts, Buffers, Tensor], Tensor]


def make_program(
    module: nn.Module, loss: Loss, example: tuple[Tensor, Tensor] | None = None, mixed: bool = False
) -> Program:
    """The program of one module and one loss; `mixed`: its products in bfloat16 (torch.autocast).

    With an `example` batch, x (B, ...) and y (B,), a module that can't be stacked is found out, and
    its members train one at a time; without one it is taken for granted that the module stacks.
    """
    layout = layout_of(module)

    def outputs_of(parts: Parts, buffers: Buffers, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed, cache_enabled=False):
            result: Tensor = functional_call(module, {**layout.named(parts), **buffers}, (x,))
        return result.float() if mixed else result

    def loss_of(parts: Parts, buffers: Buffers, x: Tensor, y: Tensor) -> tuple[Tensor, Buffers]:
        return loss.of_mean(loss.per_example(outputs_of(parts, buffers, x), y).mean()), buffers

    single = Single(layout, loss_of, outputs_of)
    dropouts = tuple(name for name, part in module.named_modules() if isinstance(part, Dropout))
    together, apart = stacked(module, single), looped(module, single)
    near = NEAR_MIXED if mixed else NEAR
    refusal = None if example is None else _refusal(module, layout, together, apart, example, near)
    if refusal is None:
        gradient, *outputs = together
        evaluation, training = map(ByShape, outputs)
        return Program(module, layout, ByShape(gradient), evaluation, training, dropouts)
    return Program(module, layout, *apart, dropouts, refusal)


def stacked(module: nn.Module, single: Single) -> Functions:
    """Gradient and outputs, in evaluation and in training mode, of a stack by `vmap`."""
    stacked_loss, stacked_outputs = vmap(single.loss), vmap(single.outputs)

    def gradient(
        params: Tensor, buffers: Buffers, x: Tensor, y: Tensor
    ) -> tuple[Parts, tuple[Tensor, Buffers]]:
        module.train()
        with torch.enable_grad():
            parts = _leaves(single.layout, params)
            with quiet():
                losses, buffers = stacked_loss(parts, buffers, x, y)
            # A model's loss depends on its own row alone, so the sum's gradient holds each model's.
            grads = torch.autograd.grad(losses.sum(), parts, materialize_grads=True)
        return grads, (losses.detach(), buffers)

    def outputs(params: Tensor, buffers: Buffers, x: Tensor, training: bool = False) -> Tensor:
        module.train(training)
        if training:  # batch normalisation writes into its buffers
            buffers = {name: b.clone() for name, b in buffers.items()}
        with quiet():
            result: Tensor = stacked_outputs(single.layout.split(params), buffers, x)
        return result

    return gradient, outputs, partial(outputs, training=True)


def _leaves(layout: Layout, flat: Tensor) -> Parts:
    """The parts of flat (..., P) as leaves that gradients are taken of."""
    return tuple(part.detach().requires_grad_() for part in layout.split(flat))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warning of an operation that `vmap` takes member by member: slow, and still right."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        yield


def looped(module: nn.Module, single: Single) -> Functions:
    """The same, one member after the other, for a module that `vmap` refuses.

    It gets copies: a module may write into what it is given.
    """

    def one(row: Tensor, own: Buffers, x: Tensor, y: Tensor) -> tuple[Parts, Tensor, Buffers]:
        with torch.enable_grad():
            parts = _leaves(single.layout, row.clone())
            loss, own = single.loss(parts, own, x, y)
            grads = torch.autograd.grad(loss, parts, materialize_grads=True)
        return grads, loss.detach(), own

    def gradient(
        params: Tensor, buffers: Buffers, x: Tensor, y: Tensor
    ) -> tuple[Parts, tuple[Tensor, Buffers]]:
        module.train()
        parts = [one(row, buffers_of(buffers, i), x[i].clone(), y[i]) for i, row in enumerate(params)]
        grads, losses, own = zip(*parts, strict=True)
        after = {name: torch.stack([b[name] for b in own]) for name in buffers}
        return tuple(torch.stack(part) for part in zip(*grads, strict=True)), (torch.stack(losses), after)

    def outputs(params: Tensor, buffers: Buffers, x: Tensor, training: bool = False) -> Tensor:
        module.train(training)
        parts = [
            single.outputs(single.layout.split(row.clone()), buffers_of(buffers, i), x[i].clone())
            for i, row in enumerate(params)
        ]
        return torch.stack(parts)

    return gradient, outputs, partial(outputs, training=True)


def buffers_of(buffers: Buffers, index: int) -> Buffers:
    """Copies of one member's buffers: a module may write into them."""
    return {name: b[index].clone() for name, b in buffers.items()}


def _refusal(
    module: nn.Module,
    layout: Layout,
    together: Functions,
    apart: Functions,
    example: tuple[Tensor, Tensor],
    near: float,
) -> str | None:
    """Why a stack of the module can't be one program, on one line; None where it can.

    Two members are tried, of other weights and with the examples in another order each: what a stack
    gives must be what each gives by itself, up to a share `near` of the largest number.
    """
    flat = layout.flatten({n: p.detach() for n, p in module.named_parameters()})
    params = torch.stack([flat, 0.9 * flat])
    x, y = (torch.stack([part, part.flip(0)]) for part in example)
    buffers = {n: torch.stack([b, b]) for n, b in module.named_buffers()}
    try:
        reason = _disagreement(together[0], apart[0], (params, buffers, x, y), near)
        reason = reason or _disagreement(together[1], apart[1], (params, buffers, x), near)
    except Exception as error:  # whatever a user's module raises under vmap
        if "random operation" in str(error):
            raise BadInput(
                f"{type(module).__name__} draws from a global generator, which trials would share; "
                "use nn.Dropout"
            ) from error
        reason = f"{type(error).__name__}: {first_sentence(error)}"
    return reason and f"trained one at a time, {reason}"


def _disagreement(
    stacked: Callable[..., Any], one_by_one: Callable[..., Any], arguments: Any, near: float
) -> str | None:
    """In what a stacked function and the same for each by itself disagree, if anything."""
    given = tree_map(torch.clone, arguments)
    found = captured(stacked, arguments)(*leaves(given))
    alone = one_by_one(*tree_map(torch.clone, arguments))
    if not torch.equal(given[2], arguments[2]):
        return "as it writes into its input, which others may share"
    if not all(_are_near(a, b, near) for a, b in zip(_parts(found), _parts(alone), strict=True)):
        return "as in a stack it computes something else than alone"
    return None


def _parts(result: Any) -> list[Tensor]:
    """What a stacked function gives: outputs, or the whole gradient (M, P), the losses and each buffer."""
    if isinstance(result, Tensor):
        return [result]
    grads, (losses, buffers) = result
    return [torch.cat([grad.flatten(1) for grad in grads], 1), losses, *buffers.values()]


def _are_near(found: Tensor, wanted: Tensor, near: float) -> bool:
    """Whether values are equal up to a share of the largest; those that are not finite don't count."""
    a, b = (part[wanted.isfinite()].double() for part in (found, wanted))
    return not b.numel() or bool((a - b).abs().max() <= near * b.abs().max())


def first_sentence(error: Exception) -> str:
    """What an error says first, on one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text.partition(". ")[0][:200]
