"""Power of tests before anything has run: pure functions of n, sigma and alpha.

Every kind but those about a rate tests the mean of one number a replicate by Student's t: a paired
difference, a fitted change over levels, a distance from a threshold. Its power is exact for normal
numbers: with d_z = effect / sigma the statistic follows a noncentral t with n - 1 degrees of freedom and
noncentrality d_z sqrt(n) (Cohen 1988). Rates have the binomial distribution itself: `planning.rates`.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import chi2, nct, t

ALPHA = 0.05
POWER = 0.9
ASSUMED_ACCURACY = 0.9


def paired_t_power(d_z: float, n: int, alpha: float = ALPHA) -> float:
    """The chance that a two-sided paired t-test over n pairs rejects, at a true effect of d_z."""
    critical = float(t.ppf(1 - alpha / 2, n - 1))
    shift = d_z * math.sqrt(n)
    wrong_side = float(nct.cdf(-critical, n - 1, shift))
    # scipy gives NaN where the chance of the wrong sign is below its reach (under 1e-20)
    return float(nct.sf(critical, n - 1, shift)) + (0.0 if math.isnan(wrong_side) else wrong_side)


def smallest_effect(n: int, power: float = POWER, alpha: float = ALPHA) -> float:
    """The smallest d_z that n pairs detect with the given power (two-sided paired t). n >= 2."""
    high = 1.0
    while paired_t_power(high, n, alpha) < power:
        high *= 2
    return float(brentq(lambda d_z: paired_t_power(d_z, n, alpha) - power, 0, high, xtol=1e-10))


def sigma_interval(sigma: float, n: int, confidence: float = 1 - ALPHA) -> tuple[float, float]:
    """The interval of a standard deviation that n >= 2 normal numbers gave: (n - 1) s^2 / sigma^2 is chi2."""
    low, high = (chi2.ppf((1 + side * confidence) / 2, n - 1) for side in (1, -1))
    return sigma * math.sqrt((n - 1) / low), sigma * math.sqrt((n - 1) / high)


def smallest_sign_flip_p(n: int, two_sided: bool = False, tests: float = 1) -> float:
    """The smallest p-value n pairs can give a sign-flip test: 2^-n, doubled if two-sided, times Bonferroni.

    A max-T test flips the signs of a replicate's arms together, so its smallest p doesn't depend on
    the number of arms.
    """
    return min(1.0, max(tests, 1) * (2.0 if two_sided else 1.0) * 2.0**-n)


def smallest_wilcoxon_p(n: int, tests: int = 1) -> float:
    """The smallest two-sided p-value of Wilcoxon's test on n differences, 2 / 2^n, at Holm's first step.

    The rank sum of n differences all of one sign has one of 2^n sign vectors on either side.
    """
    return smallest_sign_flip_p(n, two_sided=True, tests=tests)


def least_tasks(contenders: int, tests: int = 1) -> int:
    """How many tasks a best of k over tasks needs, so that its rule can fire at all.

    The subject's k - 1 Wilcoxon tests are corrected by Holm, and a secondary hypothesis again for its
    `tests`: the least N with (k - 1) tests 2 / 2^N at most 5 %, which is 6 for two arms and 8 for five.
    """
    n = 2
    while smallest_wilcoxon_p(n, max(1, contenders - 1) * max(1, tests)) > ALPHA:
        n += 1
    return n


def binomial_sigma(
    n_test: int, accuracy: float = ASSUMED_ACCURACY, weights_norm: float = math.sqrt(2)
) -> float:
    """Standard deviation of the difference of two accuracies from the test set's size alone.

    sqrt(2 p (1 - p) / n_test): two arms of accuracy p that err independently of one another. For another
    sum of arms' accuracies, with weights of that Euclidean norm in the place of 1 and -1.
    """
    return weights_norm * math.sqrt(accuracy * (1 - accuracy) / n_test)
