"""One model's loss, gradient and outputs as pure functions, and their stacked forms by `vmap`.

Shapes: M models, then B examples, then features. A model's parameters are one flat vector (P,), a
stack's (M, P): the optimizer then passes over memory once, whatever the number of layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.utils import stateless

from harness.catalogue.losses import Loss
from harness.training.layout import Layout, Parts

Buffers = dict[str, Tensor]
Gradient = Callable[[Tensor, Buffers, Tensor, Tensor], tuple[Parts, Buffers]]
BoundGradient = Callable[[Buffers, Tensor, Tensor], tuple[Parts, Buffers]]
Outputs = Callable[[Tensor, Buffers, Tensor], Tensor]
Functions = tuple[Gradient, Outputs, Outputs]  # outputs in evaluation, and in training mode


class Single(NamedTuple):
    """One model's loss and outputs as pure functions of the parts of its parameters and its buffers."""

    module: nn.Module
    layout: Layout
    loss_function: Loss
    mixed: bool  # its products in bfloat16

    def outputs(self, parts: Parts, buffers: Buffers, x: Tensor) -> Tensor:
        """Those for x (B, ...), (B, C)."""
        with holding(self.module, {**self.layout.named(parts), **buffers}):
            return self.outputs_as_held(x)

    def loss(self, parts: Parts, buffers: Buffers, x: Tensor, y: Tensor) -> tuple[Tensor, Buffers]:
        """The mean over a batch, and the buffers after it."""
        with holding(self.module, {**self.layout.named(parts), **buffers}):
            return self.loss_as_held(x, y), buffers

    def outputs_as_held(self, x: Tensor) -> Tensor:
        """With the parameters and buffers that the module holds."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed, cache_enabled=False):
            result: Tensor = self.module(x)
        return result.float() if self.mixed else result

    def loss_as_held(self, x: Tensor, y: Tensor) -> Tensor:
        """With the parameters and buffers that the module holds."""
        own = self.loss_function
        return own.of_mean(own.per_example(self.outputs_as_held(x), y).mean())


def holding(module: nn.Module, tensors: dict[str, Tensor]) -> AbstractContextManager[None]:
    """Within it the module holds these parameters and buffers; at its end `tensors` is what it then held.

    As torch's `functional_call`, which gives a layer of two names back another's weights.
    """
    held: AbstractContextManager[None] = stateless._reparametrize_module(
        module, tensors, tie_weights=True, stack_weights=True
    )
    return held


def stacked(single: Single) -> Functions:
    """Gradient and outputs, in evaluation and in training mode, of a stack by `vmap`."""
    module, stacked_loss, stacked_outputs = single.module, vmap(single.loss), vmap(single.outputs)

    def gradient(params: Tensor, buffers: Buffers, x: Tensor, y: Tensor) -> tuple[Parts, Buffers]:
        module.train()
        with torch.enable_grad():
            parts = _leaves(single.layout, params)
            with quiet():
                losses, buffers = stacked_loss(parts, buffers, x, y)
            # A model's loss depends on its own row alone, so the sum's gradient holds each model's.
            grads = torch.autograd.grad(losses.sum(), parts, materialize_grads=True)
        return grads, buffers

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


def looped(single: Single) -> Functions:
    """The same, one member after the other, for a module that `vmap` refuses.

    It gets copies, which begin in memory alike wherever a member stands in its stack; what it makes of
    its parameters in a training step is kept.
    """
    module, layout = single.module, single.layout

    def one(row: Tensor, own: Buffers, x: Tensor, y: Tensor) -> tuple[Parts, Buffers]:
        parts = _leaves(layout, row.clone())
        with torch.enable_grad():
            held = {**layout.named(parts), **own}
            with holding(module, held):  # in the backward pass too: a checkpoint computes again in it
                loss = single.loss_as_held(x, y)
                grads = torch.autograd.grad(loss, parts, materialize_grads=True)
        with torch.no_grad():
            row.copy_(layout.flatten(held))
        return grads, own

    def gradient(params: Tensor, buffers: Buffers, x: Tensor, y: Tensor) -> tuple[Parts, Buffers]:
        module.train()
        parts = [one(row, buffers_of(buffers, i), x[i].clone(), y[i]) for i, row in enumerate(params)]
        grads, own = zip(*parts, strict=True)
        after = {name: torch.stack([b[name] for b in own]) for name in buffers}
        return tuple(torch.stack(part) for part in zip(*grads, strict=True)), after

    def outputs(params: Tensor, buffers: Buffers, x: Tensor, training: bool = False) -> Tensor:
        module.train(training)
        parts = [
            single.outputs(layout.split(row.clone()), buffers_of(buffers, i), x[i].clone())
            for i, row in enumerate(params)
        ]
        return torch.stack(parts)

    return gradient, outputs, partial(outputs, training=True)


def buffers_of(buffers: Buffers, index: int) -> Buffers:
    """Copies of one member's buffers: a module may write into them."""
    return {name: b[index].clone() for name, b in buffers.items()}
