"""What a plan says before a run: as many trials as run, the time probes take, what can be detected."""

import pytest

from harness.planning.detectable import Detectable, detectable
from harness.planning.trials import n_trials
from harness.running.balance import probe_passes, seconds_of_a_trial
from harness.running.cost import in_words, make_plan
from harness.running.pace import Pace
from harness.running.run import run_study
from tests.running.test_run import RERUNS
from tests.training.examples import config_of

JUDGED_ALONE = (
    ("optimizer.name: [sgd, adam]", "train.lr_multiple: [1, 3]"),
    ("a: adam, b: sgd", 'a: "1", b: "3"'),
)
DRAWN = (*JUDGED_ALONE, ("extend: 0", "extend: 0, sampler: qmc"))
SOME_TUNED = (
    (
        "{optimizer.name: [sgd, adam]}",
        "{rate: {one: {optimizer.lr: 0.07}, own: {optimizer.lr: {tune: own_range}}}}",
    ),
    ("optimizer.lr: own_range, ", ""),
    ("a: adam, b: sgd", "a: own, b: one"),
)


NAMES = ["apart", "shared", "shared and drawn", "some tuned"]


@pytest.mark.parametrize("changed", [(), JUDGED_ALONE, DRAWN, SOME_TUNED], ids=NAMES)
def test_as_many_trials_are_planned_as_run(design, bench, tmp_path, changed):
    plan, b = design(*changed), bench()
    run_study(plan, b)
    ran = len(b.executor.trials) - RERUNS
    fresh, again = (make_plan(plan, tmp_path / results, 1) for results in ("none", "results"))
    assert ran == n_trials(plan) == fresh.trials
    assert (fresh.kept, again.kept) == (0, ran)  # with tuned values and drawn points of its own
    assert again.minutes < fresh.minutes == fresh.whole_minutes


def test_an_arm_says_whose_tuning_trials_it_takes(design, tmp_path):
    arms = make_plan(design(*JUDGED_ALONE), tmp_path, 1).arms
    assert [(a.arm, a.tuning_trials, a.tuned_with) for a in arms] == [("1", 6, None), ("3", 6, "1")]
    arms = make_plan(design(*SOME_TUNED), tmp_path, 1).arms
    assert [(a.arm, a.tuning_trials, a.tuned_with) for a in arms] == [("one", 0, None), ("own", 6, None)]


def test_probes_of_one_moment_share_their_passes():
    assert probe_passes(config_of(), 200) == 0
    assert probe_passes(config_of(probes={"sparsity": ["start", "end"]}), 200) == 0
    both = {"gradient_norm": ["start"], "update_ratio": ["start", "end"]}
    assert probe_passes(config_of(probes=both), 200) == 2  # a gradient at the start, and one at the end
    seen = {"dead_fraction": ["end"], "gradient_norm": ["end"]}
    assert probe_passes(config_of(probes=seen), 200) == 3  # activations take two passes


def test_a_probe_on_the_way_costs_a_pass_each_time():
    config = config_of(probes={"gradient_norm": ["all"]})
    moments = 1 + 8 + 1  # the start, 1, 2, 4, ... 128, the end
    assert probe_passes(config, 200) == moments
    pace = Pace(step_s={1: 0.5})
    more = seconds_of_a_trial(config, pace, 1) - seconds_of_a_trial(config_of(), pace, 1)
    assert more == pytest.approx(moments * 300 / 30 * 0.5)  # n_train 300 in batches of 30


def test_what_is_exact_needs_no_replicates(design):
    old = "  - {kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.01}\n"
    plan = design((old, old + "  - {kind: identity, outcome: {exact: linear_collapse}}\n"))
    said = in_words(plan, detectable(plan))
    assert len(said) == 2
    assert said[1].startswith("2 identity: computed exactly, without replicates")


def test_hypotheses_are_named_by_the_levels_they_stay_at(design):
    line = "  - {kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.01}\n"
    at = "  - {kind: best_of, outcome: {final: test/accuracy}, delta: 0.01, at: {train.batch_size: 10}}\n"
    plan = design((line, at), ("adam]}", "adam], train.batch_size: [10, 30]}"))
    (said,) = in_words(plan, detectable(plan))
    assert said.startswith("1 best_of (at batch size 10): ")


def test_a_ratio_near_1_is_told_from_1(design):
    ratio = Detectable(0, "steps_to val/accuracy", 8, 1.4, 0.002, 1.0042, "ratio of steps", "a pilot")
    (said,) = in_words(design(), [ratio._replace(between=(1.0021, 1.0113))])
    assert "a difference of 1.004 (ratio of steps) with power 0.9" in said
    assert "(a pilot; 1.002 to 1.011 by sigma's 95 % interval)" in said


def test_an_answer_that_hypotheses_share_is_said_once(design):
    line = "  - {kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.01}\n"
    plan = design((line, line + line + line.replace("kind", "name: the speed, kind") + line))
    same = Detectable(0, "final test/accuracy", 8, 1.4, 0.01, 0.014, "accuracy", "a pilot")
    found = [same, same._replace(hypothesis=1, difference=0.02), same._replace(hypothesis=2)]
    shared, apart = in_words(plan, found)
    assert shared.startswith("1 superiority (adam / sgd), the speed: final test/accuracy: 8 pairs detect")
    assert "0.014 (accuracy)" in shared
    assert apart.startswith("2 superiority (adam / sgd): ")
    assert "0.02 (accuracy)" in apart
