"""What n runs tell of a rate, how often they diverge or succeed: the binomial distribution itself.

With p the rate, the chance of k or more events among n runs is the Beta(k, n - k + 1) distribution
function at p, of which Clopper and Pearson's interval (1934) is made too.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, binomtest

CONFIDENCE = 0.95


def detected_rate(n: int, least: int, power: float) -> float:
    """The smallest rate at which n runs have `least` events or more with that chance. 1 <= least <= n."""
    return float(beta.ppf(power, least, n - least + 1))


def upper_end_of_none(n: int) -> float:
    """The upper end of Clopper and Pearson's two-sided interval where none of n runs had the event."""
    return float(binomtest(0, n).proportion_ci(CONFIDENCE, method="exact").high)


def decided_from(n: int, bound: float, variance_ratio: float = 0.0) -> int | None:
    """The fewest of n runs with the event at which Clopper and Pearson's interval lies above a bound.

    None where not even all n are enough. `variance_ratio` as in Nadeau and Bengio 2003: runs that share
    data count as n / (1 + n variance_ratio).
    """
    share = 1 / (1 + n * variance_ratio)
    events = share * np.arange(1, n + 1)
    low = beta.ppf((1 - CONFIDENCE) / 2, events, n * share - events + 1)
    enough = np.flatnonzero(low > bound)
    return int(enough[0]) + 1 if len(enough) else None
