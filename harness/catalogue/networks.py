"""Networks: plain `nn.Module`s, and how a study's `model` section builds one.

A network maps inputs (B, *features) to outputs (B, outputs). One new network: an options class, a
module, one line in NETWORKS. A user's own class needs none of it (`own_network`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from harness.catalogue.activations import ACTIVATIONS
from harness.catalogue.attention import AttentionOptions, attention
from harness.catalogue.cnn import CnnOptions, cnn1d, cnn2d
from harness.catalogue.dropout import Dropout, Rate
from harness.catalogue.inits import InitOptions
from harness.catalogue.normalisation import NORMALISATIONS
from harness.catalogue.rnn import RnnOptions, rnn
from harness.words.base import Word
from harness.words.limits import MOST_LAYERS, SomeLayers, Units

Shape = tuple[int, ...]


class MlpOptions(InitOptions):
    """Widths of the hidden layers, or `width` and `depth` for equal ones; the rest is by layer.

    `skip` adds a layer's input to its output where their widths are equal.
    """

    widths: list[Units] | None = Field(default=None, max_length=MOST_LAYERS)
    width: Units | None = None
    depth: SomeLayers | None = None
    activation: str = "relu"
    init: str = "he_normal"
    normalisation: Literal["none", "batch_norm", "layer_norm"] = "none"
    dropout: Rate = 0.0
    skip: bool = False
    bias: bool = True
    output_activation: str = "identity"

    @model_validator(mode="after")
    def _one_way(self) -> MlpOptions:
        if self.widths is not None and not (self.width is None and self.depth is None):
            raise ValueError("give widths, or width and depth, not both")
        return self

    def hidden(self) -> list[int]:
        """The widths of the hidden layers; two of 100 where nothing is said."""
        if self.widths is not None:
            return list(self.widths)
        return [self.width or 100] * (2 if self.depth is None else self.depth)


class Layer(nn.Module):
    """Linear, then normalisation, activation and dropout, then the skip."""

    def __init__(self, fan_in: int, fan_out: int, options: MlpOptions, index: int) -> None:
        super().__init__()
        self.linear = nn.Linear(fan_in, fan_out, bias=options.bias)
        self.norm = _norm(options.normalisation, fan_out)
        self.activation = ACTIVATIONS[options.activation].layer()
        self.dropout = Dropout(options.dropout, index) if options.dropout > 0 else None
        self.skip = options.skip and fan_in == fan_out

    def forward(self, x: Tensor) -> Tensor:
        """x (B, fan_in) -> (B, fan_out)."""
        h = self.linear(x)
        h = self.activation(h if self.norm is None else self.norm(h))
        h = h if self.dropout is None else self.dropout(h)
        return x + h if self.skip else h


class Mlp(nn.Module):
    """A multilayer perceptron: hidden layers, then a linear output layer."""

    def __init__(self, options: MlpOptions, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        sizes = [n_inputs, *options.hidden()]
        pairs = pairwise(sizes)
        self.hidden = nn.ModuleList(Layer(i, o, options, k) for k, (i, o) in enumerate(pairs))
        self.output = nn.Linear(sizes[-1], n_outputs, bias=options.bias)
        self.output_activation = ACTIVATIONS[options.output_activation].layer()

    def forward(self, x: Tensor) -> Tensor:
        """x (B, *features) -> (B, n_outputs)."""
        h = x.flatten(1)
        for layer in self.hidden:
            h = layer(h)
        return self.output_activation(self.output(h))


class Network(NamedTuple):
    """A network's options and how it is built. `varying` options may differ inside a stack."""

    options: type[Word]
    build: Callable[[Any, Shape, int], nn.Module]
    varying: Sequence[str]
    formula: str
    source: str


def _norm(kind: str, width: int) -> nn.Module | None:
    layer = NORMALISATIONS[kind].layer
    return None if layer is None else layer(width)


def _mlp(options: MlpOptions, features: Shape, n_outputs: int) -> nn.Module:
    return Mlp(options, torch.Size(features).numel(), n_outputs)


CONVOLUTIONAL = "W pool(h_L) + b, h_l = f(K_l * h_(l-1) + b_l)"

NETWORKS: dict[str, Network] = {
    "mlp": Network(
        MlpOptions, _mlp, ("dropout",), "W h_L + b, h_l = f(W_l h_(l-1) + b_l)", "Rumelhart et al. 1986"
    ),
    "cnn1d": Network(CnnOptions, cnn1d, ("dropout",), CONVOLUTIONAL, "LeCun et al. 1998"),
    "cnn2d": Network(CnnOptions, cnn2d, ("dropout",), CONVOLUTIONAL, "LeCun et al. 1998"),
    "rnn": Network(
        RnnOptions,
        rnn,
        ("dropout",),
        "W read(h_1, ..., h_T) + b, h_t = cell(x_t, h_(t-1))",
        "Elman 1990; Hochreiter and Schmidhuber 1997",
    ),
    "attention": Network(
        AttentionOptions,
        attention,
        ("dropout",),
        "W mean_t h_t + b of encoder blocks with softmax(Q K'/sqrt(d)) V",
        "Vaswani et al. 2017",
    ),
}
