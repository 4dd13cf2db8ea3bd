"""The critical level against statsmodels' logistic regression."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from harness.analysis.critical_level import critical_level, likeliest_slope
from harness.analysis.events import clopper_pearson

POSITIONS = np.log([0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
EVENTS, RUNS = np.array([0.0, 1, 3, 9, 16, 20]), np.full(6, 20.0)


def binomial(design, events=EVENTS):
    return sm.GLM(np.column_stack([events, RUNS - events]), design, family=sm.families.Binomial())


@pytest.mark.parametrize("events", [EVENTS, EVENTS[::-1]])
def test_the_estimate_is_that_of_a_logistic_regression(events):
    fitted = binomial(sm.add_constant(POSITIONS), events).fit()
    found = critical_level(POSITIONS, events, RUNS)
    assert found.value == pytest.approx(-fitted.params[0] / fitted.params[1], abs=1e-4)
    slope = likeliest_slope(POSITIONS, events, RUNS, found.value)
    assert slope == pytest.approx(fitted.params[1], rel=1e-3)


def test_the_ends_are_where_the_likelihood_ratio_test_is_at_5_percent():
    """With the critical position held, logit P = b (x - critical) is a regression without a constant."""
    best = binomial(sm.add_constant(POSITIONS)).fit().llf
    found = critical_level(POSITIONS, EVENTS, RUNS)
    for end in (found.low, found.high):
        held = binomial((POSITIONS - end)[:, None]).fit().llf
        assert stats.chi2.sf(2 * (best - held), 1) == pytest.approx(0.05, abs=1e-4)
        assert found.p_at(end) == pytest.approx(0.05, abs=1e-4)


def test_perfect_separation_gives_the_gap():
    found = critical_level(POSITIONS, np.array([0.0, 0, 0, 20, 20, 20]), RUNS)
    low, high = POSITIONS[2], POSITIONS[3]
    assert found.value == pytest.approx((low + high) / 2, abs=0.01)
    assert low < found.low < low + 0.25 * (high - low)
    assert high - 0.25 * (high - low) < found.high < high


def test_without_any_event_the_interval_ends_at_the_last_level():
    found = critical_level(POSITIONS, np.zeros(6), RUNS)
    assert found.value == pytest.approx(POSITIONS[-1], abs=1e-3)
    assert found.high == POSITIONS[-1]
    assert POSITIONS[-2] < found.low < POSITIONS[-1]


def test_the_interval_covers_the_truth():
    """60 studies of a known curve: at least as many as 95 % allows, at 1 in 10,000."""
    generator = np.random.default_rng(0)
    truth, slope = math.log(0.2), 1.5
    chances = 1 / (1 + np.exp(-slope * (POSITIONS - truth)))
    found = [
        critical_level(POSITIONS, generator.binomial(20, chances).astype(float), RUNS) for _ in range(60)
    ]
    assert sum(f.low <= truth <= f.high for f in found) >= stats.binom.ppf(1e-4, 60, 0.95)


def test_clopper_pearson_by_hand():
    assert clopper_pearson(0, 20) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    low, high = clopper_pearson(7, 20)
    assert stats.binom.sf(6, 20, low) == pytest.approx(0.025)
    assert stats.binom.cdf(7, 20, high) == pytest.approx(0.025)
