"""What a data set is: typed options, facts known before loading, and arrays drawn from two seeds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import BadInput
from harness.words.base import Word
from harness.words.design import DataFacts

Array = NDArray[Any]
Part = tuple[Array, Array]  # x (n, features...), y (n,) or (n, targets)
Seed = Literal["data", "split"]
OptionsT = TypeVar("OptionsT", bound=Word)

NO_SEED: frozenset[Seed] = frozenset()
DATA_SEED: frozenset[Seed] = frozenset({"data"})
SPLIT_SEED: frozenset[Seed] = frozenset({"split"})


@dataclass(frozen=True, eq=False)
class Splits:
    """The arrays of one replicate. A split may be empty.

    x_* (n, features...) float32; y_* (n,) int64 class indices, or float32 targets of a regression, (n,)
    or (n, targets), where `n_classes` is None. Images have no channel axis: (n, height, width).
    """

    x_train: Array
    y_train: Array
    x_val: Array
    y_val: Array
    x_test: Array
    y_test: Array
    n_classes: int | None
    fingerprint: str  # first 16 hex digits of the SHA-256 over dtype, shape and bytes of all arrays

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(int(n) for n in self.x_train.shape[1:])

    @property
    def shapes(self) -> tuple[tuple[int, ...], int | None, int]:
        """What a network is built for: an input's shape, classes (None: regression), targets an example."""
        return self.input_shape, self.n_classes, math.prod(self.y_train.shape[1:])


ARRAYS = tuple(f.name for f in fields(Splits))[:6]


def splits_of(train: Part, val: Part, test: Part, n_classes: int | None) -> Splits:
    """Splits of three (x, y) pairs, cast to float32 and int64 (float32 for a regression).

    Raises BadInput where x and y differ in length, splits differ in the shape of an example or of its
    target, a label is no number by itself, a value isn't finite, or a label is no class.
    """
    y_dtype = np.float32 if n_classes is None else np.int64
    parts = [
        (np.ascontiguousarray(x, np.float32), np.ascontiguousarray(y, y_dtype)) for x, y in (train, val, test)
    ]
    for split, (x, y) in zip(("train", "val", "test"), parts, strict=True):
        _check_shapes(split, x, y, parts[0], n_classes)
        _check_values(split, x, y, n_classes)
    arrays = [array for part in parts for array in part]
    return splits_from(arrays, n_classes, fingerprint(arrays))


def splits_from(arrays: Sequence[Array], n_classes: int | None, fingerprint: str) -> Splits:
    """Splits of six arrays in the order of `ARRAYS`, taken as they are."""
    x_train, y_train, x_val, y_val, x_test, y_test = arrays
    return Splits(x_train, y_train, x_val, y_val, x_test, y_test, n_classes, fingerprint)


def _check_shapes(split: str, x: Array, y: Array, train: Part, n_classes: int | None) -> None:
    """A label is one number; a regression may have several targets an example, (n, targets)."""
    features, targets = train[0].shape[1:], train[1].shape[1:]
    fits = targets == () or (n_classes is None and len(targets) == 1)
    if y.shape != (len(x), *targets) or x.shape[1:] != features or not fits:
        allowed = "(n,)" if n_classes else "(n,) or (n, targets), in all splits alike"
        raise BadInput(
            f"{split} has x of shape {x.shape} and y of shape {y.shape}; "
            f"expected (n, {', '.join(map(str, features))}) and {allowed}"
        )


def _check_values(split: str, x: Array, y: Array, n_classes: int | None) -> None:
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadInput(f"{split} holds values that are not finite in float32; clean or scale the data")
    if n_classes is not None and len(y) and (y.min() < 0 or y.max() >= n_classes):
        raise BadInput(f"{split} has labels from {y.min()} to {y.max()}; allowed: 0 to {n_classes - 1}")


def fingerprint(arrays: Sequence[Array]) -> str:
    """The first 16 hex digits of the SHA-256 over dtype, shape and bytes of the arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class DataSet(Generic[OptionsT]):
    """One entry of the table.

    `options` types and defaults what may stand beside the name in a study's `data` section.
    `load(options, data_seed, split_seed)` is pure but for reading files; `seeds_used` says which of
    the two seeds change its result, so that replicates that share their arrays are known to.
    `content` identifies files the options only name. `varying` options change values but neither shapes
    nor classes, so that trials that differ in them train together. `version` rises when `load` changes
    its numbers.
    """

    name: str
    description: str
    options: type[OptionsT]
    facts: Callable[[OptionsT], DataFacts]
    load: Callable[[OptionsT, int, int], Splits]
    seeds_used: Callable[[OptionsT], frozenset[Seed]]
    content: Callable[[OptionsT], str] = lambda _: ""
    varying: Sequence[str] = ()
    version: int = 1
