"""Functions of one or two variables to approximate, inside the training domain or beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeFloat

from harness.catalogue.data.base import Array, DataSet, Part, Splits
from harness.catalogue.data.drawn import Draw, Sizes, data_seed, drawn, fresh
from harness.catalogue.data.teacher import INPUTS, NOISE
from harness.words.design import DataFacts


class Function(NamedTuple):
    """A function x (n, variables) -> (n,)."""

    variables: int
    value: Callable[[Array], Array]


FUNCTIONS = {
    "sine": Function(1, lambda x: np.sin(2 * np.pi * x[:, 0])),
    "step": Function(1, lambda x: (x[:, 0] > 0).astype(np.float64)),
    "bump2d": Function(2, lambda x: np.exp(-(x**2).sum(1) / (2 * 0.3**2))),
}


class FunctionsOptions(Sizes):
    """Options of `functions`. The domain is [-1, 1] in every variable."""

    function: Literal["sine", "step", "bump2d"] = Field(
        default="sine",
        description="sin(2 pi x); 1 above 0, else 0; or exp(-|x|^2 / 0.18) of two variables",
    )
    noise: NonNegativeFloat = Field(default=0.0, description="deviation of the noise in training targets")
    outside: bool = Field(default=False, description="test where every |x| is between 1 and 2")


def facts(options: FunctionsOptions) -> DataFacts:
    """Sizes as asked; fresh points each replicate."""
    return fresh(options, (FUNCTIONS[options.function].variables,))


def load(options: FunctionsOptions, data_seed: int, split_seed: int) -> Splits:
    """x (n, variables) uniform on the domain, y (n,) the function; noise in training alone.

    With `outside` the test points lie beside the domain, between 1 and 2 away from 0 in each variable.
    """
    del split_seed  # nothing is split: each part is drawn by itself
    function = FUNCTIONS[options.function]

    def draw(d: Draw) -> Part:
        x = d.rng(INPUTS).uniform(-1, 1, (d.n, function.variables))
        if d.split == "test" and options.outside:
            x = x + np.where(x < 0, -1, 1)
        noise = options.noise if d.split == "train" else 0.0
        return x, function.value(x) + noise * d.rng(NOISE).standard_normal(d.n)

    return drawn(options, data_seed, draw)


FUNCTIONS_SET = DataSet(
    name="functions",
    description="sin(2 pi x), a step, or a bump of two variables on [-1, 1], to be approximated",
    options=FunctionsOptions,
    facts=facts,
    load=load,
    seeds_used=data_seed,
    varying=("noise", "outside"),
)
