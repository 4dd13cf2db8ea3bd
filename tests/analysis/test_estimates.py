"""Intervals and tests against independent implementations."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.analysis.estimates import (
    d_z,
    exact_rank_quantile,
    hodges_lehmann,
    pair_correlation,
    paired_t,
    probability_better,
    rank_quantile,
    signed_rank_p,
)
from harness.analysis.outcome_table import Pairs
from harness.analysis.sign_flip import max_t_p, sign_flip_p
from harness.analysis.time_to_target import log_rank_p, log_speed_up, win_loss_p, wins

GENERATOR = np.random.default_rng(7)
DIFFERENCES = GENERATOR.normal(0.4, 1.0, size=12)


def pairs_of(a, b, budget=math.inf):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    none = np.zeros(len(a), dtype=bool)
    return Pairs(np.minimum(a, budget), np.minimum(b, budget), a >= budget, b >= budget, none)


def test_paired_t_agrees_with_scipy():
    expected = stats.ttest_1samp(DIFFERENCES, 0)
    found = paired_t(DIFFERENCES)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert d_z(DIFFERENCES) == pytest.approx(expected.statistic / math.sqrt(12), rel=1e-12)


def test_nadeau_bengio_by_hand():
    # differences 1 ... 5: mean 3, s^2 = 2.5; n_test/n_train = 1/4: variance (1/5 + 1/4) 2.5 = 1.125
    found = paired_t(np.arange(1.0, 6.0), 0.25)
    assert found.standard_error == pytest.approx(math.sqrt(1.125), rel=1e-12)
    half = stats.t.ppf(0.975, 4) * math.sqrt(1.125)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), rel=1e-12)
    assert "Nadeau" in found.method


def test_equal_differences_have_no_width():
    assert paired_t(np.full(5, 0.1))[2:7] == pytest.approx((0.1, 0.1, 0.1, 0, 0))
    assert paired_t(np.zeros(5)).p_value == 1.0
    assert d_z(np.zeros(5)) is None


@pytest.mark.parametrize("n", [6, 9, 12, 25])
def test_hodges_lehmann_interval_inverts_the_exact_test(n):
    """The interval's ends are where the exact signed-rank test of a shift crosses 5 %."""
    data = np.random.default_rng(n).normal(size=n)
    found = hodges_lehmann(data)
    for end, inside in ((found.low, 1), (found.high, -1)):
        assert signed_rank_p(data - (end + inside * 1e-9)) > 0.05
        assert signed_rank_p(data - (end - inside * 1e-9)) <= 0.05
    averages = [(x + y) / 2 for i, x in enumerate(data) for y in data[i:]]
    assert found.value == pytest.approx(np.median(averages), rel=1e-12)
    assert found.p_value == pytest.approx(stats.wilcoxon(data).pvalue, rel=1e-12)


@pytest.mark.parametrize("tail", [0.025, 0.05])
def test_ranks_of_many_pairs_are_normal(tail):
    """By the normal approximation the rank differs from the exact one by one at most."""
    for n in (101, 150, 200):
        assert abs(rank_quantile(n, tail) - exact_rank_quantile(n, tail)) <= 1


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_exact_sign_flip_agrees_with_scipy(alternative):
    expected = stats.permutation_test(
        (DIFFERENCES,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative=alternative
    )
    assert sign_flip_p(DIFFERENCES, alternative) == pytest.approx(expected.pvalue, rel=1e-12)


def test_drawn_sign_flip_agrees_with_the_exact_one():
    data = np.random.default_rng(1).normal(0.35, 1, size=16)
    exact = stats.permutation_test((data,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    bound = 5 * math.sqrt(exact * (1 - exact) / 20_000)  # five standard errors of 20,000 draws
    assert abs(sign_flip_p(data) - exact) < bound
    assert sign_flip_p(data) == sign_flip_p(data.copy())


def test_drawn_signs_do_not_depend_on_how_many_are_in_memory(monkeypatch):
    data = np.random.default_rng(3).normal(0.1, 1, (301, 2))
    whole = sign_flip_p(data[:, 0]), max_t_p(data)
    monkeypatch.setattr("harness.analysis.sign_flip.BLOCK", 7_777)
    assert sign_flip_p(data[:, 0]) == whole[0]
    assert np.array_equal(max_t_p(data), whole[1])


def test_max_t_of_one_column_is_the_sign_flip_test():
    assert max_t_p(DIFFERENCES[:, None])[0] == sign_flip_p(DIFFERENCES, "greater")


def test_max_t_by_enumeration():
    """(n, k) = (6, 3): the largest t over all 2^6 sign vectors, one sign a row, by scipy's t."""
    table = np.random.default_rng(3).normal(0.3, 1, size=(6, 3))
    signs = np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1).T
    largest = [stats.ttest_1samp(s[:, None] * table, 0).statistic.max() for s in signs]
    observed = stats.ttest_1samp(table, 0).statistic
    expected = [np.mean(np.array(largest) >= t - 1e-9) for t in observed]
    np.testing.assert_allclose(max_t_p(table), expected, rtol=1e-12)


def test_effect_sizes():
    assert probability_better(np.array([1.0, 0.0, -1.0, 2.0])) == 0.625
    assert pair_correlation(np.arange(4.0), 2 * np.arange(4.0)) == pytest.approx(1)
    assert pair_correlation(np.ones(4), np.arange(4.0)) is None


def test_speed_up_without_censoring_is_the_geometric_mean():
    found = log_speed_up(pairs_of([10, 20, 40], [20, 40, 80]))
    assert math.exp(found.value) == pytest.approx(2)
    assert found.method == "paired t"


def test_speed_up_with_censoring():
    a, b = np.array([10.0, 20, 30, 35, 90, 15]), np.array([30.0, 95, 70, 60, 99, 12])
    both = pairs_of(a, b, budget=80)
    found = log_speed_up(both)
    assert found.value == pytest.approx(math.log(both.b.mean() / both.a.mean()))
    assert wins(both).tolist() == [1, 1, 1, 1, 0, -1]
    assert found.p_value == pytest.approx(stats.binomtest(4, 5).pvalue)
    left_out = [math.log(np.delete(both.b, i).mean() / np.delete(both.a, i).mean()) for i in range(6)]
    variance = 5 / 6 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)
    assert found.standard_error == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert 0 < log_rank_p(both) < 1


def test_all_censored_says_nothing():
    both = pairs_of([90, 90, 90], [90, 90, 90], budget=80)
    assert (log_rank_p(both), win_loss_p(wins(both)), log_speed_up(both).value) == (1, 1, 0)
