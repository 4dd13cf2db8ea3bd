"""The adding problem: the sum of the two marked values of a long sequence.

Source: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997,
experiment 4; here in the form of Arjovsky, Shah and Bengio, "Unitary evolution recurrent neural
networks", ICML 2016: values in [0, 1], a marker in each half, all sequences of one length.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from harness.catalogue.data.base import DataSet, Part, Splits
from harness.catalogue.data.drawn import Draw, Sizes, data_seed, drawn, fresh
from harness.words.design import DataFacts
from harness.words.limits import Inputs

_VALUES, _MARKERS = range(2)  # streams of a split


class AddingOptions(Sizes):
    """Options of `adding`."""

    length: Inputs = Field(default=50, ge=2, description="steps of a sequence")


def facts(options: AddingOptions) -> DataFacts:
    """Sizes as asked; fresh sequences each replicate."""
    return fresh(options, (options.length, 2))


def load(options: AddingOptions, data_seed: int, split_seed: int) -> Splits:
    """x (n, length, 2): a value uniform in [0, 1] and a marker, 1 at one place of each half; y (n,) the sum.

    Always answering 1 gives an MSE of 1/6. A smaller training set is the start of a larger one.
    """
    del split_seed  # nothing is split: each part is drawn by itself

    def draw(d: Draw) -> Part:
        half = options.length // 2
        values = d.rng(_VALUES).random_sample((d.n, options.length))
        places = d.rng(_MARKERS).random_sample((d.n, 2)) * [half, options.length - half] + [0, half]
        markers = np.zeros_like(values)
        np.put_along_axis(markers, places.astype(np.int64), 1.0, axis=1)
        return np.stack([values, markers], axis=2), (values * markers).sum(1)

    return drawn(options, data_seed, draw)


ADDING = DataSet(
    name="adding",
    description="the adding problem: the sum of two marked values in a sequence (length, 2)",
    options=AddingOptions,
    facts=facts,
    load=load,
    seeds_used=data_seed,
)
