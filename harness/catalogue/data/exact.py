"""Sets that hold every example there is: the logic gates, and the worked example of backpropagation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from harness.catalogue.data.base import NO_SEED, DataSet, Seed, Splits, splits_of
from harness.words.base import Word
from harness.words.design import DataFacts
from harness.words.limits import Examples

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
GATES = {
    "and": [0, 0, 0, 1],
    "or": [0, 1, 1, 1],
    "xor": [0, 1, 1, 0],
    "nand": [1, 1, 1, 0],
    "nor": [1, 0, 0, 0],
    "xnor": [1, 0, 0, 1],
}


class GatesOptions(Word):
    """Options of `gates`."""

    gate: Literal["and", "or", "xor", "nand", "nor", "xnor"] = "xor"
    repeats: Examples = Field(default=1, description="times the four examples stand in training")
    signed: bool = Field(default=False, description="inputs -1 and 1 instead of 0 and 1")


class WorkedExampleOptions(Word):
    """`worked_example` has no options."""


def gates_facts(options: GatesOptions) -> DataFacts:
    """The four examples, always."""
    return DataFacts(
        scope="fixed", n_train=4 * options.repeats, n_val=4, n_test=4, n_classes=2, input_shape=(2,)
    )


def gates(options: GatesOptions, data_seed: int, split_seed: int) -> Splits:
    """x (4, 2) all inputs of a gate, y (4,) its output as a class; the same in all three splits."""
    del data_seed, split_seed  # one fixed set
    x, y = (2 * INPUTS - 1 if options.signed else INPUTS), np.array(GATES[options.gate])
    train = np.tile(x, (options.repeats, 1)), np.tile(y, options.repeats)
    return splits_of(train, (x, y), (x, y), 2)


def worked_example_facts(options: WorkedExampleOptions) -> DataFacts:
    """One example, of two targets."""
    del options
    return DataFacts(
        scope="fixed", n_train=1, n_val=1, n_test=1, n_classes=None, input_shape=(2,), n_targets=2
    )


def worked_example(options: WorkedExampleOptions, data_seed: int, split_seed: int) -> Splits:
    """x (1, 2) = (0.1, 0.2) with targets y (1, 2) = (0.4, 0.6), in all three splits."""
    del options, data_seed, split_seed  # one fixed set
    part = np.array([[0.1, 0.2]]), np.array([[0.4, 0.6]])
    return splits_of(part, part, part, None)


def _no_seed(options: Word) -> frozenset[Seed]:
    del options
    return NO_SEED


GATES_SET = DataSet(
    name="gates",
    description="a logic gate's four examples as training, validation and test: and, or, xor, ...",
    options=GatesOptions,
    facts=gates_facts,
    load=gates,
    seeds_used=_no_seed,
    varying=("gate", "signed"),
)
WORKED_EXAMPLE = DataSet(
    name="worked_example",
    description="one example of two inputs and two targets, for backpropagation by hand",
    options=WorkedExampleOptions,
    facts=worked_example_facts,
    load=worked_example,
    seeds_used=_no_seed,
)
