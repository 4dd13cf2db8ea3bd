"""Outcome functions on one record, edge cases first."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.outcome_table import arm_values, outcome_table, pairs
from harness.analysis.outcomes import FUNCTIONS, first_step, outcome_direction, outcome_value
from harness.errors import BadInput
from harness.words.outcome import OUTCOMES, Outcome
from harness.words.record import Status
from tests.analysis.records import record
from tests.simulated import simulated_evidence

NAN = math.nan


def outcome(text, metric="val/accuracy", **options):
    return Outcome(function=text, metric=metric, options=options)


def steps_to(curve, target, **kw):
    return outcome_value(outcome("steps_to"), record(curve, **kw), target)


def test_steps_to_interpolates_the_running_median():
    # medians (a missing neighbour is no arrival) .1 .2 .3 .4 .4 at 10 ... 50: .35 halfway from 30 to 40
    assert steps_to([0.1, 0.2, 0.3, 0.4, 0.5], 0.35).value == pytest.approx(35)


def test_steps_to_ignores_a_single_peak():
    assert steps_to([0.1, 0.9, 0.1, 0.1, 0.1], 0.5) == (50.0, True, False)
    assert steps_to([0.1, 0.1, 0.1, 0.1, 0.9], 0.5).censored


def test_steps_to_at_the_ends():
    assert steps_to([0.6, 0.6, 0.6], 0.5) == (10.0, False, False)  # no earlier step is known
    assert steps_to([0.1, 0.1, 0.6, 0.6], 0.5).value == pytest.approx(28)  # median .1 at 20, .6 at 30
    assert steps_to([0.1, 0.2, 0.3], 0.2) == (20.0, False, False)  # reached exactly at an evaluation


def test_a_run_that_is_there_untrained_counts_as_one_step():
    there = record([0.5, 0.6, 0.7, 0.8]).model_copy(update={"steps": [0, 10, 20, 30]})
    assert outcome_value(outcome("steps_to"), there, 0.1).value == 1


def test_steps_to_with_missing_values_and_divergence():
    assert not steps_to([NAN, 0.6, 0.6, 0.6], 0.5).censored
    assert steps_to([NAN, NAN, NAN], 0.5).censored
    assert steps_to([0.6, 0.6, NAN, NAN], 0.5, status=Status.DIVERGED) == (40.0, True, True)


@pytest.mark.parametrize(("size", "each"), [(32, 32), ("full", 4000)])
def test_time_in_examples_is_steps_times_the_batch_size(size, each):
    """Interpolated, censored at the budget, and at least one batch."""
    train = {"config": {"train": {"batch_size": size}}}
    in_examples = outcome("steps_to", unit="examples")

    def examples(curve, target, **kw):
        run = record(curve, **kw).model_copy(update=train)
        return outcome_value(in_examples, run, target, n_train=4000)

    assert examples([0.1, 0.2, 0.3, 0.4, 0.5], 0.35).value == pytest.approx(35 * each)
    assert examples([0.1] * 5, 0.5) == (50.0 * each, True, False)
    lost = examples([0.6, 0.6, NAN, NAN], 0.5, status=Status.DIVERGED)
    assert lost == (40.0 * each, True, True)
    there = record([0.6] * 3).model_copy(update={**train, "steps": [0, 10, 20]})
    assert outcome_value(in_examples, there, 0.5, n_train=4000).value == each


@pytest.mark.parametrize(("size", "step_s"), [(32, 164e-6), ("full", 8.1e-3)])
def test_time_in_seconds_is_steps_times_their_declared_cost(size, step_s):
    train = {"batch_size": size, "cost": {"step_us": 100, "example_us": 2}}
    run = record([0.1, 0.2, 0.3, 0.4, 0.5]).model_copy(update={"config": {"train": train}})
    seconds = outcome("steps_to", unit="seconds")
    assert outcome_value(seconds, run, 0.35, n_train=4000).value == pytest.approx(35 * step_s)
    assert outcome_value(seconds, run, 0.6, n_train=4000) == (pytest.approx(50 * step_s), True, False)
    free = run.model_copy(update={"config": {"train": {"batch_size": size}}})
    with pytest.raises(BadInput, match=r"needs train\.cost"):
        outcome_value(seconds, free, 0.35, n_train=4000)


def test_a_time_in_an_unknown_unit_or_a_batch_of_unknown_size_is_refused():
    run = record([0.1, 0.2, 0.3])
    with pytest.raises(BadInput, match="found unit 'epochs'; allowed: steps, examples, seconds"):
        outcome_value(outcome("steps_to", unit="epochs"), run, 0.2)
    with pytest.raises(BadInput, match="give n_train"):
        outcome_value(outcome("steps_to", unit="examples"), run, 0.2)


def test_a_unit_is_part_of_an_outcomes_name():
    assert str(outcome("steps_to", unit="examples")) == "steps_to val/accuracy in examples"
    assert str(outcome("steps_to", unit="steps")) == str(outcome("steps_to")) == "steps_to val/accuracy"


def test_steps_to_of_a_loss_falls():
    run = record([2.0, 1.5, 1.0, 0.5, 0.4], metric="val/loss")
    assert outcome_value(outcome("steps_to", "val/loss"), run, 0.75).value == pytest.approx(35)


def test_steps_to_needs_a_target_and_three_evaluations():
    with pytest.raises(BadInput, match="needs a target"):
        outcome_value(outcome("steps_to"), record([0.1] * 3), None)
    with pytest.raises(BadInput, match="at least 3 evaluations"):
        steps_to([0.1, 0.2], 0.1)


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=20),
    st.floats(0, 1),
    st.floats(0, 0.5),
)
def test_a_higher_target_is_never_reached_sooner(curve, target, more):
    steps = np.arange(1.0, len(curve) + 1)
    low, high = first_step(steps, np.array(curve), target), first_step(steps, np.array(curve), target + more)
    assert high is None or (low is not None and low <= high + 1e-9)


def test_final_best_area():
    run = record([0.1, 0.5, 0.3])
    assert outcome_value(outcome("final"), run).value == 0.3
    assert outcome_value(outcome("best"), run).value == 0.5
    assert outcome_value(outcome("area"), run).value == pytest.approx((0.3 + 0.4) / 2)
    assert outcome_value(outcome("best", "val/loss"), record([3, 1, 2], metric="val/loss")).value == 1
    assert outcome_value(outcome("area"), record([0.4])).value == 0.4


@pytest.mark.parametrize(
    ("curve", "share"),
    [([5, 3, 1], 0), ([5, 1, 3, 2], 0.5), ([1, 5], 1), ([4, 4], 0), ([5, 3, 4, 1, 1.5], 0.25), ([2], 0)],
)
def test_overshoot_is_the_worst_fall_back_as_a_share_of_the_range(curve, share):
    up = [-v for v in curve]
    assert (
        outcome_value(outcome("overshoot", "train/loss"), record(curve, metric="train/loss")).value == share
    )
    assert outcome_value(outcome("overshoot"), record(up)).value == share
    lost = record([*curve[:1], NAN], metric="train/loss", status=Status.DIVERGED)
    assert outcome_value(outcome("overshoot", "train/loss"), lost) == (1, False, True)
    assert outcome_direction(outcome("overshoot")) == "lower"


@pytest.mark.parametrize("name", ["final", "best", "area"])
def test_a_diverged_run_gets_the_worst_value(name):
    lost = record([0.2, NAN, NAN], status=Status.DIVERGED)
    assert outcome_value(outcome(name), lost, n_classes=4) == (0.25, False, True)
    lost = record([0.2, NAN, NAN], metric="val/loss", status=Status.DIVERGED)
    assert outcome_value(outcome(name, "val/loss"), lost, n_classes=4).value == pytest.approx(math.log(4))


def test_diverged_and_success():
    run, lost = record([0.2, 0.4, 1.0]), record([0.2, NAN, NAN], status=Status.DIVERGED)
    assert outcome_value(outcome("diverged", ""), run).value == 0
    assert outcome_value(outcome("diverged", ""), lost).value == 1
    assert outcome_value(outcome("success", at_least=1.0), run).value == 1
    assert outcome_value(outcome("success", at_most=0.5), run).value == 0
    assert outcome_value(outcome("success", at_least=0.1), lost).value == 0
    with pytest.raises(BadInput, match="at_least or at_most"):
        outcome_value(outcome("success"), run)


def test_what_is_missing_is_named():
    run = record([0.1, 0.2, 0.3])
    with pytest.raises(BadInput, match="no final metric 'test/accuracy'; it has val/accuracy"):
        outcome_value(outcome("final", "test/accuracy"), run)
    with pytest.raises(BadInput, match="unknown option smooth; allowed: restarts"):
        outcome_value(outcome("final", smooth=3), run)
    with pytest.raises(BadInput, match="failed trial"):
        outcome_value(outcome("final"), record([0.1], status=Status.FAILED))


@pytest.mark.parametrize("name", sorted(set(OUTCOMES) - set(FUNCTIONS)))
def test_outcomes_not_built_say_so(name):
    with pytest.raises(BadInput, match="not available yet; available: final"):
        outcome_value(outcome(name), record([0.1]))


def test_directions():
    assert outcome_direction(outcome("steps_to"), "higher") == "lower"
    assert outcome_direction(outcome("final", "test/loss")) == "lower"
    assert outcome_direction(outcome("final", "test/loss"), "higher") == "higher"
    assert outcome_direction(outcome("success", at_least=1.0)) == "higher"


def test_the_table_imputes_and_pairs():
    evidence = simulated_evidence(replicates=8, arms=("momentum", "adam"), diverged={"adam": 0.25})
    table = outcome_table(evidence, outcome("final", "test/accuracy"))
    assert list(table.columns) == ["arm", "replicate", "value", "censored", "diverged"]
    assert arm_values(table, "adam")[:2].tolist() == [0.1, 0.1]
    both = pairs(table, "adam", "momentum")
    assert (len(both), len(both.without_diverged())) == (8, 6)
    steps = outcome_table(evidence, outcome("steps_to"))
    assert steps[steps["diverged"]]["censored"].all()
    assert (steps[steps["diverged"]]["value"] == 1200).all()


def test_importing_outcomes_is_light():
    code = (
        "import sys, harness.analysis.outcomes, harness.analysis.target, harness.analysis.tuning_curve;"
        "sys.exit(bool({'scipy', 'statsmodels', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
