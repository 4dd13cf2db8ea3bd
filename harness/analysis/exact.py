"""Exact claims: two ways to compute one thing, on random float64 inputs, and how far they lie apart.

Each function takes a generator and gives an `Agreement`. One new identity: one function, one line in
EXACT, one name in `words.hypothesis.Closed`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from harness.words.seeds import seed_for

EXAMPLES, FEATURES, CLASSES, WIDTH = 64, 5, 10, 16


class Agreement(NamedTuple):
    """The largest absolute difference of the two, and the size it is held against."""

    error: float
    scale: float


def agreements(name: str, replicates: int) -> list[Agreement]:
    """One agreement a replicate, each on inputs of its own."""
    generators = (np.random.default_rng(seed_for("data", "exact", name, r)) for r in range(replicates))
    return [EXACT[name](generator) for generator in generators]


def quadratic_stability(generator: np.random.Generator) -> Agreement:
    """Gradient descent on x' H x / 2 neither grows nor shrinks at the rate 2 / lambda_max of H.

    The critical rate is measured: the one at which the iterates of descent keep their length, once
    the fastest direction has outgrown the others. The others' eigenvalues lie between .2 and .8 of
    the largest, so that 100 steps shrink them below rounding at any rate tried.
    """
    basis, _ = np.linalg.qr(generator.normal(size=(FEATURES, FEATURES)))
    largest = generator.uniform(0.5, 5)
    values = largest * np.array([1.0, *generator.uniform(0.2, 0.8, FEATURES - 1)])
    hessian = basis @ np.diag(values) @ basis.T
    start = generator.normal(size=FEATURES)

    def growth(rate: float) -> float:
        x = start
        lengths = []
        for _ in range(200):
            x = x - rate * (hessian @ x)
            lengths.append(float(np.linalg.norm(x)))
        return float(np.log(lengths[-1] / lengths[99]))

    expected = 2 / float(np.linalg.eigvalsh(hessian)[-1])
    measured = float(brentq(growth, 0.9 * expected, 1.1 * expected, xtol=1e-15, rtol=1e-15))
    return Agreement(abs(measured - expected), expected)


def linear_collapse(generator: np.random.Generator) -> Agreement:
    """Three stacked linear layers are one linear layer: W3 (W2 (W1 x + b1) + b2) + b3 = W x + b."""
    sizes = (FEATURES, WIDTH, WIDTH, CLASSES)
    layers = [(generator.normal(size=(o, i)), generator.normal(size=o)) for i, o in pairwise(sizes)]
    x = generator.normal(size=(EXAMPLES, FEATURES))
    deep, weight, bias = x, np.eye(FEATURES), np.zeros(FEATURES)
    for w, b in layers:
        deep = deep @ w.T + b
        weight, bias = w @ weight, w @ bias + b
    return _compared(deep, x @ weight.T + bias)


def closed_form_regression(generator: np.random.Generator) -> Agreement:
    """Gradient descent on least squares ends at the solution of the normal equations."""
    x = generator.normal(size=(EXAMPLES, FEATURES))
    y = x @ generator.normal(size=FEATURES) + generator.normal(size=EXAMPLES)
    hessian, slope = x.T @ x / EXAMPLES, x.T @ y / EXAMPLES
    rate, descended = 1 / float(np.linalg.eigvalsh(hessian)[-1]), np.zeros(FEATURES)
    for _ in range(2000):
        descended = descended - rate * (hessian @ descended - slope)
    return _compared(descended, np.linalg.solve(x.T @ x, x.T @ y))


def cross_entropy_indices(generator: np.random.Generator) -> Agreement:
    """Cross-entropy from class indices equals that from one-hot targets."""
    logits = 5 * generator.normal(size=(EXAMPLES, CLASSES))
    classes = generator.integers(0, CLASSES, EXAMPLES)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    from_one_hot = -(np.eye(CLASSES)[classes] * log_p).sum(axis=1)
    # from indices by the other usual form, log sum exp less the class's logit
    peak = logits.max(axis=1)
    total = peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1))
    return _compared(total - logits[np.arange(EXAMPLES), classes], from_one_hot)


def depthwise_separable_cost(generator: np.random.Generator) -> Agreement:
    """A depthwise-separable convolution costs 1/c_out + 1/k^2 of a standard one.

    In weights and in multiplications. Counted, not computed: the weights of arrays of those shapes,
    and the multiplications, one a position of the output for each weight that touches it.
    """
    c_in, c_out, k = (int(v) for v in generator.integers((2, 2, 2), (33, 65, 8)))
    side = int(generator.integers(4, 33))
    standard = np.ones((c_out, c_in, k, k))
    depthwise, pointwise = np.ones((c_in, 1, k, k)), np.ones((c_out, c_in, 1, 1))
    separable = depthwise.size + pointwise.size
    multiplied = [
        sum(w[channel].size for w in weights for channel in range(len(w))) * side**2
        for weights in ((depthwise, pointwise), (standard,))
    ]
    counted = np.array([separable / standard.size, multiplied[0] / multiplied[1]])
    return _compared(counted, np.full(2, 1 / c_out + 1 / k**2))


def _compared(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> Agreement:
    return Agreement(float(np.max(np.abs(one - other))), float(np.max(np.abs(other))))


EXACT: dict[str, Callable[[np.random.Generator], Agreement]] = {
    "closed_form_regression": closed_form_regression,
    "cross_entropy_indices": cross_entropy_indices,
    "depthwise_separable_cost": depthwise_separable_cost,
    "linear_collapse": linear_collapse,
    "quadratic_stability": quadratic_stability,
}
