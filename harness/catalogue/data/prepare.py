"""What every data set does to its arrays: seeded draws, splitting, label noise, standardisation."""

from __future__ import annotations

import math

import numpy as np

from harness.catalogue.data.base import Array

# Positions 0..4 of a shuffled class go to these parts: 60 % train, 20 % validation, 20 % test.
_PATTERN = np.array([0, 1, 0, 2, 0])
_SHUFFLE_SEED = 42


def generator(seed: int, *stream: int) -> np.random.RandomState:
    """A generator of its own for every seed and stream.

    RandomState, because NumPy guarantees its numbers for good; Generator's may change with a release.
    """
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed, spawn_key=stream)))


def part_sizes(n: int) -> tuple[int, int, int]:
    """How many of n examples `stratified_parts` gives to train, validation and test."""
    counts = np.bincount(_PATTERN[np.arange(n) % len(_PATTERN)], minlength=3)
    return int(counts[0]), int(counts[1]), int(counts[2])


def stratified_parts(groups: Array, rng: np.random.RandomState) -> tuple[Array, Array, Array]:
    """Indices of train, validation and test, 60/20/20 within every group, each part in random order.

    `groups` (n,) are class indices, or all zero for a plain random split. The sizes depend on n
    alone; a group's share of a part is exact to within one example in either direction.
    """
    shuffled = rng.permutation(len(groups))
    by_group = shuffled[np.argsort(groups[shuffled], kind="stable")]
    part = _PATTERN[np.arange(len(groups)) % len(_PATTERN)]
    train, val, test = (rng.permutation(by_group[part == k]) for k in range(3))
    return train, val, test


def corrupted(y: Array, rate: float, n_classes: int, rng: np.random.RandomState) -> Array:
    """Labels (n,) of which each, with probability `rate`, became another class, uniformly.

    The same generator gives nested noise: what is wrong at 10 % is wrong, and the same, at 20 %.
    """
    hit = rng.random_sample(len(y)) < rate
    other = (y + rng.randint(1, max(n_classes, 2), len(y))) % n_classes
    return np.where(hit, other, y)


def shuffled(x: Array) -> Array:
    """Examples x (n, *features) with their features in one fixed random order.

    The order depends on their number alone: it is the same in every replicate and study.
    """
    order = np.random.RandomState(_SHUFFLE_SEED).permutation(math.prod(x.shape[1:]))
    return x.reshape(len(x), -1)[:, order].reshape(x.shape)


def standardised(train: Array, *others: Array, per_feature: bool = False) -> list[Array]:
    """The arrays less the training part's mean, over its standard deviation (divisor n).

    One mean and deviation for the whole array, or one a feature; a feature that is constant in
    training becomes 0 everywhere, as it can't be scaled.
    """
    if not train.size:
        return [train, *others]
    axis = 0 if per_feature else None
    mean = train.mean(axis=axis, dtype=np.float64)
    deviation = np.asarray(train.std(axis=axis, dtype=np.float64))
    constant = np.asarray(train.max(axis=axis) == train.min(axis=axis))
    scale = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation))
    return [(x - mean) * scale for x in (train, *others)]
