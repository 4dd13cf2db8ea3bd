"""Augmentations: training inputs changed anew at every step, by draws that are each trial's own.

An augmentation maps x (M, B, *features), a key (M,) and a strength (M,) in [0, 1] to inputs of the
same shape. Draws are a hash of (key, example in the batch, element), so that they depend neither on
the stack nor on the device; strength 0 changes nothing. One new augmentation is one function and one
table line.

Features are a sequence (length,) or an image (height, width), standardised.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from harness.catalogue.activations import in_whole_vectors
from harness.catalogue.dropout import mix, uniform
from harness.words.ranges import OwnRange

STREAM = 0x27D4EB2F  # keeps these draws apart from those of dropout layers, whose keys are mixed too


class Augmentation(NamedTuple):
    """A change of training inputs, what its strength s means, and the range that studies search it in."""

    function: Callable[[Tensor, Tensor, Tensor], Tensor]
    strength: str
    range: OwnRange
    formula: str
    source: str


def augmented(name: str, x: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """A step's inputs x (M, B, *features) changed by the augmentation `name`; key and strength (M,)."""
    return AUGMENTATIONS[name].function(x, mix(key ^ STREAM), strength)


def none(x: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Return x itself."""
    del key, strength
    return x


def shift(x: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Each example rolled along every axis by a whole number of points, uniform in -d..d."""
    draws = _uniform(x, key, x.dim() - 2)
    for axis in range(2, x.dim()):
        n = x.shape[axis]
        most = _beside(x, torch.round(strength * n))
        offset = torch.floor(_beside(x, draws[..., axis - 2]) * (2 * most + 1)) - most
        source = (_positions(x, axis) - offset.long()) % n
        x = x.gather(axis, source.expand(x.shape))
    return x


def scale(x: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Each example times a factor of its own, uniform in 1-s..1+s."""
    u = _beside(x, _uniform(x, key, 1))
    return x * (1 + _beside(x, strength) * (2 * u - 1)).to(x.dtype)


def noise(x: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Plus a normal draw an element: sqrt(2) erfinv(2u - 1), u uniform."""
    u = uniform(key, x[0].numel()).view(x.shape)
    centred = (2 * u - 1) + 2.0**-24  # midpoints of cells, exact in float32: never -1, where erfinv ends
    normal = in_whole_vectors(torch.erfinv, centred).to(x.dtype)
    return x + _beside(x, math.sqrt(2) * strength).to(x.dtype) * normal


def flip(x: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Some examples with their last axis reversed: a wrong change of curves and digits, for a control."""
    chosen = _beside(x, _uniform(x, key, 1)) < _beside(x, strength)
    return torch.where(chosen, x.flip(-1), x)


def mask(x: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Each example with a window at a random place set to 0; the window goes on at the other end."""
    draws = _uniform(x, key, x.dim() - 2)
    inside = x.new_ones((), dtype=torch.bool)
    for axis in range(2, x.dim()):
        n = x.shape[axis]
        width = _beside(x, torch.round(strength * n))
        first = torch.floor(_beside(x, draws[..., axis - 2]) * n).long()
        inside = inside & ((_positions(x, axis) - first) % n < width)
    return torch.where(inside, 0.0, x)


def _uniform(x: Tensor, key: Tensor, n: int) -> Tensor:
    """n draws an example, (M, B, n) float64 in (0, 1): midpoints of the 2^24 cells of `uniform`."""
    draws = uniform(key, x.shape[1] * n).view(*x.shape[:2], n)
    return draws.double() + 2.0**-25


def _beside(x: Tensor, values: Tensor) -> Tensor:
    """Values a model (M,) or an example (M, B), shaped to stand beside x (M, B, *features)."""
    per_example = values.reshape(len(x), -1)
    return per_example.view(*per_example.shape, *[1] * (x.dim() - 2))


def _positions(x: Tensor, axis: int) -> Tensor:
    """0, 1, ... along an axis of x, shaped to stand beside x."""
    return torch.arange(x.shape[axis], device=x.device).view(-1, *[1] * (x.dim() - 1 - axis))


SHARE = OwnRange(0.02, 0.5, log=False)

# In formulas u is uniform in (0, 1) and z standard normal; n is an axis's length, and i a place on it.
AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(none, "unused", SHARE, "x", "control"),
    "shift": Augmentation(
        shift,
        "largest shift, as a share of the axis",
        SHARE,
        "x[(i - d) mod n], d = floor((2 m + 1) u) - m, m = round(s n)",
        "LeCun et al. 1998",
    ),
    "scale": Augmentation(scale, "largest relative change", SHARE, "x (1 + s (2 u - 1))", "Um et al. 2017"),
    "noise": Augmentation(noise, "standard deviation", SHARE, "x + s z", "Bishop 1995"),
    "flip": Augmentation(
        flip, "share of examples changed", SHARE, "x[n - 1 - i] if u < s else x[i]", "control: a wrong change"
    ),
    "mask": Augmentation(
        mask,
        "the window's sides, as a share of the axes",
        SHARE,
        "0 if (i - floor(n u)) mod n < round(s n) else x[i]",
        "DeVries and Taylor 2017",
    ),
}
