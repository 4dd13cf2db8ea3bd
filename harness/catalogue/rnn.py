"""Recurrent networks, unrolled over time from matrix products: torch's own kernels refuse `vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
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


def _rnn(wx: Tensor, wh: Tensor, hidden: Hidden) -> Hidden:
    """h' = tanh(W x + U h)."""
    del hidden
    return (torch.tanh(wx + wh),)


def _lstm(wx: Tensor, wh: Tensor, hidden: Hidden) -> Hidden:
    """c' = f c + i g and h' = o tanh(c'), with i, f, o sigmoids and g tanh of W x + U h."""
    # Split rather than sliced: the gradient of a slice is a whole tensor of zeros around it.
    # Each gate by itself comes out contiguous, and what follows runs twice as fast on it.
    enter, keep, new, output = torch.split(wx + wh, hidden[0].shape[-1], -1)
    cell = sigmoid(keep) * hidden[1] + sigmoid(enter) * torch.tanh(new)
    return sigmoid(output) * torch.tanh(cell), cell


def _gru(wx: Tensor, wh: Tensor, hidden: Hidden) -> Hidden:
    """h' = (1 - z) n + z h, with r, z sigmoids of W x + U h and n = tanh(W x + r (U h))."""
    n = hidden[0].shape[-1]
    gates_x, new_x = torch.split(wx, [2 * n, n], -1)
    gates_h, new_h = torch.split(wh, [2 * n, n], -1)
    reset, update = torch.split(sigmoid(gates_x + gates_h), n, -1)
    new = torch.tanh(new_x + reset * new_h)
    return (new + update * (hidden[0] - new),)


class Cell(NamedTuple):
    """One step of a recurrence, from the two products (B, gates x H)."""

    step: Callable[[Tensor, Tensor, Hidden], Hidden]
    gates: int
    states: int
    source: str


CELLS = {
    "rnn": Cell(_rnn, 1, 1, "Elman 1990"),
    "lstm": Cell(_lstm, 4, 2, "Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000"),
    "gru": Cell(_gru, 3, 1, "Cho et al. 2014"),
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
        products = self.input(x.flatten(0, 1)).view(steps, batch, -1).unbind(0)
        hidden: Hidden = (x.new_zeros(batch, self.n_hidden),) * self.cell.states
        outputs = []
        for wx in products:
            hidden = self.cell.step(wx, self.recurrent(hidden[0]), hidden)
            outputs.append(hidden[0])
        return outputs


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
