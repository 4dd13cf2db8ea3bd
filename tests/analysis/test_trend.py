"""Trends over levels, and error rates of the new rules on simulated studies. Bounds: 1 in 10,000."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from harness.analysis.estimates import paired_t
from harness.analysis.kinds.equivalence import tost_p
from harness.analysis.kinds.trend import page_p, rises
from harness.analysis.verdict_rule import effect_rule, equivalence_rule
from harness.words.verdict import Answer

RARE = 1e-4
STUDIES, N = 200, 12
POSITIONS = np.log([250, 1000, 4000, 16000])


def supported(rulings):
    return sum(r.answer is Answer.SUPPORTED for r in rulings)


def at_most(chance):
    return stats.binom.ppf(1 - RARE, STUDIES, chance)


def test_rises_are_least_squares_slopes_times_the_range():
    values = np.random.default_rng(0).normal(size=(5, 4))
    x = np.array([0.0, 1.0, 2.5, 7.0])
    slopes = [np.polyfit(x, row, 1)[0] for row in values]
    assert rises(values, x) == pytest.approx(np.array(slopes) * 7)
    assert rises(3 + 2 * x[None, :], x) == pytest.approx([14.0])


def test_the_t_test_is_that_of_the_slopes():
    values = np.random.default_rng(1).normal(size=(N, 4)) + 0.2 * POSITIONS
    slopes = [stats.linregress(POSITIONS, row).slope for row in values]
    assert paired_t(rises(values, POSITIONS)).p_value == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue)


def test_page_by_hand():
    """Three rows in perfect order: L = 3 (1 + 4 + 9) is the largest of 6^3 equally likely ones."""
    assert page_p(np.array([[1.0, 2, 3], [4, 5, 9], [0, 1, 2]])) == pytest.approx(1 / 216)


@pytest.mark.parametrize("shape", ["dose", "interaction"])
def test_no_trend_is_rarely_supported(shape):
    """With delta near 0 the rule is one side of a 95 % interval: 2.5 %."""
    generator = np.random.default_rng(2)
    shared = generator.normal(size=(STUDIES, N, 1))
    values = shared + generator.normal(size=(STUDIES, N, 4))
    if shape == "interaction":
        values = values - (shared + generator.normal(size=(STUDIES, N, 4)))
    rulings = [effect_rule(paired_t(rises(v, POSITIONS)), 1e-9) for v in values]
    assert supported(rulings) <= at_most(0.025)


def test_a_difference_of_delta_is_rarely_called_equivalent():
    """At the boundary, where the test is least sure: 5 %."""
    values = np.random.default_rng(3).normal(1.0, 0.8, size=(STUDIES, N))
    rulings = [equivalence_rule(paired_t(v), paired_t(v, confidence=0.9), 1.0) for v in values]
    assert supported(rulings) <= at_most(0.05)
    equal = [equivalence_rule(paired_t(v - 1), paired_t(v - 1, confidence=0.9), 1.0) for v in values]
    assert supported(equal) > STUDIES / 2
    assert not any(r.answer is Answer.REFUTED for r in equal)


@pytest.mark.parametrize("mean", [0.0, 0.3, -0.5, 1.2])
def test_tost_is_that_of_statsmodels(mean):
    generator = np.random.default_rng(4)
    a, b = generator.normal(mean, 1, N), generator.normal(0, 1, N)
    assert tost_p(a - b, 0.9) == pytest.approx(ttost_paired(a, b, -0.9, 0.9)[0], rel=1e-9)


def test_the_90_percent_interval_is_inside_where_both_tests_reject():
    generator = np.random.default_rng(5)
    for mean in np.linspace(-1, 1, 41):
        d = generator.normal(mean, 1, N)
        narrow = paired_t(d, confidence=0.9)
        assert (tost_p(d, 0.9) < 0.05) == (narrow.low > -0.9 and narrow.high < 0.9)
