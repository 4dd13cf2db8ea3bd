"""One model's loss, gradient and outputs as pure functions, and their stacked forms by `vmap`.

Shapes: M models, then B examples, then features. A model's parameters are one flat vector (P,), a
stack's (M, P): the optimizer then passes over memory once, whatever the number of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.catalogue.dropout import Dropout
from harness.training.capture import by_shape

Buffers = dict[str, Tensor]
PerExample = Callable[[Tensor, Tensor], Tensor]


class Layout(NamedTuple):
    """How a flat vector (P,) splits into a module's named parameters.

    A weight (fan_out, fan_in, *kernel) is kept as (*kernel, fan_in, fan_out), so that x W^T multiplies
    two row-major matrices: twice as fast on a CPU as with the second one transposed.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of flat (P,) by parameter name, in the module's own shapes."""
        parts = torch.split(flat, [shape.numel() for shape in self.shapes])
        return {n: _view(p, s) for n, p, s in zip(self.names, parts, self.shapes, strict=True)}

    def flatten(self, named: Mapping[str, Tensor]) -> Tensor:
        """The flat vector (P,) of parameters in the module's own shapes."""
        parts = (named[name] for name in self.names)
        return torch.cat([_turned(p).reshape(-1) for p in parts])


def _turned(weight: Tensor) -> Tensor:
    """(fan_out, fan_in, *kernel) -> (*kernel, fan_in, fan_out); vectors as they are."""
    return weight if weight.dim() < 2 else weight.permute(*range(2, weight.dim()), 1, 0)


def _view(part: Tensor, shape: torch.Size) -> Tensor:
    if len(shape) < 2:
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

    `gradient(params (M, P), buffers, x (M, B, ...), y (M, B)) -> grads (M, P), (loss (M,), buffers)`;
    `outputs(params (M, P), buffers, x (M, B, ...)) -> (M, B, C)`, in evaluation mode.
    """

    module: nn.Module
    layout: Layout
    gradient: Callable[[Tensor, Buffers, Tensor, Tensor], tuple[Tensor, tuple[Tensor, Buffers]]]
    outputs: Callable[[Tensor, Buffers, Tensor], Tensor]
    dropouts: tuple[str, ...]  # paths of the module's dropout layers


def make_program(module: nn.Module, loss: PerExample) -> Program:
    """The program of one module and one loss."""
    layout = layout_of(module)

    def loss_of(flat: Tensor, buffers: Buffers, x: Tensor, y: Tensor) -> tuple[Tensor, Buffers]:
        outputs = functional_call(module, {**layout.unflatten(flat), **buffers}, (x,))
        return loss(outputs, y).mean(), buffers

    def outputs_of(flat: Tensor, buffers: Buffers, x: Tensor) -> Tensor:
        result: Tensor = functional_call(module, {**layout.unflatten(flat), **buffers}, (x,))
        return result

    stacked_loss, stacked_outputs = vmap(loss_of), vmap(outputs_of)

    def gradient(
        params: Tensor, buffers: Buffers, x: Tensor, y: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Buffers]]:
        module.train()
        with torch.enable_grad():
            leaf = params.detach().requires_grad_()
            losses, buffers = stacked_loss(leaf, buffers, x, y)
            # A model's loss depends on its own row alone, so the sum's gradient holds each model's.
            (grads,) = torch.autograd.grad(losses.sum(), leaf)
        return grads, (losses.detach(), buffers)

    def outputs(params: Tensor, buffers: Buffers, x: Tensor) -> Tensor:
        module.eval()
        result: Tensor = stacked_outputs(params, buffers, x)
        return result

    dropouts = tuple(name for name, part in module.named_modules() if isinstance(part, Dropout))
    return Program(module, layout, by_shape(gradient), by_shape(outputs), dropouts)
