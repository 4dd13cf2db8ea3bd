"""What an activation costs: forward and backward of every one of the catalogue, by size."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from harness.catalogue.activations import ACTIVATIONS, VECTOR, Activation
from harness.running.timing.benchmark import Arm, Call, Pair, Setting

# Whole vectors, so that no activation pays for padding that only odd sizes need.
SIZES = (16 * VECTOR, 160 * VECTOR, 1_600 * VECTOR, 16_000 * VECTOR)
USUAL = SIZES[1]  # about a batch of 100 through 100 units


def settings() -> list[Setting]:
    """Every activation at every size."""
    return [Setting(name_of(n), _arms(n)) for n in SIZES]


def pairs() -> tuple[Pair, ...]:
    """The claim at the usual size, then at the others; that ReLU is cheap, against the sigmoid."""
    claimed = [Pair(name_of(n), "leaky_relu", "elu") for n in (USUAL, *(s for s in SIZES if s != USUAL))]
    return (*claimed, *(Pair(name_of(n), "relu", "sigmoid") for n in SIZES))


def name_of(size: int) -> str:
    """A size as readers see it."""
    return f"{size:,} elements"


def _arms(n: int) -> tuple[Arm, ...]:
    return tuple(Arm(name, partial(_start, activation, n), n) for name, activation in ACTIVATIONS.items())


def _start(activation: Activation, n: int) -> Call:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, generator=generator, requires_grad=True)
    above = torch.randn(n, generator=generator)  # the gradient that comes from the layer above
    layer = activation.layer()
    inputs = [x, *(layer.parameters() if isinstance(layer, nn.Module) else ())]
    return lambda: torch.autograd.grad(layer(x), inputs, above)
