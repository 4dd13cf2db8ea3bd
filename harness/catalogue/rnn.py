"""Recurrent networks, unrolled over time from matrix products: torch's own kernels refuse `vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from harness.catalogue.activations import sigmoid
from harness.catalogue.dropout import Dropout
from harness.catalogue.inits import InitOptions
from harness.errors import BadInput

Shape = tuple[int, ...]
Hidden = tuple[Tensor, ...]  # what a cell carries on, each (B, H); the first is its output


class RnnOptions(InitOptions):
    """A recurrent layer of `hidden` units; `bidirectional` has a second one read from the end.

    `readout`: the output layer sees the last state of each direction, the mean over time, or all.
    """

    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    hidden: PositiveInt = 32
    bidirectional: bool = False
    readout: Literal["last", "mean", "all"] = "last"
    init: str = "xavier_uniform"
    dropout: float = Field(default=0.0, ge=0, lt=1, description="before the output layer")


def _tanh(x: Tensor) -> Tensor:
    """tanh x = 2 sigmoid(2 x) - 1, off by 1e-7 at most in float32: torch's own takes four times as long."""
    return sigmoid(x + x) * 2 - 1


def _rnn(wx: Tensor, wh: Tensor, hidden: Hidden) -> Hidden:
    """h' = tanh(W x + U h)."""
    del hidden
    return (_tanh(wx + wh),)


def _lstm(wx: Tensor, wh: Tensor, hidden: Hidden) -> Hidden:
    """c' = f c + i g and h' = o tanh(c'), with i, f, o sigmoids and g tanh of W x + U h."""
    # Split rather than sliced: the gradient of a slice is a whole tensor of zeros around it.
    # Each gate by itself comes out contiguous, and what follows runs twice as fast on it.
    enter, keep, new, output = torch.split(wx + wh, hidden[0].shape[-1], -1)
    cell = sigmoid(keep) * hidden[1] + sigmoid(enter) * _tanh(new)
    return sigmoid(output) * _tanh(cell), cell


def _gru(wx: Tensor, wh: Tensor, hidden: Hidden) -> Hidden:
    """h' = (1 - z) n + z h, with r, z sigmoids of W x + U h and n = tanh(W x + r (U h))."""
    n = hidden[0].shape[-1]
    gates_x, new_x = torch.split(wx, [2 * n, n], -1)
    gates_h, new_h = torch.split(wh, [2 * n, n], -1)
    reset, update = torch.split(sigmoid(gates_x + gates_h), n, -1)
    new = _tanh(new_x + reset * new_h)
    return (new + update * (hidden[0] - new),)


class Cell(NamedTuple):
    """One step of a recurrence, from the two products (B, gates x H).

    Where the products are only ever added, both biases are in the first: once for all steps.
    """

    step: Callable[[Tensor, Tensor, Hidden], Hidden]
    gates: int
    states: int
    added: bool
    source: str


CELLS = {
    "rnn": Cell(_rnn, 1, 1, True, "Elman 1990"),
    "lstm": Cell(_lstm, 4, 2, True, "Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000"),
    "gru": Cell(_gru, 3, 1, False, "Cho et al. 2014"),
}


class Recurrent(nn.Module):
    """One direction of a recurrent layer; gates in the order of torch's `nn.LSTM` and `nn.GRU`."""

    def __init__(self, cell: str, n_features: int, hidden: int) -> None:
        super().__init__()
        self.cell, self.n_hidden = CELLS[cell], hidden
        self.input = nn.Linear(n_features, self.cell.gates * hidden)
        self.recurrent = nn.Linear(hidden, self.cell.gates * hidden)

    def forward(self, x: Tensor) -> list[Tensor]:
        """x (T, B, F) -> T outputs (B, H)."""
        steps, batch = x.shape[:2]
        first, then = self._biases()
        products = F.linear(x.flatten(0, 1), self.input.weight, first).view(steps, batch, -1).unbind(0)
        hidden: Hidden = (x.new_zeros(batch, self.n_hidden),) * self.cell.states
        outputs = []
        for wx in products:
            wh = F.linear(hidden[0], self.recurrent.weight, then)
            hidden = self.cell.step(wx, wh, hidden)
            outputs.append(hidden[0])
        return outputs

    def _biases(self) -> tuple[Tensor, Tensor | None]:
        """What is added to the first product, for all steps at once, and to the second, at each."""
        first, then = self.input.bias, self.recurrent.bias
        return (first + then, None) if self.cell.added else (first, then)


class Rnn(nn.Module):
    """A recurrent layer over T steps of F features, then a linear output layer."""

    def __init__(self, options: RnnOptions, features: Shape, n_outputs: int) -> None:
        super().__init__()
        n_features = features[1] if len(features) == 2 else 1
        directions = 2 if options.bidirectional else 1
        self.readout = options.readout
        self.directions = nn.ModuleList(
            Recurrent(options.cell, n_features, options.hidden) for _ in range(directions)
        )
        self.dropout = Dropout(options.dropout) if options.dropout > 0 else None
        steps = features[0] if options.readout == "all" else 1
        self.output = nn.Linear(directions * options.hidden * steps, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T) or (B, T, F) -> (B, n_outputs)."""
        x = (x if x.dim() == 3 else x.unsqueeze(-1)).transpose(0, 1)
        outputs = [direction(x.flip(0) if i else x) for i, direction in enumerate(self.directions)]
        read = self._read(outputs)
        return self.output(read if self.dropout is None else self.dropout(read))  # type: ignore[no-any-return]

    def _read(self, outputs: list[list[Tensor]]) -> Tensor:
        if self.readout == "last":
            return torch.cat([direction[-1] for direction in outputs], -1)
        in_time = [direction[::-1] if i else direction for i, direction in enumerate(outputs)]
        if self.readout == "mean":
            return torch.cat([torch.stack(direction).mean(0) for direction in in_time], -1)
        return torch.cat([part for step in zip(*in_time, strict=True) for part in step], -1)


def rnn(options: RnnOptions, features: Shape, n_outputs: int) -> nn.Module:
    """A recurrent net for sequences (T,) or (T, F). Raises BadInput for another shape."""
    if len(features) not in (1, 2):
        raise BadInput(f"rnn reads examples of shape (T,) or (T, F); these data have {features}")
    return Rnn(options, features, n_outputs)
