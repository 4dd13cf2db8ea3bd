"""Rates of an event that a run has or hasn't: intervals with a width where every run agrees, as t's has none.

Repeated splits of one data set overlap: n of them tell as much as n / (1 + n r) apart, r being Nadeau and
Bengio's n_test / n_train, and are counted as so many.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from harness.analysis.estimates import CONFIDENCE, Interval
from harness.analysis.outcomes import Floats
from harness.analysis.sign_flip import Alternative


def clopper_pearson(events: float, runs: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided interval of a probability, 95 % unless said. Source: Clopper and Pearson 1934."""
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, events, runs - events + 1)) if events > 0 else 0.0
    high = float(stats.beta.isf(tail, events + 1, runs - events)) if events < runs else 1.0
    return low, high


def rate_beyond(
    values: Floats, bound: float, variance_ratio: float = 0.0, confidence: float = CONFIDENCE
) -> Interval:
    """The rate of (n,) zeros and ones less a bound; p is twice the smaller binomial tail at the bound."""
    share = _told_apart(values, variance_ratio)
    runs, events = len(values) * share, float(values.sum()) * share
    low, high = clopper_pearson(events, runs, confidence)
    above = float(stats.beta.cdf(bound, events, runs - events + 1)) if events > 0 else 1.0
    below = float(stats.beta.sf(bound, events + 1, runs - events)) if events < runs else 1.0
    error = (high - low) / (2 * float(stats.norm.ppf((1 + confidence) / 2)))
    rate, low, high = (value - bound for value in (float(values.mean()), low, high))
    p_value = min(1.0, 2 * min(above, below))
    return Interval("rate (Clopper-Pearson)", len(values), rate, low, high, error, p_value)


def rate_difference(
    differences: Floats, variance_ratio: float = 0.0, confidence: float = CONFIDENCE
) -> Interval:
    """The mean of (n,) differences of paired events, 1, 0 or -1, by Bonett and Price's adjusted interval.

    Both discordant counts are taken one larger: p1 = (n10 + 1) / (n + 2), p2 = (n01 + 1) / (n + 2), and
    the interval is p1 - p2 +- z sqrt((p1 + p2 - (p1 - p2)^2) / (n + 2)). Source: Bonett and Price 2012,
    Adjusted Wald confidence interval for a difference of binomial proportions based on paired data.
    """
    centre, error = _adjusted(differences, variance_ratio)
    half = float(stats.norm.ppf((1 + confidence) / 2)) * error
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    p_value = rate_difference_p(differences, 0.0, variance_ratio)
    value = float(differences.mean())
    return Interval("paired rates (Bonett-Price)", len(differences), value, low, high, error, p_value)


def rate_difference_p(
    differences: Floats, bound: float, variance_ratio: float = 0.0, alternative: Alternative = "two-sided"
) -> float:
    """The p value of `rate_difference` against a bound, to one side or both."""
    centre, error = _adjusted(differences, variance_ratio)
    z = (centre - bound) / error
    if alternative == "two-sided":
        return float(2 * stats.norm.sf(abs(z)))
    return float(stats.norm.sf(z if alternative == "greater" else -z))


def _told_apart(values: Floats, variance_ratio: float) -> float:
    """The share of (n,) runs that count, as they overlap."""
    return 1 / (1 + len(values) * variance_ratio)


def _adjusted(differences: Floats, variance_ratio: float) -> tuple[float, float]:
    """The adjusted difference and its standard error."""
    share = _told_apart(differences, variance_ratio)
    pairs = len(differences) * share + 2
    won, lost = ((share * float(np.sum(side)) + 1) / pairs for side in (differences > 0, differences < 0))
    return won - lost, math.sqrt((won + lost - (won - lost) ** 2) / pairs)
