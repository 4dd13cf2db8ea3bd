"""Recurrent cells and their scan over time, with its gradient written out for a whole stack of models.

torch's own recurrent kernels refuse `vmap`; `fused_lstm` calls the one that is faster than a scan. Shapes:
M models, T steps, F inputs, H units, B examples. Features come before examples, so that a gate of a step's
product (M, gates x H, B) is one block of memory. A step reads R = H + F + 1 rows: its state, the input and
a 1, so that one matrix (R, gates x H) holds both weights and the biases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from harness.catalogue.activations import sigmoid

Tensors = tuple[Tensor, ...]
aten = torch.ops.aten


class Product(NamedTuple):
    """The gradient of a step's product (M, gates x H, B), and its gates as views (M, H, B)."""

    whole: Tensor
    gates: Tensors


class Cell(NamedTuple):
    """One step of a recurrence and its gradient. States are (M, H, B); the first is the output.

    `weight(of_x, of_h) -> (R, gates x H)`: the product's matrix, from the rows (R, torch's gates x H) that
    multiply x and its bias, zeros for h, and from those that multiply h and its bias, zeros for x.
    `step(product, states) -> states, kept`: the next states, and what else the gradient needs.
    `back(grads, kept, out) -> grads`: takes the gradients of the next states, and the earlier states but
    the first followed by what was kept; writes the product's gradient to `out`; returns those of the
    earlier states, None for one that the product alone reads.
    """

    weight: Callable[[Tensor, Tensor], Tensor]
    step: Callable[[Tensor, Tensors], tuple[Tensors, Tensors]]
    back: Callable[[Tensors, Tensors, Product], tuple[Tensor | None, ...]]
    gates: int  # of the product
    torch_gates: int
    states: int
    source: str


def _gates(x: Tensor, count: int) -> Tensors:
    """(M, count x H, B) -> one (M, H, B) a gate."""
    return torch.split_with_sizes(x, [x.shape[1] // count] * count, 1)


def _tanh(x: Tensor, scale: float = 1) -> Tensor:
    """tanh(scale x) by a sigmoid, off by 1e-7 at most in float32: torch's own takes four times as long."""
    return torch.rsub(sigmoid(x * (-2 * scale)), 1, alpha=2)


def _rnn_weight(of_x: Tensor, of_h: Tensor) -> Tensor:
    return of_x + of_h


def _rnn_step(product: Tensor, _states: Tensors) -> tuple[Tensors, Tensors]:
    """h' = tanh a = 1 - 2 s with s = sigmoid(-2 a): see `_tanh`."""
    share = sigmoid(product * -2)
    return (torch.rsub(share, 1, alpha=2),), (share,)


def _rnn_back(grads: Tensors, kept: Tensors, out: Product) -> tuple[None]:
    """dh' / da = 4 s (1 - s)."""
    aten.sigmoid_backward.grad_input(grads[0], kept[0], grad_input=out.whole)
    out.whole.mul_(4)
    return (None,)


def _lstm_weight(of_x: Tensor, of_h: Tensor) -> Tensor:
    """Twice the weights of g: with tanh a = 2 sigmoid(2 a) - 1, all four gates are one sigmoid."""
    enter, keep, new, output = (of_x + of_h).chunk(4, 1)
    return torch.cat([enter, keep, new + new, output], 1)


def _lstm_step(product: Tensor, states: Tensors) -> tuple[Tensors, Tensors]:
    """c' = f c + i g and h' = o tanh c', with i, f, o sigmoids and g tanh. The state is c / 2."""
    gates = sigmoid(product)
    enter, keep, new, output = _gates(gates, 4)
    half_new = new - 0.5
    half = torch.addcmul(keep * states[1], enter, half_new)
    squashed = _tanh(half, 2)
    return (output * squashed, half), (gates, half_new, squashed)


def _lstm_back(grads: Tensors, kept: Tensors, out: Product) -> tuple[None, Tensor]:
    (d_hidden, d_half), (half, gates, half_new, squashed) = grads, kept
    enter, keep, _, output = _gates(gates, 4)
    d_enter, d_keep, d_new, d_output = out.gates
    d_half = torch.addcmul(d_half, d_hidden, aten.tanh_backward(output, squashed), value=2)
    torch.mul(d_half, half_new, out=d_enter)
    torch.mul(d_half, half, out=d_keep)
    torch.mul(d_half, enter, out=d_new)
    torch.mul(d_hidden, squashed, out=d_output)
    aten.sigmoid_backward.grad_input(out.whole, gates, grad_input=out.whole)
    return None, d_half * keep


def _gru_weight(of_x: Tensor, of_h: Tensor) -> Tensor:
    """The third gate's two products stay apart: r multiplies that of h alone."""
    n = of_x.shape[1] // 3
    both, new_x = torch.split(of_x, [2 * n, n], 1)
    both_h, new_h = torch.split(of_h, [2 * n, n], 1)
    return torch.cat([both + both_h, new_x, new_h], 1)


def _gru_step(product: Tensor, states: Tensors) -> tuple[Tensors, Tensors]:
    """h' = n + z (h - n), with r, z sigmoids and n = tanh(a + r b)."""
    n = states[0].shape[1]
    both, new_x, new_h = torch.split_with_sizes(product, [2 * n, n, n], 1)
    gates = sigmoid(both.contiguous())  # one row after another: padded as a whole
    reset, update = _gates(gates, 2)
    new = _tanh(torch.addcmul(new_x, reset, new_h))
    change = states[0] - new
    return (torch.addcmul(new, update, change),), (gates, new_h, new, change)


def _gru_back(grads: Tensors, kept: Tensors, out: Product) -> tuple[Tensor]:
    (d_hidden,), (gates, new_h, new, change) = grads, kept
    reset, update = _gates(gates, 2)
    d_reset, d_update, d_new_x, d_new_h = out.gates
    through = d_hidden * update
    aten.tanh_backward.grad_input(d_hidden - through, new, grad_input=d_new_x)
    torch.mul(d_new_x, reset, out=d_new_h)
    torch.mul(d_new_x, new_h, out=d_reset)
    torch.mul(d_hidden, change, out=d_update)
    both = out.whole[:, : gates.shape[1]]
    aten.sigmoid_backward.grad_input(both, gates, grad_input=both)
    return (through,)


LSTM_SOURCE = "Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000"
CELLS = {
    "rnn": Cell(_rnn_weight, _rnn_step, _rnn_back, 1, 1, 1, "Elman 1990"),
    "lstm": Cell(_lstm_weight, _lstm_step, _lstm_back, 4, 4, 2, LSTM_SOURCE),
    "gru": Cell(_gru_weight, _gru_step, _gru_back, 4, 3, 1, "Cho et al. 2014"),
}


class Scan(torch.autograd.Function):
    """T steps of a cell from states of zeros, of weight (M, R, gates x H) and x (T, M, F + 1, B).

    Returns the T outputs, each (M, H, B), and then, where `keep`, what the gradient needs. Products are
    in `dtype`, all else in the dtype of x. Under `vmap` its models are put beside those there already.
    """

    @staticmethod
    def forward(weight: Tensor, x: Tensor, cell: Cell, dtype: torch.dtype, keep: bool) -> Tensors:
        """Step by step, forwards in time."""
        factor = weight.to(dtype).transpose(1, 2)
        start = x.new_zeros(len(weight), factor.shape[1] // cell.gates, x.shape[-1])
        states: Tensors = (start,) * cell.states
        outputs: list[Tensor] = []
        kept: list[Tensor] = []
        for given in x.unbind(0):
            read = torch.cat([states[0], given], 1).to(dtype)
            before = states[1:]
            states, own = cell.step(torch.bmm(factor, read).to(x.dtype), states)
            outputs.append(states[0])
            if keep:
                kept += [read, *before, *own]
        return (*outputs, *kept)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        """Keep what the gradient needs."""
        weight, x, ctx.cell, ctx.dtype, _ = inputs
        ctx.n_steps = len(x)
        kept = output[len(x) :]
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*kept)
        ctx.save_for_backward(weight, *kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Step by step, backwards in time; an output without a gradient has None."""
        weight, *kept = ctx.saved_tensors
        cell, n_steps, with_x = ctx.cell, ctx.n_steps, ctx.needs_input_grad[1]
        each = len(kept) // n_steps
        n, batch = weight.shape[2] // cell.gates, kept[0].shape[-1]
        factor = (weight if with_x else weight[:, :n]).to(ctx.dtype)
        out = _product(weight, cell.gates, batch)
        d_weight, d_x = torch.zeros_like(weight), []
        d_states: Tensors = (weight.new_zeros(len(weight), n, batch),) * cell.states
        for step in reversed(range(n_steps)):
            read, *own = kept[each * step : each * (step + 1)]
            earlier = cell.back(_added(grads[step], d_states), tuple(own), out)
            d_product = out.whole.to(ctx.dtype)
            d_weight = d_weight + torch.bmm(read, d_product.transpose(1, 2))
            d_read = torch.bmm(factor, d_product).to(weight.dtype)
            d_states = _added(earlier[0], (d_read[:, :n], *earlier[1:]))
            d_x.append(d_read[:, n:])
        return d_weight, torch.stack(d_x[::-1]) if with_x else None, None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], weight: Tensor, x: Tensor, *rest: Any
    ) -> tuple[Tensors, tuple[int, ...]]:
        """All models as one axis M. Outputs get their own axis of models back; what is kept nobody reads."""
        weight = joined(weight, in_dims[0], 0, info.batch_size)
        x = joined(x, in_dims[1], 1, info.batch_size)
        results: Tensors = Scan.apply(weight, x, *rest)  # type: ignore[no-untyped-call]
        outputs = (output.view(info.batch_size, -1, *output.shape[1:]) for output in results[: len(x)])
        return (*outputs, *results[len(x) :]), (0,) * len(results)


def joined(value: Tensor, mapped: int | None, models: int, m: int) -> Tensor:
    """The axis that `vmap` maps, of size m, joined with the axis of models; repeated if there is none."""
    value = value.expand(m, *value.shape) if mapped is None else value.movedim(mapped, 0)
    return value.movedim(0, models).flatten(models, models + 1)


def _product(weight: Tensor, gates: int, batch: int) -> Product:
    whole = weight.new_empty(len(weight), weight.shape[2], batch)
    return Product(whole, _gates(whole, gates))


def _added(grad: Tensor | None, states: Tensors) -> Tensors:
    """The gradients of states with another of the first; in its own order, which an output's may not be."""
    return states if grad is None else (grad.contiguous() + states[0], *states[1:])
