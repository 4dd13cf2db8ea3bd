"""The design is cut to a time: never beyond it, never below the floor, and the same when it goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.running.budget import MOST_REPLICATES, begun_with, fitted
from tests.simulated import simulated_design, simulated_evidence

DESIGN = simulated_design(("sgd", "adam"), 20)


def linear(start, each):
    return lambda n: start + each * n


@given(st.floats(0.01, 20), st.floats(0.001, 2), st.floats(0, 200))
def test_the_most_that_fits(start, each, minutes):
    cost = linear(start, each)
    if cost(8) > minutes:
        with pytest.raises(BadInput):
            fitted(DESIGN, minutes, cost)
        return
    n = fitted(DESIGN, minutes, cost)
    assert 8 <= n <= MOST_REPLICATES
    assert cost(n) <= minutes
    assert n == MOST_REPLICATES or cost(n + 2) > minutes  # one more may be lost to rounding


def test_costs_that_rise_in_steps_stay_within_the_budget():
    def cost(n):
        return 1 + 2 * -(-n // 16)

    for minutes in range(3, 30):
        assert cost(fitted(DESIGN, minutes, cost)) <= minutes


def test_too_little_time_says_what_takes_it():
    with pytest.raises(BadInput) as refused:
        fitted(DESIGN, 5, linear(4.0, 0.25))
    said = str(refused.value)
    assert "5 minutes are too few for 'optimizers': with 8 replicates" in said
    assert "it takes about 6.0, of which 2.0 judge" in said
    assert "2 arms x 9 points x 2 seeds" in said
    assert "1,200 steps" in said


def test_what_was_judged_keeps_its_replicates(store_with, tmp_path):
    evidence = simulated_evidence(replicates=9, arms=("sgd", "adam"))
    assert begun_with(evidence.design, tmp_path) is None
    store_with(tmp_path, evidence, phases=("tune",))
    assert begun_with(evidence.design, tmp_path) is None
    store_with(tmp_path, evidence)
    assert begun_with(evidence.design, tmp_path) == 9
