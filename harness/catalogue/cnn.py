"""Convolutional networks for sequences and images."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from harness.catalogue.activations import ACTIVATIONS
from harness.catalogue.convolution import Convolution, length_after
from harness.catalogue.dropout import Dropout, Rate
from harness.catalogue.inits import InitOptions
from harness.catalogue.normalisation import BatchNorm
from harness.errors import BadInput
from harness.words.limits import MOST_LAYERS, SomeUnits, Units

Shape = tuple[int, ...]


class CnnOptions(InitOptions):
    """Channels and kernel of each convolution; a single kernel is that of all.

    `pool: average` averages each channel over positions before the linear output, `flatten` keeps
    every position. `padding` is the number of zeros at each end, or "half" the kernel.
    """

    channels: list[Units] = Field(default=[25, 25, 25], min_length=1, max_length=MOST_LAYERS)
    kernels: list[Units] = Field(default=[3], min_length=1)
    stride: Units = 2
    padding: SomeUnits | Literal["half"] = "half"
    activation: str = "relu"
    init: str = "he_normal"
    normalisation: Literal["none", "batch_norm"] = "none"
    dropout: Rate = 0.0
    pool: Literal["flatten", "average"] = "flatten"

    @model_validator(mode="after")
    def _a_kernel_each(self) -> CnnOptions:
        if len(self.kernels) not in (1, len(self.channels)):
            raise ValueError(
                f"found {len(self.kernels)} kernels for {len(self.channels)} layers; give one, or one a layer"
            )
        return self

    def each_kernel(self) -> list[int]:
        """The kernel of every layer."""
        return self.kernels * len(self.channels) if len(self.kernels) == 1 else list(self.kernels)


class Block(nn.Module):
    """Convolution, then normalisation, activation and dropout; channels last."""

    def __init__(self, options: CnnOptions, index: int, channels: tuple[int, int], axes: int) -> None:
        super().__init__()
        kernel = (options.each_kernel()[index],) * axes
        self.convolution = Convolution(channels, kernel, options.stride, options.padding)
        self.norm = BatchNorm(channels[1]) if options.normalisation == "batch_norm" else None
        self.activation = ACTIVATIONS[options.activation].layer()
        self.dropout = Dropout(options.dropout, index) if options.dropout > 0 else None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, *positions, in) -> (B, *positions after, out)."""
        h = self.convolution(x)
        if self.norm is not None:
            h = self.norm(h.flatten(0, -2)).view(h.shape)
        h = self.activation(h)
        return h if self.dropout is None else self.dropout(h)


class Cnn(nn.Module):
    """Convolutions over `axes` axes, then a linear output layer.

    `features` is the shape of an example: (*positions) of one channel, or (channels, *positions).
    """

    def __init__(self, options: CnnOptions, features: Shape, n_outputs: int, axes: int) -> None:
        super().__init__()
        self.with_channels = len(features) == axes + 1
        self.pool = options.pool
        channels = pairwise([features[0] if self.with_channels else 1, *options.channels])
        self.blocks = nn.ModuleList(Block(options, i, pair, axes) for i, pair in enumerate(channels))
        positions = 1 if self.pool == "average" else prod(_positions_after(options, features[-axes:]))
        self.output = nn.Linear(options.channels[-1] * positions, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, *features) -> (B, n_outputs)."""
        h = x.movedim(1, -1) if self.with_channels else x.unsqueeze(-1)
        for block in self.blocks:
            h = block(h)
        if self.pool == "average":
            return self.output(h.flatten(1, -2).mean(1))  # type: ignore[no-any-return]
        return self.output(h.movedim(-1, 1).flatten(1))  # type: ignore[no-any-return]


def cnn1d(options: CnnOptions, features: Shape, n_outputs: int) -> nn.Module:
    """A net for sequences (L,) or (C, L). Raises BadInput for another shape."""
    return _cnn(options, features, n_outputs, 1)


def cnn2d(options: CnnOptions, features: Shape, n_outputs: int) -> nn.Module:
    """A net for images (H, W) or (C, H, W). Raises BadInput for another shape."""
    return _cnn(options, features, n_outputs, 2)


def _cnn(options: CnnOptions, features: Shape, n_outputs: int, axes: int) -> nn.Module:
    if len(features) not in (axes, axes + 1):
        allowed = {1: "(L,) or (C, L)", 2: "(H, W) or (C, H, W)"}[axes]
        raise BadInput(f"cnn{axes}d reads examples of shape {allowed}; these data have {features}")
    return Cnn(options, features, n_outputs, axes)


def _positions_after(options: CnnOptions, positions: Shape) -> list[int]:
    left = list(positions)
    for kernel in options.each_kernel():
        left = [length_after(n, kernel, options.stride, options.padding) for n in left]
    return left
