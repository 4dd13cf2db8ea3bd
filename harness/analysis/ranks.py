"""Ranks of k arms over N replicates or data sets: mean ranks, Friedman, Iman-Davenport, Nemenyi, Wilcoxon."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from harness.analysis.outcomes import Direction, Floats


class FriedmanTest(NamedTuple):
    """Friedman's statistic over N blocks of k arms, and Iman and Davenport's correction of it."""

    chi_square: float
    p_value: float
    f_value: float
    f_p_value: float


def mean_ranks(scores: Floats, direction: Direction = "higher") -> Floats:
    """(k,) mean rank of (N, k) scores; 1 is the best, ties share their mean rank."""
    signed = -scores if direction == "higher" else scores
    return np.asarray(stats.rankdata(signed, axis=1).mean(axis=0))


def friedman(scores: Floats, correct_ties: bool = True) -> FriedmanTest:
    """Whether the arms' mean ranks differ, k >= 3.

    chi2 = 12 N / (k (k+1)) (sum_j R_j^2 - k (k+1)^2 / 4), divided by the tie correction
    1 - sum(t^3 - t) / (N k (k^2 - 1)) unless `correct_ties` is off; F = (N-1) chi2 / (N (k-1) - chi2)
    with k-1 and (k-1)(N-1) degrees of freedom. Source: Demsar 2006, section 3.2.2, who prints the
    form without the correction.
    """
    n, k = scores.shape
    spread = float(np.sum(mean_ranks(scores) ** 2)) - k * (k + 1) ** 2 / 4
    chi_square = 12 * n / (k * (k + 1)) * spread
    if correct_ties:
        ties = sum(float(np.sum(c**3 - c)) for c in (np.unique(row, return_counts=True)[1] for row in scores))
        left = 1 - ties / (n * k * (k**2 - 1))
        chi_square = chi_square / left if left > 0 else 0.0
    rest = n * (k - 1) - chi_square
    f_value = (n - 1) * chi_square / rest if rest > 0 else math.inf
    return FriedmanTest(
        chi_square,
        float(stats.chi2.sf(chi_square, k - 1)),
        f_value,
        float(stats.f.sf(f_value, k - 1, (k - 1) * (n - 1))),
    )


def critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks: q sqrt(k (k+1) / (6 N)).

    q is the studentised range of k means divided by sqrt 2. Source: Demsar 2006, section 3.2.2.
    """
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def signed_rank_sums(differences: Floats) -> tuple[float, float]:
    """(R+, R-) of Wilcoxon's test; the ranks of zeros are split evenly (Demsar 2006, section 3.1.3)."""
    ranks = stats.rankdata(np.abs(differences))
    zero = float(ranks[differences == 0].sum()) / 2
    return float(ranks[differences > 0].sum()) + zero, float(ranks[differences < 0].sum()) + zero
