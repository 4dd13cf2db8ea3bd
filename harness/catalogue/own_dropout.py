"""Dropout in a user's own network, whose forward pass may call one layer at several places."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from harness.catalogue.dropout import Dropout
from harness.errors import BadInput


class OwnDropout(Dropout):
    """Dropout that draws anew at every call of a pass; at the first one as a `Dropout` of its layer does.

    `layers`: how many of the module's layers are numbered, so that no two calls share a number.
    """

    def __init__(self, rate: float, layer: int, layers: int, whole_channels: bool = False) -> None:
        super().__init__(rate, layer, whole_channels)
        self.first, self.layers = layer, layers
        self.calls, self.in_pass = 0, False

    def forward(self, x: Tensor) -> Tensor:
        """x (B, ...) -> (B, ...). Raises BadInput where a checkpoint asks for one of several calls again."""
        if self.training:
            if not self.in_pass and self.calls > 1:
                raise BadInput(
                    "a torch.utils.checkpoint runs a dropout again that its pass calls at several places, "
                    "and can't be told which of its draws to repeat; use one nn.Dropout a place"
                )
            call = self.calls if self.in_pass else 0  # what a checkpoint repeats was the first
            self.layer = self.first + self.layers * call
            if self.in_pass:
                self.calls += 1
        return super().forward(x)


def count_calls(module: nn.Module) -> None:
    """Have the dropouts of a module number their calls, from 0 in each of its passes."""
    own = [part for part in module.modules() if isinstance(part, OwnDropout)]
    if own:
        module.register_forward_pre_hook(lambda *_: _begin(own))
        module.register_forward_hook(lambda *_: _end(own))


def _begin(own: Sequence[OwnDropout]) -> None:
    for part in own:
        part.calls, part.in_pass = 0, True


def _end(own: Sequence[OwnDropout]) -> None:
    for part in own:
        part.in_pass = False
