"""The verdict rule as a table, its robustness flag, and the replicates it asks for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.estimates import Interval, paired_t
from harness.analysis.verdict_rule import Robustness, conclude, decide, needed_replicates
from harness.words.verdict import Answer, Gate

DELTA = 1.0


def interval(low, value, high, n=20):
    error = (high - low) / 2 / 2.093
    return Interval("paired t", n, value, low, high, error, 0.5)


TABLE = [
    (1.0, 1.5, 2.0, Answer.SUPPORTED, "clear"),  # L = delta is clear
    (0.1, 1.0, 1.9, Answer.SUPPORTED, "likely"),  # estimate = delta is supported
    (-2.0, -1.0, -0.1, Answer.REFUTED, "reversed"),
    (-0.5, 0.0, 0.0, Answer.REFUTED, "negligible"),  # U = 0 is not yet reversed
    (0.0, 0.4, 0.8, Answer.REFUTED, "negligible"),  # L = 0
    (0.1, 0.5, 0.9, Answer.REFUTED, "too small"),
    (0.1, 0.5, 1.0, Answer.INCONCLUSIVE, ""),  # U = delta does not refute
    (-0.1, 0.9, 1.9, Answer.INCONCLUSIVE, ""),
    (0.0, 1.5, 3.0, Answer.INCONCLUSIVE, ""),  # L = 0 does not support
    (-3.0, 0.0, 3.0, Answer.INCONCLUSIVE, ""),
]


@pytest.mark.parametrize(("low", "value", "high", "answer", "grade"), TABLE)
def test_the_table(low, value, high, answer, grade):
    found = decide(interval(low, value, high), DELTA)
    assert (found.answer, found.grade, found.fragile) == (answer, grade, False)
    assert (found.needed_n is not None) == (answer is Answer.INCONCLUSIVE)


def test_a_failed_gate_forces_inconclusive_and_is_named():
    edge = Gate(name="G1", title="edge", passed=False, detail="adam", remedy="widen the range")
    fine = Gate(name="G2", title="ceiling", passed=True, detail="")
    none = Gate(name="G9", title="controls", passed=None, detail="")
    clear = interval(1.0, 1.5, 2.0)
    assert decide(clear, DELTA, [fine, none]).answer is Answer.SUPPORTED
    found = decide(clear, DELTA, [fine, edge, none])
    assert found.answer is Answer.INCONCLUSIVE
    assert found.reason == "G1 edge: adam (widen the range)"


def test_without_pairs_nothing_is_decided():
    assert conclude(None).answer is Answer.INCONCLUSIVE


@pytest.mark.parametrize(
    ("bounds", "above_zero", "below_delta", "fragile"),
    [
        ((1.0, 1.5, 2.0), 0.025, 0.9, False),
        ((1.0, 1.5, 2.0), 0.026, 0.9, True),
        ((0.1, 0.5, 0.9), 0.001, 0.025, False),
        ((0.1, 0.5, 0.9), 0.001, 0.026, True),
        ((-0.1, 1.2, 2.5), 0.03, 0.9, False),
        ((-0.1, 1.2, 2.5), 0.02, 0.9, True),
    ],
)
def test_fragile_where_the_robustness_test_decides_otherwise(bounds, above_zero, below_delta, fragile):
    found = decide(interval(*bounds), DELTA, robustness=Robustness(above_zero, below_delta))
    assert found.fragile is fragile
    assert found.answer is decide(interval(*bounds), DELTA).answer


@given(st.floats(0.2, 3), st.integers(8, 40), st.floats(0, 0.2))
def test_needed_replicates_decide_at_the_same_estimate_and_spread(value, n, ratio):
    data = np.concatenate([np.full(n // 2, value - 3.0), np.full(n - n // 2, value + 3.0)])
    found = paired_t(data, ratio)
    if decide(found, DELTA).answer is not Answer.INCONCLUSIVE:
        return
    spread = float(np.std(data, ddof=1))
    room = found.value if found.value >= DELTA else DELTA - found.value
    needed = needed_replicates(found, room, ratio)
    assert needed == decide(found, DELTA, variance_ratio=ratio).needed_n
    if needed is None:  # even the normal half width at 10,000 is too wide
        assert 1.96 * spread * math.sqrt(1e-4 + ratio) > 0.99 * room
    else:
        assert needed > n
        assert 1.959 * spread * math.sqrt(1 / needed + ratio) < room
