"""The program that a stack runs: a module, how its parameters lie, and its stacked functions."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from harness.catalogue.dropout import Dropout
from harness.catalogue.losses import Loss
from harness.training.functions import Gradient, Outputs, Single, looped, stacked
from harness.training.graph.capture import ByShape
from harness.training.layout import Layout, layout_of, layouts_of
from harness.training.stackable import tried

NEAR = 1e-3  # share of its largest number that a tensor may differ by in a stack: another order of sums
NEAR_MIXED = 5e-2  # of products in bfloat16


class Program(NamedTuple):
    """What a stack runs: a module, its layout, and the stacked functions of it.

    `gradient(params (M, P), buffers, x (M, B, ...), y (M, B)) -> grads, buffers`, with the
    gradients of the loss by parameter tensor, (M, n) each;
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


def make_program(
    module: nn.Module, loss: Loss, example: tuple[Tensor, Tensor] | None = None, mixed: bool = False
) -> Program:
    """The program of one module and one loss; `mixed`: its products in bfloat16 (torch.autocast).

    With an `example` batch, x (B, ...) and y (B,), a module that can't be stacked is found out, and
    its members train one at a time; so is one that takes its parameters in its own order alone. Without
    one it is taken for granted that the module stacks. Raises BadInput as `stackable.tried`.
    """
    single, refusal = Single(module, layout_of(module), loss, mixed), None
    if example is not None:
        forms = [single._replace(layout=layout) for layout in layouts_of(module)]
        single, refusal = tried(forms, example, NEAR_MIXED if mixed else NEAR)
    dropouts = tuple(name for name, part in module.named_modules() if isinstance(part, Dropout))
    if refusal is not None:
        return Program(module, single.layout, *looped(single), dropouts, refusal)
    gradient, *outputs = stacked(single)
    evaluation, training = map(ByShape, outputs)
    return Program(module, single.layout, ByShape(gradient), evaluation, training, dropouts)
