"""scikit-learn's digits: 1,797 handwritten digits of 8 x 8 pixels, split anew in each replicate.

Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998 (the
test part of that set). Read from the file inside the scikit-learn package: importing
sklearn.datasets takes over a second, reading the file a few hundredths.
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from pydantic import Field, PositiveInt

from harness.catalogue.data.base import SPLIT_SEED, DataSet, Part, Seed, Splits, splits_of
from harness.catalogue.data.prepare import (
    corrupted,
    generator,
    part_sizes,
    shuffled,
    standardised,
    stratified_parts,
)
from harness.errors import DataMissing
from harness.words.base import Word
from harness.words.design import DataFacts

N_CLASSES = 10
_N = 1797
_SIZES = part_sizes(_N)
_SPLIT, _NOISE = range(2)  # streams of one split seed


class DigitsOptions(Word):
    """Options of `digits`. Sizes in examples."""

    n_train: PositiveInt = Field(
        default=_SIZES[0], le=_SIZES[0], description="the first of the training part"
    )
    shuffled: bool = Field(default=False, description="pixels in one fixed random order")
    label_noise: float = Field(default=0.0, ge=0, lt=1, description="share of wrong training labels")


def facts(options: DigitsOptions) -> DataFacts:
    """1,797 examples split 60/20/20 by class."""
    return DataFacts(
        scope="resplit",
        n_train=options.n_train,
        n_val=_SIZES[1],
        n_test=_SIZES[2],
        n_classes=N_CLASSES,
        input_shape=(8, 8),
    )


def load(options: DigitsOptions, data_seed: int, split_seed: int) -> Splits:
    """A stratified split from the split seed; x (n, 8, 8), each pixel standardised on the training part."""
    del data_seed  # the examples are always the same
    x, y = read()
    train, val, test = stratified_parts(y, generator(split_seed, _SPLIT))
    train = train[: options.n_train]
    parts = standardised(x[train], x[val], x[test], per_feature=True)
    x_train, x_val, x_test = (shuffled(part) for part in parts) if options.shuffled else parts
    y_train = corrupted(y[train], options.label_noise, N_CLASSES, generator(split_seed, _NOISE))
    return splits_of((x_train, y_train), (x_val, y[val]), (x_test, y[test]), N_CLASSES)


def read() -> Part:
    """All digits as x (1797, 8, 8), values 0 to 16, and y (1797,). Raises DataMissing."""
    spec = find_spec("sklearn")  # finds the package without importing it
    origin = spec.origin if spec else None
    path = Path(origin or "sklearn").parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        raise DataMissing(
            f"no {path}; it comes with scikit-learn: pip install --force-reinstall scikit-learn"
        )
    with gzip.open(path, "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    return table[:, :64].reshape(-1, 8, 8), table[:, 64]


def _split_seed(options: DigitsOptions) -> frozenset[Seed]:
    del options
    return SPLIT_SEED


DIGITS = DataSet(
    name="digits",
    description="scikit-learn's digits: 8 x 8 pixels, 10 classes, 1,797 examples split 60/20/20 anew",
    options=DigitsOptions,
    facts=facts,
    load=load,
    seeds_used=_split_seed,
    varying=("label_noise",),
)
