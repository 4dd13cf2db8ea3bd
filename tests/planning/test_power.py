"""Power before launch, against statsmodels and against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp
from statsmodels.stats.power import TTestPower

from harness.planning.design import make_design
from harness.planning.detectable import Sigma, detectable
from harness.planning.power import (
    binomial_sigma,
    paired_t_power,
    smallest_effect,
    smallest_sign_flip_p,
)
from tests.words.sketches import SKETCHES


@pytest.mark.parametrize("n", [2, 8, 20, 50, 200])
@pytest.mark.parametrize("d_z", [0.1, 0.5, 1.0])
def test_power_is_that_of_statsmodels(n, d_z):
    assert paired_t_power(d_z, n) == pytest.approx(TTestPower().power(d_z, n, 0.05), abs=1e-8)


@pytest.mark.parametrize("n", [8, 20, 50, 200])
def test_smallest_effect_is_that_of_statsmodels(n):
    theirs = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.9)
    assert smallest_effect(n) == pytest.approx(theirs, rel=1e-5)  # their root finder stops there


def test_simulated_studies_find_the_smallest_effect_nine_times_in_ten():
    n, studies = 20, 4000
    draws = np.random.default_rng(0).normal(smallest_effect(n), 1, (studies, n))
    found = int((ttest_1samp(draws, 0, axis=1).pvalue < 0.05).sum())
    assert binomtest(found, studies, 0.9).pvalue > 1e-3


def test_power_far_from_0_is_1():
    assert paired_t_power(5, 200) == pytest.approx(1)


@settings(deadline=None)
@given(st.integers(3, 300))
def test_more_replicates_detect_less(n):
    assert smallest_effect(n + 1) < smallest_effect(n)


def test_smallest_p_of_a_sign_flip_test():
    assert smallest_sign_flip_p(5) == 1 / 32
    assert smallest_sign_flip_p(8, two_sided=True) == 2 / 256
    assert smallest_sign_flip_p(8, two_sided=True, tests=7) == 14 / 256
    assert smallest_sign_flip_p(1, two_sided=True, tests=3) == 1


def test_binomial_sigma_is_that_of_two_arms_that_err_independently():
    rng = np.random.default_rng(1)
    difference = (rng.binomial(1000, 0.9, 200_000) - rng.binomial(1000, 0.9, 200_000)) / 1000
    assert binomial_sigma(1000) == pytest.approx(difference.std(), rel=0.01)


def test_what_the_optimizers_study_detects(load):
    design = make_design(load(SKETCHES["optimizers"]))
    steps, accuracy = detectable(design)
    assert (steps.hypothesis, steps.n, steps.difference) == (0, 20, None)
    assert "units of" in steps.basis
    assert accuracy.difference == pytest.approx(smallest_effect(20) * binomial_sigma(4000))
    assert "4,000 test examples alone" in accuracy.basis


def test_with_sigmas_from_earlier_records(load):
    design = make_design(load(SKETCHES["optimizers"]))
    sigmas = {0: Sigma(0.2, "a pilot"), 1: Sigma(0.008, "a pilot")}
    steps, accuracy = detectable(design, sigmas)
    assert steps.difference == pytest.approx(math.exp(0.2 * smallest_effect(20)))
    assert (steps.unit, accuracy.unit) == ("ratio of steps", "accuracy")
    assert accuracy.difference == pytest.approx(0.008 * smallest_effect(20))
    assert steps.basis == accuracy.basis == "a pilot"


@pytest.mark.parametrize(("tune", "n"), [("tune: {optimizer.lr: own_range}\n", 21), ("", 10)])
def test_replicates_that_choose_an_optimum_do_not_test_it(load, tune, n):
    """21 replicates; where nothing is tuned the 11 even ones choose."""
    text = (
        "base: {data: {name: mnist1d}, train: {epochs: 3}}\narms: {model.width: [4, 16, 64]}\n"
        f"{tune}judge: {{replicates: 21}}\n"
        "hypotheses:\n  - {kind: interior_optimum, outcome: {final: test/accuracy}, delta: 0.01}\n"
    )
    (found,) = detectable(make_design(load(text)))
    assert (found.n, found.d_z) == (n, smallest_effect(n))
    assert ("the other replicates choose the level" in found.basis) is (n == 10)
