"""An LSTM by the kernel that `nn.LSTM` runs on a CPU, oneDNN's, for a whole stack: one model after another.

It keeps a model's steps in the processor's caches: of 32 units or more it takes half to nine tenths of the
time of a scan by matrix products. A model runs the same kernel on the same shapes alone and in a stack.
Shapes: M models, T steps, B examples, F inputs, H units; gates in the order of `nn.LSTM`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from harness.catalogue.recurrence import joined

Options = tuple[bool | int | list[int], ...]

aten = torch.ops.aten

UNITS = 32  # of fewer a scan is faster, whose steps take many models at once
LSTM = 2  # ATen's number for this kind of cell
HAS_KERNEL: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def is_fused(x: Tensor, units: int) -> bool:
    """Whether the kernel is what such inputs run fastest: enough units, and float32 on a CPU that has it."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and units >= UNITS and HAS_KERNEL


class FusedLstm(torch.autograd.Function):
    """T steps from states of zeros, of x (M, T, B, F) -> every output (M, T, B, H), or the last (M, B, H).

    Weights of the inputs (M, 4H, F), of the state (M, 4H, H), and a bias (M, 4H) with each. Returned too
    is, where `keep`, what the gradient needs. Under `vmap` its models are put beside those there already.
    """

    @staticmethod
    def forward(*given: Any) -> tuple[Tensor, ...]:
        """Model by model. `given`: x, both weights, both biases, whether to return every output, `keep`."""
        *tensors, every, keep = given
        return tuple(torch.ops.harness.lstm(tensors, every, keep))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what the gradient needs."""
        *tensors, ctx.every, _ = inputs
        _, *kept = output
        ctx.n_given = len(tensors)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*kept)
        ctx.save_for_backward(*tensors, *kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor | None, ...]:
        """Model by model."""
        given, kept = ctx.saved_tensors[: ctx.n_given], ctx.saved_tensors[ctx.n_given :]
        grads = torch.ops.harness.lstm_backward(grad, given, kept, ctx.every)
        return (*grads, None, None)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """All models as one axis M. The output gets its own axis back; nobody reads what is kept."""
        *tensors, every, keep = inputs
        joint = [joined(value, dim, 0, info.batch_size) for value, dim in zip(tensors, in_dims, strict=False)]
        output, *kept = FusedLstm.apply(*joint, every, keep)  # type: ignore[no-untyped-call]
        return (output.view(info.batch_size, -1, *output.shape[1:]), *kept), (0,) * (1 + len(kept))


def _forward(given: list[Tensor], every: bool, keep: bool) -> list[Tensor]:
    """What is asked of all models, stacked; then of each, where `keep`, all that its run gave."""
    start = _start(given)
    runs = [_run(own, start, keep) for own in _models(*given)]
    output = torch.stack([run[0 if every else 1] for run in runs])
    return [output, *(part for run in runs for part in run)] if keep else [output]


def _backward(grad: Tensor, given: list[Tensor], kept: list[Tensor], every: bool) -> list[Tensor]:
    """The gradients of x, of both weights and of both biases, from that of what `_forward` returned."""
    start = _start(given)
    options: Options = (False, LSTM, start.shape[1], 1, True, True, False, [], False)
    none = start.new_zeros(given[0].shape[1], *start.shape)
    runs = zip(*[iter(kept)] * (len(kept) // len(grad)), strict=True)
    grads = []
    for (*own, towards), (*results, workspace) in zip(_models(*given, grad), runs, strict=True):
        asked = (towards, none[0], none[0]) if every else (none, towards, none[0])
        its = aten.mkldnn_rnn_layer_backward(*own, start, start, *results, *asked, *options, workspace)
        grads.append(its[: len(given)])
    return [torch.stack(parts) for parts in zip(*grads, strict=True)]


def _run(own: list[Tensor], start: Tensor, keep: bool) -> tuple[Tensor, ...]:
    """All outputs of one model, the last, the last state, and what its gradient needs, where `keep`."""
    options: Options = (False, [], LSTM, start.shape[1], 1, True, False, False, keep)
    with torch.set_grad_enabled(keep):  # the kernel keeps nothing without
        results: tuple[Tensor, ...] = aten.mkldnn_rnn_layer(*own, start, start, *options)
    return results


def _start(given: list[Tensor]) -> Tensor:
    """A model's state before the first step (B, H)."""
    x, _, of_h, *_ = given
    return x.new_zeros(x.shape[2], of_h.shape[2])


def _models(*stacked: Tensor) -> Iterator[list[Tensor]]:
    """Every model's own tensors, in the order of memory that the kernel takes for granted."""
    return ([value.contiguous() for value in own] for own in zip(*stacked, strict=True))


def _library() -> torch.library.Library:
    """Both as operations of torch's, so that a recorded step calls them like any other; while it is held."""
    library = torch.library.Library("harness", "DEF")  # type: ignore[no-untyped-call]
    for name, schema, function in (
        ("lstm", "(Tensor[] given, bool every, bool keep) -> Tensor[]", _forward),
        ("lstm_backward", "(Tensor grad, Tensor[] given, Tensor[] kept, bool every) -> Tensor[]", _backward),
    ):
        library.define(name + schema)  # type: ignore[no-untyped-call]
        library.impl(name, function, "CPU")  # type: ignore[no-untyped-call]
    return library


LIBRARY = _library()
