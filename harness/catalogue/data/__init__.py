"""The table of data sets.

A study names one in its `data` section, with the options its entry declares. Importing this package
loads neither scikit-learn, scipy nor pandas: all of them are slow to import and none is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.catalogue.data.adding import ADDING
from harness.catalogue.data.base import DataSet, Splits
from harness.catalogue.data.cache import load_through, seeds_of
from harness.catalogue.data.digits import DIGITS
from harness.catalogue.data.exact import GATES_SET, WORKED_EXAMPLE
from harness.catalogue.data.files import FILE
from harness.catalogue.data.folder import data_dir
from harness.catalogue.data.functions import FUNCTIONS_SET
from harness.catalogue.data.linear import LINEAR_REGRESSION
from harness.catalogue.data.mnist import MNIST
from harness.catalogue.data.mnist1d import MNIST1D
from harness.catalogue.data.noisy import HETEROSCEDASTIC, OUTLIERS
from harness.catalogue.data.teacher import TEACHER
from harness.errors import UnknownName
from harness.words.base import Word
from harness.words.trial import Phase

__all__ = ["DATASETS", "DataSet", "Splits", "data_dir", "data_set", "load_cached"]

DATASETS: dict[str, DataSet[Any]] = {
    entry.name: entry
    for entry in (
        MNIST1D,
        DIGITS,
        MNIST,
        FILE,
        TEACHER,
        LINEAR_REGRESSION,
        OUTLIERS,
        HETEROSCEDASTIC,
        FUNCTIONS_SET,
        ADDING,
        GATES_SET,
        WORKED_EXAMPLE,
    )
}


def data_set(name: str) -> DataSet[Any]:
    """The entry of that name. Raises UnknownName."""
    if name not in DATASETS:
        raise UnknownName("data set", name, DATASETS)
    return DATASETS[name]


def load_cached(
    name: str, options: Word, study: str, phase: Phase, replicate: int, cache_dir: Path
) -> Splits:
    """The arrays of one replicate, from the cache under `cache_dir` or loaded and kept there.

    Replicates that share their arrays (the fixed sets) get the very same Splits object. Raises
    UnknownName, DataMissing, BadInput, RunFailed.
    """
    entry = data_set(name)
    return load_through(cache_dir, entry, options, seeds_of(entry, options, study, phase, replicate))
