"""A regression, or a classification, by a random network: the teacher, drawn anew in each replicate.

Source: Seung, Sompolinsky and Tishby, "Statistical mechanics of learning from examples", Physical
Review A 45, 1992.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat

from harness.catalogue.data.base import Array, DataSet, Part, Splits
from harness.catalogue.data.drawn import Draw, Sizes, data_seed, drawn, fresh, product
from harness.words.design import DataFacts
from harness.words.limits import Inputs, Units

INPUTS, NOISE = range(2)  # streams of a split
_SCALED_ON = 4096  # inputs on which a truth is given mean 0 and deviation 1
Truth = Callable[[Array], Array]


class TeacherOptions(Sizes):
    """Options of `teacher`. Noise in deviations of the noiseless target."""

    n_inputs: Inputs = Field(default=4, description="independent standard normal inputs")
    widths: list[Units] = Field(default=[16, 16], description="the teacher's hidden layers, tanh")
    noise: NonNegativeFloat = Field(default=0.1, description="deviation of the noise in every split")
    task: Literal["regression", "classification"] = Field(
        default="regression", description="classification: whether the noisy target is above 0"
    )


def random_truth(rng: np.random.RandomState, n_inputs: int, widths: Sequence[int]) -> Truth:
    """A random tanh network (n, n_inputs) -> (n,), of mean 0 and deviation 1 on standard normal inputs.

    Weights are N(0, 4/fan_in), which bends tanh well; biases N(0, 1/4). Without widths it is linear.
    """
    layers = [
        (2 * rng.standard_normal((i, o)) / np.sqrt(i), rng.standard_normal(o) / 2)
        for i, o in pairwise([n_inputs, *widths])
    ]
    last = rng.standard_normal([n_inputs, *widths][-1])

    def output(x: Array) -> Array:
        for weights, bias in layers:
            x = np.tanh(product(x, weights) + bias)
        total: Array = (x * last).sum(1)
        return total

    sample = output(rng.standard_normal((_SCALED_ON, n_inputs)))
    mean, deviation = sample.mean(), sample.std()
    return lambda x: (output(x) - mean) / deviation


def facts(options: TeacherOptions) -> DataFacts:
    """Sizes as asked; a fresh teacher and fresh examples each replicate."""
    return fresh(options, (options.n_inputs,), _n_classes(options))


def load(options: TeacherOptions, data_seed: int, split_seed: int) -> Splits:
    """x (n, n_inputs) standard normal, y (n,) the teacher's output plus noise: the least MSE is noise^2.

    A smaller training set is the start of a larger one.
    """
    del split_seed  # nothing is split: each part is drawn by itself

    def draw(d: Draw) -> Part:
        truth = random_truth(d.truth(), options.n_inputs, options.widths)
        x = d.rng(INPUTS).standard_normal((d.n, options.n_inputs))
        y = truth(x) + options.noise * d.rng(NOISE).standard_normal(d.n)
        return x, (y if options.task == "regression" else (y > 0).astype(np.int64))

    return drawn(options, data_seed, draw, _n_classes(options))


def _n_classes(options: TeacherOptions) -> int | None:
    return None if options.task == "regression" else 2


TEACHER = DataSet(
    name="teacher",
    description="a random network's noisy outputs, 4 -> 1; teacher and examples drawn anew each replicate",
    options=TeacherOptions,
    facts=facts,
    load=load,
    seeds_used=data_seed,
    varying=("widths", "noise"),
)
