"""Tuning budget: the expected best value after k of K tuning trials. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.analysis.outcomes import Direction, Floats
from harness.errors import BadInput
from harness.words.design import Choice


def expected_best(values: Sequence[float], direction: Direction) -> Floats:
    """(K,) expected best of k values drawn without replacement from the K, for k = 1 ... K.

    Unbiased: sum_i v_(i) C(i-1, k-1) / C(K, k), order statistics ascending (descending where lower is
    better). Source: Dodge et al. 2019, section 3, in the form without replacement of Tang et al. 2020.
    Raises BadInput for no values or a NaN.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    if not len(ordered) or np.isnan(ordered).any():
        raise BadInput(f"the best-of-k curve needs values that are numbers; found {list(values)}")
    ordered = ordered if direction == "higher" else ordered[::-1]
    return np.array([float(_weights(len(ordered), k) @ ordered) for k in range(1, len(ordered) + 1)])


def choice_curve(choice: Choice) -> Floats:
    """The curve of an arm's tuning. A diverged point counts as the worst score among the others.

    Empty where every point diverged.
    """
    scores = [p.score for p in choice.points if p.score is not None]
    if not scores:
        return np.array([])
    worst = min(scores) if choice.direction == "higher" else max(scores)
    return expected_best([worst if p.score is None else p.score for p in choice.points], choice.direction)


def _weights(size: int, k: int) -> Floats:
    """(K,) probability that the i-th order statistic is the best of k drawn."""
    return np.array([math.comb(i - 1, k - 1) / math.comb(size, k) for i in range(1, size + 1)])
