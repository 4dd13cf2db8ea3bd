"""The best-of-k curve, the target from tuning, the gain of a doubled budget."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.budget_gate import grid_gain
from harness.analysis.target import tuning_target
from harness.analysis.tuning_curve import choice_curve, expected_best
from harness.errors import BadInput, RunFailed
from harness.words.record import Status
from tests.analysis.records import record
from tests.simulated import simulated_evidence


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=7), st.sampled_from(["higher", "lower"]))
def test_best_of_k_is_the_mean_over_all_subsets(values, direction):
    best = max if direction == "higher" else min
    expected = [
        np.mean([best(chosen) for chosen in itertools.combinations(values, k)])
        for k in range(1, len(values) + 1)
    ]
    # sums of at most C(7, 3) = 35 terms below 10: rounding stays far below 1e-12
    np.testing.assert_allclose(expected_best(values, direction), expected, rtol=0, atol=1e-12)


def test_best_of_k_refuses_what_is_no_number():
    for values in ([], [1.0, float("nan")]):
        with pytest.raises(BadInput, match="best-of-k"):
            expected_best(values, "higher")


def test_a_diverged_point_counts_as_the_worst():
    choice = simulated_evidence(replicates=2).choices["momentum"]
    assert sum(p.score is None for p in choice.points) == 2
    scores = [p.score for p in choice.points if p.score is not None]
    curve = choice_curve(choice)
    assert len(curve) == 9
    assert curve[-1] == min(scores)
    assert curve[0] == pytest.approx((sum(scores) + 2 * max(scores)) / 9)


def test_the_luck_of_the_best_of_many_points_raises_no_target():
    """Points that don't differ: the best of 100 means of two lies two of its standard errors too high."""
    draws = np.random.default_rng(0).normal(0.5, 0.02, (400, 100, 2))
    studies = [{i: [record([v]) for v in seeds] for i, seeds in enumerate(points)} for points in draws]
    found = [tuning_target("val/accuracy", points, margin=0.0) for points in studies]
    assert draws.mean(axis=2).max(axis=1).mean() > 0.53
    assert np.mean(found) == pytest.approx(0.5, abs=3 * 0.02 / math.sqrt(2 * 400))


def test_with_one_seed_the_target_is_that_of_the_best_point():
    points = {0: [record([0.5])], 1: [record([0.7])]}
    assert tuning_target("val/accuracy", points) == pytest.approx(0.7 - 0.01)


def test_target_is_the_median_at_the_best_whole_point_less_a_margin():
    points = {
        0: [record([0.5]), record([0.6]), record([0.7])],
        1: [record([0.9]), record([0.99]), record([0.1], status=Status.DIVERGED)],
        2: [record([0.4]), record([0.4]), record([0.4])],
    }
    assert tuning_target("val/accuracy", points) == pytest.approx(0.6 - 0.01)
    assert tuning_target("val/accuracy", points, margin=0.1) == pytest.approx(0.5)
    losses = {0: [record([2.0], metric="val/loss")], 1: [record([3.0], metric="val/loss")]}
    assert tuning_target("val/loss", losses) == pytest.approx(2.0 * 1.05)
    with pytest.raises(RunFailed, match="every tuning point"):
        tuning_target("val/accuracy", {0: points[1]})
    with pytest.raises(BadInput, match="tuning measured val/accuracy"):
        tuning_target("test/accuracy", points)


def test_the_gain_expected_of_a_finer_grid_is_what_it_gains_on_average():
    """A parabola anywhere between the points of grids of spacing 1 and 1/2."""
    tops = (np.arange(4000) + 0.5) / 4000 * 2 - 1
    coarse, fine = np.arange(-6.0, 7), np.arange(-6.0, 6.5, 0.5)
    gained = [(-((fine - t) ** 2)).max() - (-((coarse - t) ** 2)).max() for t in tops]
    expected = [grid_gain(-((coarse - t) ** 2)) for t in tops]
    assert np.mean(expected) == pytest.approx(np.mean(gained), rel=1e-3)
    assert np.mean(gained) == pytest.approx(1 / 16, rel=1e-3)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_the_gain_is_a_quarter_of_half_the_gap_between_the_halves(values):
    y = np.array(values)
    assert grid_gain(y) == pytest.approx(abs(y[::2].max() - y[1::2].max()) / 8, abs=1e-12)


def test_a_cliff_beside_the_best_promises_nothing():
    """Where the next rate diverges, a parabola through the three points would top them by 0.04."""
    assert grid_gain(np.array([0.3, 0.5, 0.60, 0.65, 0.20, 0.1])) == pytest.approx(0.05 / 8)
