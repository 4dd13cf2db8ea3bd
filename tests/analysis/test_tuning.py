"""The best-of-k curve, the target from tuning, the gain of a doubled budget."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.budget_gate import parabola_gain
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


@given(st.floats(-0.4, 0.4), st.floats(0.5, 3), st.floats(0.7, 1.4))
def test_parabola_gain_is_the_vertex(vertex, bend, right):
    x = np.array([-1.0, 0.0, right])
    y = 5 - bend * (x - vertex) ** 2
    gain = parabola_gain(x, y)
    if y.argmax() != 1:
        assert gain is None
    else:
        # a second difference of values near 5 loses at most a few units of 5 * 2e-16 / 0.5
        assert gain == pytest.approx(5 - y[1], abs=1e-13)


def test_parabola_gain_of_a_plateau_and_an_edge():
    assert parabola_gain(np.arange(3.0), np.array([1.0, 1.0, 1.0])) is None  # the first is the highest
    assert parabola_gain(np.arange(4.0), np.array([0.0, 1.0, 1.0, 0.0])) == pytest.approx(1 / 8)
    assert parabola_gain(np.arange(3.0), np.array([1.0, 2.0, 3.0])) is None
