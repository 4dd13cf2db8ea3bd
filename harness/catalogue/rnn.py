"""Recurrent networks: a layer over time and a linear output layer."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from harness.catalogue.dropout import Dropout, Rate
from harness.catalogue.fused_lstm import FusedLstm, is_fused
from harness.catalogue.inits import InitOptions
from harness.catalogue.recurrence import CELLS, Scan
from harness.errors import BadInput
from harness.words.limits import Units

Shape = tuple[int, ...]


class RnnOptions(InitOptions):
    """A recurrent layer of `hidden` units; `bidirectional` has a second one read from the end.

    `readout`: the output layer sees the last state of each direction, the mean over time, or all.
    """

    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    hidden: Units = 32
    bidirectional: bool = False
    readout: Literal["last", "mean", "all"] = "last"
    init: str = "xavier_uniform"
    dropout: Rate = Field(default=0.0, description="before the output layer")


class Recurrent(nn.Module):
    """One direction of a recurrent layer; gates in the order of torch's `nn.LSTM` and `nn.GRU`."""

    def __init__(self, cell: str, n_features: int, hidden: int) -> None:
        super().__init__()
        self.cell = CELLS[cell]
        self.input = nn.Linear(n_features, self.cell.torch_gates * hidden)
        self.recurrent = nn.Linear(hidden, self.cell.torch_gates * hidden)

    def forward(self, x: Tensor, every: bool = True) -> list[Tensor]:
        """x (T, B, F) -> T outputs (B, H); the last alone unless `every`."""
        if self.cell is CELLS["lstm"] and is_fused(x, self.recurrent.in_features):
            return self._fused(x, every)
        steps, batch = x.shape[:2]
        given = torch.cat([x.transpose(1, 2), x.new_ones(steps, 1, batch)], 1)
        dtype = _dtype_of_products(x)
        with torch.autocast(x.device.type, enabled=False):
            weight = self._weight().unsqueeze(0)
            outputs: tuple[Tensor, ...] = Scan.apply(  # type: ignore[no-untyped-call]
                weight, given.unsqueeze(1), self.cell, dtype, torch.is_grad_enabled()
            )
        return [output.squeeze(0).t() for output in outputs[0 if every else steps - 1 : steps]]

    def _fused(self, x: Tensor, every: bool) -> list[Tensor]:
        weights = (self.input.weight, self.recurrent.weight, self.input.bias, self.recurrent.bias)
        of_one = (value.unsqueeze(0) for value in (x, *weights))
        keep = torch.is_grad_enabled()
        outputs: Tensor = FusedLstm.apply(*of_one, every, keep)[0].squeeze(0)  # type: ignore[no-untyped-call]
        return list(outputs) if every else [outputs]

    def _weight(self) -> Tensor:
        """The matrix of a step's product, (H + F + 1, gates x H): rows for the state, the input and a 1."""
        of_h, of_x = self.recurrent.weight.t(), self.input.weight.t()
        h_rows = torch.cat([of_h, torch.zeros_like(of_x), self.recurrent.bias.unsqueeze(0)])
        x_rows = torch.cat([torch.zeros_like(of_h), of_x, self.input.bias.unsqueeze(0)])
        return self.cell.weight(x_rows, h_rows)


def _dtype_of_products(x: Tensor) -> torch.dtype:
    """That of x, or the one that `torch.autocast` asks for."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


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
        every = self.readout != "last"
        outputs = [direction(x.flip(0) if i else x, every) for i, direction in enumerate(self.directions)]
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
