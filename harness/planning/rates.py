"""What n runs tell of a rate, how often they diverge or succeed: the binomial distribution itself.

With p the rate, the chance of k or more events among n runs is the Beta(k, n - k + 1) distribution
function at p, of which Clopper and Pearson's interval (1934) is made too.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, binomtest, t

CONFIDENCE = 0.95


def detected_rate(n: int, least: int, power: float) -> float:
    """The smallest rate at which n runs have `least` events or more with that chance. 1 <= least <= n."""
    return float(beta.ppf(power, least, n - least + 1))


def upper_end_of_none(n: int) -> float:
    """The upper end of Clopper and Pearson's two-sided interval where none of n runs had the event."""
    return float(binomtest(0, n).proportion_ci(CONFIDENCE, method="exact").high)


def decided_from_half(n: int) -> int:
    """The fewest events of n >= 6 whose Clopper-Pearson interval lies above one half.

    As few runs without an event put it below.
    """
    tail = (1 - CONFIDENCE) / 2
    return int(next(k for k in range(1, n + 1) if beta.ppf(tail, k, n - k + 1) > 0.5))


def decided_by_t(n: int, bound: float, variance_ratio: float = 0.0) -> int:
    """The fewest events from which on the t interval of n zeros and ones lies above a bound up to 1.

    `variance_ratio` as in Nadeau and Bengio 2003: the variance of the mean is (1/n + variance_ratio) s^2.
    Where every run has the event nothing varies, and any bound is passed.
    """
    k = np.arange(n + 1)
    rate = k / n
    spread = np.sqrt(rate * (1 - rate) * n / (n - 1) * (1 / n + variance_ratio))
    low = rate - t.ppf((1 + CONFIDENCE) / 2, n - 1) * spread
    return min(max(int(max(k[low < bound], default=0)) + 1, 1), n)
