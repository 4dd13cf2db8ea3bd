"""MNIST-1D: ten digit-like curves, padded, dilated, scaled, moved, sheared and covered with noise.

Source: Greydanus and Kobak, "Scaling down deep learning with MNIST-1D", ICML 2024. The draws follow
the authors' `mnist1d` package (Apache-2.0) number for number, from a generator of our own instead of
NumPy's global one; only the draws loop over examples, the rest is done on whole arrays (9,000
examples in about 0.1 s instead of 1.6).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, model_validator

from harness.catalogue.data.base import DATA_SEED, NO_SEED, Array, DataSet, Part, Seed, Splits, splits_of
from harness.catalogue.data.prepare import corrupted, generator, shuffled, standardised
from harness.words.base import Word
from harness.words.design import DataFacts
from harness.words.limits import Examples, SomeExamples

N_CLASSES = 10
FROZEN_SEED, FROZEN_TRAIN, FROZEN_TEST = 42, 4000, 1000

_PAD_LOW, _PAD_HIGH = 36, 60  # zeros appended to a template
_LONG = 12 + _PAD_HIGH  # points of a curve before it is subsampled
_LENGTH = 40  # points of an example
_MAX_SHIFT = 48  # points
_SCALE, _SHEAR = 0.4, 0.75
_SMOOTH_NOISE, _WHITE_NOISE = 0.25, 0.02  # standard deviations, the first before smoothing
_BLOCK = 1000  # examples drawn at a time
_TRAIN, _VAL, _TEST, _NOISE = range(4)  # streams of one data seed

_TEMPLATES = np.array([
    [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
    [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
    [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
    [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
    [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
    [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
    [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
    [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
    [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
    [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
])  # fmt: skip


class Mnist1dOptions(Word):
    """Options of `mnist1d`. Sizes in examples; with `frozen` they default to 3200, 800 and 1000."""

    n_train: Examples = 4000
    n_val: SomeExamples = 1000
    n_test: SomeExamples = 4000
    frozen: bool = Field(default=False, description="the published set of 4,000 and 1,000 examples")
    shuffled: bool = Field(default=False, description="points in one fixed random order")
    label_noise: float = Field(default=0.0, ge=0, lt=1, description="share of wrong training labels")

    @model_validator(mode="before")
    @classmethod
    def _frozen_sizes(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("frozen") is not True:
            return value
        n_val = value.get("n_val", 800)
        n_train = max(FROZEN_TRAIN - n_val, 1) if isinstance(n_val, int) else FROZEN_TRAIN
        return {"n_val": n_val, "n_train": n_train, "n_test": FROZEN_TEST, **value}

    @model_validator(mode="after")
    def _frozen_holds_them(self) -> Mnist1dOptions:
        if self.frozen and (self.n_train + self.n_val > FROZEN_TRAIN or self.n_test > FROZEN_TEST):
            raise ValueError(
                f"the frozen set has {FROZEN_TRAIN} examples for n_train + n_val and {FROZEN_TEST} for "
                f"n_test; found {self.n_train} + {self.n_val} and {self.n_test}; ask for fewer, or leave "
                "frozen out to draw as many as you like"
            )
        return self


def facts(options: Mnist1dOptions) -> DataFacts:
    """Sizes as asked; a fresh draw each replicate unless frozen."""
    return DataFacts(
        scope="fixed" if options.frozen else "fresh",
        n_train=options.n_train,
        n_val=options.n_val,
        n_test=options.n_test,
        n_classes=N_CLASSES,
        input_shape=(40,),
    )


def seeds_used(options: Mnist1dOptions) -> frozenset[Seed]:
    """The data seed; none for the frozen set, whose label noise is fixed too."""
    return NO_SEED if options.frozen else DATA_SEED


def load(options: Mnist1dOptions, data_seed: int, split_seed: int) -> Splits:
    """The frozen set, or a draw from the data seed; x (n, 40), one mean and deviation for all points.

    Train, validation and test have streams of their own, drawn in blocks: whatever `n_train` is,
    validation and test are the same examples, and a smaller training set is the start of a larger one.
    """
    del split_seed  # nothing is split: each part is drawn by itself
    seed = FROZEN_SEED if options.frozen else data_seed
    (x, y), val, test = _frozen(options) if options.frozen else _fresh(options, seed)
    parts = standardised(x, val[0], test[0])
    if options.shuffled:
        parts = [shuffled(part) for part in parts]
    y = corrupted(y, options.label_noise, N_CLASSES, generator(seed, _NOISE))
    return splits_of((parts[0], y), (parts[1], val[1]), (parts[2], test[1]), N_CLASSES)


def _fresh(options: Mnist1dOptions, seed: int) -> tuple[Part, Part, Part]:
    train, val, test = (
        _draw_blocks(seed, stream, n)
        for stream, n in ((_TRAIN, options.n_train), (_VAL, options.n_val), (_TEST, options.n_test))
    )
    return train, val, test


def _frozen(options: Mnist1dOptions) -> tuple[Part, Part, Part]:
    """The published 4,000 in their order, validation taken from the end, and the published 1,000."""
    x, y = draw(np.random.RandomState(FROZEN_SEED), FROZEN_TRAIN + FROZEN_TEST)
    train = slice(0, options.n_train)
    val = slice(FROZEN_TRAIN - options.n_val, FROZEN_TRAIN)
    test = slice(FROZEN_TRAIN, FROZEN_TRAIN + options.n_test)
    return (x[train], y[train]), (x[val], y[val]), (x[test], y[test])


def _draw_blocks(seed: int, stream: int, n: int) -> Part:
    """n examples as the start of blocks that are balanced over classes; block k depends on no other."""
    blocks = [draw(generator(seed, stream, k), _BLOCK) for k in range(-(-n // _BLOCK))]
    if not blocks:
        return np.empty((0, _LENGTH)), np.empty(0, np.int64)
    x, y = (np.concatenate(arrays)[:n] for arrays in zip(*blocks, strict=True))
    return x, y


def draw(rng: np.random.RandomState, n: int) -> Part:
    """n // 10 examples of each class in random order: x (n, 40) float64, not standardised, y (n,).

    The same numbers as `mnist1d.data.make_dataset` before it standardises, from the same state of `rng`.
    """
    y = np.repeat(np.arange(N_CLASSES), n // N_CLASSES)
    uniforms, shifts, noise = _random_numbers(rng, len(y))
    pads = ((_PAD_HIGH - _PAD_LOW + 1) * uniforms[:, 0]).astype(np.int64)
    x = _dilated_templates()[y, pads]
    x *= 1 + _SCALE * (uniforms[:, 1:2] - 0.5)
    x = np.take_along_axis(x, (np.arange(_LONG) - shifts[:, None]) % _LONG, axis=1)
    x = np.where(x != 0, x, _smoothed(_SMOOTH_NOISE * noise[:, 0]))
    x = x + _WHITE_NOISE * noise[:, 1]
    x = x - _SHEAR * (uniforms[:, 2:3] - 0.5) * np.linspace(-0.5, 0.5, _LONG)
    order = rng.permutation(len(y))
    return _subsampled(x)[order], y[order]


def _random_numbers(rng: np.random.RandomState, n: int) -> tuple[Array, Array, Array]:
    """Uniforms (n, 3) for padding, scale and shear, shifts (n,), normals (n, 2, 72).

    The one loop over examples: the package draws example by example, and the order decides the numbers.
    """
    uniforms, shifts, noise = np.empty((n, 3)), np.empty(n, np.int64), np.empty((n, 2 * _LONG))
    for i in range(n):
        pad_and_scale = rng.random_sample(2)
        shifts[i] = rng.randint(0, _MAX_SHIFT)
        noise[i] = rng.standard_normal(2 * _LONG)
        uniforms[i, :2] = pad_and_scale
        uniforms[i, 2] = rng.random_sample()
    return uniforms, shifts, noise.reshape(n, 2, _LONG)


def _dilated_templates() -> Array:
    """(10, 25, 72): each class's template after each number of padding zeros, stretched to 72 points."""
    x = _TEMPLATES - _TEMPLATES.mean(1, keepdims=True)
    x /= x.std(1, keepdims=True)
    x -= x[:, :1]
    x = x / 6.0 + 1e-8  # off zero: exact zeros mark the padding, which is filled with noise
    grid = np.linspace(0, 1, _LONG)
    padded = [[np.concatenate([row, np.zeros(pad)]) for pad in range(_PAD_LOW, _PAD_HIGH + 1)] for row in x]
    return np.array([[np.interp(grid, np.linspace(0, 1, len(p)), p) for p in row] for row in padded])


def _smoothed(noise: Array) -> Array:
    """Rows (n, 72) after a Gaussian filter of 2 points, ends mirrored: scipy.ndimage.gaussian_filter.

    Summed from the outside in, as scipy does, for the same rounding; and without scipy.ndimage's
    0.2 s of import.
    """
    radius, variance = 8, 4.0
    kernel = np.exp(-0.5 / variance * np.arange(-radius, radius + 1) ** 2)
    kernel = kernel / kernel.sum()
    wide = np.pad(noise, ((0, 0), (radius, radius)), mode="symmetric")
    total: Array = noise * kernel[radius]
    for k in range(radius):
        mirror = 2 * radius - k
        total += (wide[:, k : k + _LONG] + wide[:, mirror : mirror + _LONG]) * kernel[k]
    return total


def _subsampled(x: Array) -> Array:
    """Rows (n, 72) interpolated at 40 even points: np.interp on every row at once."""
    old, new = np.linspace(0, 1, _LONG), np.linspace(0, 1, _LENGTH)
    left = np.clip(np.searchsorted(old, new, side="right") - 1, 0, _LONG - 2)
    slope = (x[:, left + 1] - x[:, left]) / (old[left + 1] - old[left])
    inner: Array = slope * (new - old[left]) + x[:, left]
    inner[:, -1] = x[:, -1]
    return inner


MNIST1D = DataSet(
    name="mnist1d",
    description="MNIST-1D: 40 points, 10 classes; a fresh draw each replicate, or the published set",
    options=Mnist1dOptions,
    facts=facts,
    load=load,
    seeds_used=seeds_used,
    varying=("label_noise",),
)
