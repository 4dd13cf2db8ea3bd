"""Estimates of one paired difference: intervals, rank forms, effect sizes. Pure functions of arrays."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from harness.analysis.outcomes import Floats
from harness.analysis.sign_flip import Alternative

CONFIDENCE = 0.95
PAIRED_T = "paired t"
MIN_RANK_PAIRS = 6  # below, no 95 % signed-rank interval exists: 2 / 2^n > 0.05


class Interval(NamedTuple):
    """An estimate with its interval (95 % unless said) and p value, two-sided against 0 unless said."""

    method: str
    n: int
    value: float
    low: float
    high: float
    standard_error: float
    p_value: float  # NaN where nothing is tested
    p_method: str = ""  # the test it is of, where that is another than the method's own


def paired_t(differences: Floats, variance_ratio: float = 0.0, confidence: float = CONFIDENCE) -> Interval:
    """The mean of (n,) differences with Student's t interval, n >= 2.

    `variance_ratio` > 0 is Nadeau and Bengio's n_test/n_train for repeated splits of one data set:
    the variance of the mean is (1/n + n_test/n_train) s^2, df = n - 1. Source: Nadeau and Bengio
    2003, Inference for the generalization error, section 5. Differences all equal give an interval
    of no width.
    """
    n = len(differences)
    mean = float(np.mean(differences))
    spread = float(np.std(differences, ddof=1))
    if spread <= 1e-12 * abs(mean):  # rounding of equal differences, not variation
        spread = 0.0
    error = spread * math.sqrt(1 / n + variance_ratio)
    method = "paired t (Nadeau-Bengio)" if variance_ratio else PAIRED_T
    return t_interval(method, n, mean, error, confidence)


def t_interval(method: str, n: int, value: float, error: float, confidence: float = CONFIDENCE) -> Interval:
    """value +- t(n-1) standard errors."""
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    size = abs(value) / error if error > 0 else (np.inf if value else 0.0)
    p_value = float(2 * stats.t.sf(size, n - 1))
    return Interval(method, n, value, value - half, value + half, error, p_value)


def paired_t_p(
    differences: Floats, variance_ratio: float = 0.0, alternative: Alternative = "two-sided"
) -> float:
    """The p value of `paired_t`, to one side or both."""
    found = paired_t(differences, variance_ratio)
    if alternative == "two-sided":
        return found.p_value
    goes_there = found.value > 0 if alternative == "greater" else found.value < 0
    return found.p_value / 2 if goes_there else 1 - found.p_value / 2


def hodges_lehmann(differences: Floats, confidence: float = CONFIDENCE) -> Interval:
    """The median of the Walsh averages of (n,) differences, with the Wilcoxon signed-rank interval and p.

    The interval is [W_(k), W_(m+1-k)] of the m ordered averages, k from the exact null distribution of
    the rank sum. The standard error is that of a t interval as wide: for planning n alone. Source:
    Hollander, Wolfe and Chicken, Nonparametric statistical methods, 3.2-3.3. Needs n >= 6.
    """
    n = len(differences)
    rows, columns = np.triu_indices(n)
    averages = np.sort((differences[rows] + differences[columns]) / 2)
    k = rank_quantile(n, (1 - confidence) / 2)
    low, high = float(averages[k - 1]), float(averages[len(averages) - k])
    if 2.0 ** (1 - n) > 1 - confidence:  # so few pairs have no interval this sure but the whole line
        low, high = -math.inf, math.inf
    error = (high - low) / (2 * float(stats.t.ppf((1 + confidence) / 2, n - 1)))
    method = "Hodges-Lehmann (Wilcoxon signed-rank)"
    return Interval(method, n, float(np.median(averages)), low, high, error, signed_rank_p(differences))


def signed_rank_p(differences: Floats, alternative: Alternative = "two-sided") -> float:
    """Wilcoxon's signed-rank p; the ranks of zeros are split evenly. 1 where all are zero."""
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="zsplit", alternative=alternative).pvalue)


def d_z(differences: Floats) -> float | None:
    """The standardised mean difference of pairs, mean / sd; None where the differences don't vary."""
    spread = float(np.std(differences, ddof=1))
    return float(np.mean(differences)) / spread if spread > 0 else None


def probability_better(differences: Floats) -> float:
    """P(A better than B) + 1/2 P(equal), over pairs."""
    return float(np.mean(differences > 0) + 0.5 * np.mean(differences == 0))


def pair_correlation(a: Floats, b: Floats) -> float | None:
    """Pearson's correlation of paired outcomes: what pairing gains. None where either doesn't vary."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


EXACT_RANKS = 100  # pairs; beyond them the rank sum is normal to less than one of its steps in k


def rank_quantile(n: int, tail: float) -> int:
    """The largest k with P(rank sum <= k - 1) <= tail under the null hypothesis, at least 1.

    Above `EXACT_RANKS` by the normal distribution of mean n(n+1)/4 and variance n(n+1)(2n+1)/24, with
    the correction of 1/2 for continuity (Hollander, Wolfe and Chicken, equation 3.7).
    """
    if n <= EXACT_RANKS:
        return exact_rank_quantile(n, tail)
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return max(1, math.floor(n * (n + 1) / 4 + spread * float(stats.norm.ppf(tail)) + 0.5))


@lru_cache(maxsize=256)
def exact_rank_quantile(n: int, tail: float) -> int:
    """`rank_quantile` from the exact distribution, in steps of the order n^3."""
    counts = np.ones(1)  # counts[s] / 2^i: probability of rank sum s from the ranks 1 ... i
    for rank in range(1, n + 1):
        grown = np.zeros(len(counts) + rank)
        grown[: len(counts)] += counts / 2
        grown[rank:] += counts / 2
        counts = grown
    return max(1, int(np.searchsorted(np.cumsum(counts), tail, side="right")))
