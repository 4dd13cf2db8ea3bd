"""One model's loss, gradient and outputs as pure functions, and their stacked forms by `vmap`.

Shapes: M models, then B examples, then features. A model's parameters are one flat vector (P,), a
stack's (M, P): the optimizer then passes over memory once, whatever the number of layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.catalogue.dropout import Dropout
from harness.catalogue.losses import Loss
from harness.errors import BadInput
from harness.training.graph.capture import by_shape, captured
from harness.training.graph.matrices import NARROW

Buffers = dict[str, Tensor]
Parts = tuple[Tensor, ...]  # of flat parameters: one (..., n) a parameter tensor
Gradient = Callable[[Tensor, Buffers, Tensor, Tensor], tuple[Parts, tuple[Tensor, Buffers]]]
Outputs = Callable[[Tensor, Buffers, Tensor], Tensor]


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
    functions = stacked(module, single)
    refusal = None if example is None else _refusal(module, layout, functions[:2], example)
    if refusal is None:
        gradient, *outputs = functions
        evaluation, training = map(by_shape, outputs)
        return Program(module, layout, by_shape(gradient), evaluation, training, dropouts)
    return Program(module, layout, *looped(module, single), dropouts, refusal)


def stacked(module: nn.Module, single: Single) -> tuple[Gradient, Outputs, Outputs]:
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
            grads = torch.autograd.grad(losses.sum(), parts)
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


def looped(module: nn.Module, single: Single) -> tuple[Gradient, Outputs, Outputs]:
    """The same, one member after the other: for a module that `vmap` refuses."""

    def one(row: Tensor, own: Buffers, x: Tensor, y: Tensor) -> tuple[Parts, Tensor, Buffers]:
        with torch.enable_grad():
            parts = _leaves(single.layout, row.clone())
            loss, own = single.loss(parts, own, x, y)
            grads = torch.autograd.grad(loss, parts)
        return grads, loss.detach(), own

    def gradient(
        params: Tensor, buffers: Buffers, x: Tensor, y: Tensor
    ) -> tuple[Parts, tuple[Tensor, Buffers]]:
        module.train()
        parts = [one(row, buffers_of(buffers, i), x[i], y[i]) for i, row in enumerate(params)]
        grads, losses, own = zip(*parts, strict=True)
        after = {name: torch.stack([b[name] for b in own]) for name in buffers}
        return tuple(torch.stack(part) for part in zip(*grads, strict=True)), (torch.stack(losses), after)

    def outputs(params: Tensor, buffers: Buffers, x: Tensor, training: bool = False) -> Tensor:
        module.train(training)
        parts = [
            single.outputs(single.layout.split(row.clone()), buffers_of(buffers, i), x[i])
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
    functions: tuple[Gradient, Outputs],
    example: tuple[Tensor, Tensor],
) -> str | None:
    """Why a stack of the module can't be one program, on one line; None where it can."""
    gradient, outputs = functions
    params = layout.flatten({n: p.detach() for n, p in module.named_parameters()}).expand(2, -1)
    x, y = (part.expand(2, *part.shape) for part in example)
    try:
        for function, given in ((outputs, (x,)), (gradient, (x, y))):
            buffers = {n: torch.stack([b, b]) for n, b in module.named_buffers()}
            captured(function, (params.contiguous(), buffers, *given))
    except Exception as error:  # whatever a user's module raises under vmap
        if "random operation" in str(error):
            raise BadInput(
                f"{type(module).__name__} draws from a global generator, which trials would share; "
                "use nn.Dropout"
            ) from error
        return f"trained one at a time, {type(error).__name__}: {_first_sentence(error)}"
    return None


def _first_sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.partition(". ")[0][:200]
