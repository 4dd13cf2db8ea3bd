"""What the drawn data sets share: sizes, fresh facts, and a generator for every split and purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from harness.catalogue.data.base import DATA_SEED, Array, Part, Seed, Splits, splits_of
from harness.catalogue.data.prepare import generator
from harness.words.base import Word
from harness.words.design import DataFacts
from harness.words.limits import Examples, SomeExamples

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Sizes(Word):
    """How many examples of each split are drawn."""

    n_train: Examples = Field(default=1000, description="examples")
    n_val: SomeExamples = Field(default=500, description="examples")
    n_test: SomeExamples = Field(default=2000, description="examples")


class Draw(NamedTuple):
    """One split to be drawn: n examples from a data seed."""

    split: Split
    n: int
    seed: int

    def rng(self, stream: int) -> np.random.RandomState:
        """A generator of its own for this split and purpose."""
        return generator(self.seed, SPLITS.index(self.split), stream)

    def truth(self) -> np.random.RandomState:
        """The generator of what all splits of a replicate share."""
        return generator(self.seed, len(SPLITS))


def drawn(sizes: Sizes, seed: int, draw: Callable[[Draw], Part], n_classes: int | None = None) -> Splits:
    """The splits of one replicate, each drawn by itself.

    Validation and test are the same whatever `n_train` is.
    """
    counts = (sizes.n_train, sizes.n_val, sizes.n_test)
    train, val, test = (draw(Draw(split, n, seed)) for split, n in zip(SPLITS, counts, strict=True))
    return splits_of(train, val, test, n_classes)


def product(a: Array, b: Array) -> Array:
    """The matrix product of a (n, k) and b (k, m), whose sums don't depend on a BLAS and its threads."""
    result: Array = np.einsum("nk,km->nm", a, b)
    return result


def fresh(sizes: Sizes, input_shape: tuple[int, ...], n_classes: int | None = None) -> DataFacts:
    """Sizes as asked; a fresh draw each replicate."""
    return DataFacts(
        scope="fresh",
        n_train=sizes.n_train,
        n_val=sizes.n_val,
        n_test=sizes.n_test,
        n_classes=n_classes,
        input_shape=input_shape,
    )


def data_seed(options: Sizes) -> frozenset[Seed]:
    """The seeds a drawn set depends on."""
    del options
    return DATA_SEED
