"""Linear regression with a condition number as asked: gradient descent against the closed form."""

from __future__ import annotations

import numpy as np
from pydantic import Field, NonNegativeFloat, model_validator

from harness.catalogue.data.base import Array, DataSet, Part, Splits
from harness.catalogue.data.drawn import Draw, Sizes, data_seed, drawn, fresh, product
from harness.catalogue.data.teacher import INPUTS, NOISE
from harness.words.design import DataFacts
from harness.words.limits import Inputs


class LinearOptions(Sizes):
    """Options of `linear_regression`. Noise in deviations of x w."""

    n_inputs: Inputs = 10
    condition: float = Field(default=10.0, ge=1, description="condition number of X^T X / n in training")
    noise: NonNegativeFloat = Field(default=0.1, description="deviation of the noise in every split")

    @model_validator(mode="after")
    def _enough(self) -> LinearOptions:
        if self.n_train <= self.n_inputs:
            raise ValueError(
                f"n_train must be above n_inputs for one solution; found {self.n_train} and {self.n_inputs}"
            )
        return self


def facts(options: LinearOptions) -> DataFacts:
    """Sizes as asked; fresh weights and examples each replicate."""
    return fresh(options, (options.n_inputs,))


def load(options: LinearOptions, data_seed: int, split_seed: int) -> Splits:
    """x (n, n_inputs), y = x w + noise, (n,).

    In training X has columns of mean 0 and X^T X / n has eigenvalues from 1 down to 1 / condition,
    evenly spaced in the logarithm, exactly: so does the Hessian of half the mean squared error, whose
    bias has 1. Gradient descent on it diverges above a rate of 2. Validation and test are normal with
    that covariance.
    """
    del split_seed  # nothing is split: each part is drawn by itself
    n_inputs = options.n_inputs

    def draw(d: Draw) -> Part:
        truth = d.truth()
        deviations = np.geomspace(1, 1 / np.sqrt(options.condition), n_inputs)
        axes = _orthonormal(truth.standard_normal((n_inputs, n_inputs)))
        w = truth.standard_normal(n_inputs)
        w /= np.sqrt((product(w[None], axes * deviations) ** 2).sum())  # so that x w has deviation 1
        directions = d.rng(INPUTS).standard_normal((d.n, n_inputs))
        if d.split == "train":
            directions = np.sqrt(d.n) * _orthonormal(directions - directions.mean(0))
        x = product(directions * deviations, axes.T)
        return x, (x * w).sum(1) + options.noise * d.rng(NOISE).standard_normal(d.n)

    return drawn(options, data_seed, draw)


def _orthonormal(x: Array) -> Array:
    """The columns of x, each made orthogonal to those before it, of length 1 (modified Gram-Schmidt)."""
    q = x.copy()
    for k in range(q.shape[1]):
        column = q[:, k : k + 1]
        column /= np.sqrt((column**2).sum())
        q[:, k + 1 :] -= column * (column * q[:, k + 1 :]).sum(0)
    return q


LINEAR_REGRESSION = DataSet(
    name="linear_regression",
    description="y = x w + noise with a condition number as asked; weights drawn anew each replicate",
    options=LinearOptions,
    facts=facts,
    load=load,
    seeds_used=data_seed,
    varying=("condition", "noise"),
)
