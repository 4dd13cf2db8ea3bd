"""Regressions whose noise is the question: outliers among the training targets; noise that grows with x."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from harness.catalogue.data.base import Array, DataSet, Part, Splits
from harness.catalogue.data.drawn import Draw, Sizes, data_seed, drawn, fresh
from harness.catalogue.data.teacher import INPUTS, NOISE, random_truth
from harness.words.design import DataFacts
from harness.words.limits import Inputs

_HIT, _SIZE = 2, 3  # streams of a split, after INPUTS and NOISE
_WIDTHS = {"linear": [], "nonlinear": [16]}  # of the truth


class OutliersOptions(Sizes):
    """Options of `outliers`. Deviations in those of the noiseless target."""

    n_inputs: Inputs = Field(default=8, description="independent standard normal inputs")
    truth: Literal["linear", "nonlinear"] = "nonlinear"
    noise: NonNegativeFloat = Field(default=0.1, description="deviation of the noise in every split")
    outliers: float = Field(default=0.05, ge=0, lt=1, description="share of training targets hit")
    outlier_size: PositiveFloat = Field(default=5.0, description="deviation of what is added to those hit")


class HeteroscedasticOptions(Sizes):
    """Options of `heteroscedastic`. The noise's deviation goes evenly from `noise_low` to `noise_high`."""

    noise_low: NonNegativeFloat = Field(default=0.05, description="deviation of the noise at x = -1")
    noise_high: NonNegativeFloat = Field(default=0.5, description="deviation of the noise at x = 1")


def outliers(options: OutliersOptions, data_seed: int, split_seed: int) -> Splits:
    """x (n, n_inputs) standard normal, y = f(x) + noise, and in training a share of gross errors besides.

    The contaminated normal of Tukey 1960. Validation and test have none. Outliers are nested: a
    target hit at 5 % is hit, by the same error, at 20 %.
    """
    del split_seed  # nothing is split: each part is drawn by itself

    def draw(d: Draw) -> Part:
        truth = random_truth(d.truth(), options.n_inputs, _WIDTHS[options.truth])
        x = d.rng(INPUTS).standard_normal((d.n, options.n_inputs))
        y = truth(x) + options.noise * d.rng(NOISE).standard_normal(d.n)
        if d.split == "train":
            hit = d.rng(_HIT).random_sample(d.n) < options.outliers
            y = y + hit * options.outlier_size * d.rng(_SIZE).standard_normal(d.n)
        return x, y

    return drawn(options, data_seed, draw)


def noise_at(x: Array, options: HeteroscedasticOptions) -> Array:
    """The noise's deviation at x in [-1, 1]."""
    return options.noise_low + (options.noise_high - options.noise_low) * (x + 1) / 2


def heteroscedastic(options: HeteroscedasticOptions, data_seed: int, split_seed: int) -> Splits:
    """x (n, 1) uniform in [-1, 1], y = sin(pi x) + s(x) e, e standard normal: as ages spread with age."""
    del split_seed  # nothing is split: each part is drawn by itself

    def draw(d: Draw) -> Part:
        x = d.rng(INPUTS).uniform(-1, 1, d.n)
        y = np.sin(np.pi * x) + noise_at(x, options) * d.rng(NOISE).standard_normal(d.n)
        return x[:, None], y

    return drawn(options, data_seed, draw)


def _outliers_facts(options: OutliersOptions) -> DataFacts:
    return fresh(options, (options.n_inputs,))


def _heteroscedastic_facts(options: HeteroscedasticOptions) -> DataFacts:
    return fresh(options, (1,))


OUTLIERS = DataSet(
    name="outliers",
    description="a regression with a share of gross errors in the training targets; clean validation, test",
    options=OutliersOptions,
    facts=_outliers_facts,
    load=outliers,
    seeds_used=data_seed,
    varying=("truth", "noise", "outliers", "outlier_size"),
)
HETEROSCEDASTIC = DataSet(
    name="heteroscedastic",
    description="y = sin(pi x) + s(x) e on [-1, 1], with noise s(x) that grows with x",
    options=HeteroscedasticOptions,
    facts=_heteroscedastic_facts,
    load=heteroscedastic,
    seeds_used=data_seed,
    varying=("noise_low", "noise_high"),
)
