"""Trials of a design: content, seeds, pairing."""

import pytest
from optuna.storages import InMemoryStorage

from harness.catalogue.resolve import ConfigError
from harness.errors import StudyError
from harness.planning.design import make_design
from harness.planning.trials import judge_trials, n_trials, tune_trials
from harness.planning.tuning import ArmTuner
from harness.words.seeds import seed_for
from tests.words.sketches import SKETCHES


@pytest.fixture
def design(load):
    return make_design(load(SKETCHES["optimizers"], "optimizers"))


def test_every_point_on_every_seed(design):
    arm = design.arm("adam")
    placed = tune_trials(design, arm, [{"optimizer.lr": 0.1}, {"optimizer.lr": 0.01}], first_point=9)
    assert [(p.point, p.replicate) for _, p in placed] == [(9, 0), (9, 1), (10, 0), (10, 1)]
    assert [t.config["optimizer"]["lr"] for t, _ in placed] == [0.1, 0.1, 0.01, 0.01]
    assert all(p.trial == t.id and p.arm == "adam" and p.phase == t.phase == "tune" for t, p in placed)
    assert placed[0][1].params == {"optimizer.lr": 0.1}
    assert len({t.id for t, _ in placed}) == 4


def test_judged_replicates_are_paired_across_arms(design):
    sgd = judge_trials(design, design.arm("sgd"), {"optimizer.lr": 1.0})
    adam = judge_trials(design, design.arm("adam"), {"optimizer.lr": 0.01})
    assert [p.replicate for _, p in sgd] == list(range(20))
    for (a, _), (b, _) in zip(sgd, adam, strict=True):
        assert a.seed_parts() == b.seed_parts()
        assert a.id != b.id


def test_tuning_and_judging_share_no_seed(design):
    arm = design.arm("sgd")
    tuned = tune_trials(design, arm, [{"optimizer.lr": 0.1}], seeds=range(100))
    judged = judge_trials(design, arm, {"optimizer.lr": 0.1}, range(100))
    for purpose in ("data", "split", "init", "order", "noise"):
        seeds = {seed_for(purpose, *t.seed_parts()) for t, _ in (*tuned, *judged)}
        assert len(seeds) == 200


def test_a_later_judged_replicate_is_the_same_trial(design):
    arm = design.arm("sgd")
    whole = judge_trials(design, arm, {"optimizer.lr": 0.1})
    (alone,) = judge_trials(design, arm, {"optimizer.lr": 0.1}, [7])
    assert alone == whole[7]


def test_a_default_written_out_is_the_same_trial(load):
    written = SKETCHES["optimizers"].replace("init: he_normal}", "init: he_normal, dropout: 0, bias: true}")
    first, second = (make_design(load(text, "optimizers")) for text in (SKETCHES["optimizers"], written))
    ids = [[t.id for t, _ in judge_trials(d, d.arm("sgd"), {"optimizer.lr": 0.1})] for d in (first, second)]
    assert ids[0] == ids[1]


def test_whole_numbers_are_rounded_and_wrong_values_refused(load):
    text = """\
base: {data: {name: mnist1d}, train: {epochs: 3}}
arms: {optimizer.name: [sgd, adam]}
tune: {model.width: {log_range: [8, 64]}}
"""
    design = make_design(load(text))
    ((trial, planned),) = judge_trials(design, design.arms[0], {"model.width": 22.6}, [0])
    assert trial.config["model"]["width"] == planned.params["model.width"] == 23
    with pytest.raises(ConfigError, match=r"optimizer\.lr"):
        judge_trials(design, design.arms[0], {"optimizer.lr": -1.0}, [0])


JUDGED_ALONE = """\
base: {data: {name: mnist1d}, model: {widths: [8], dropout: 0.5}, train: {epochs: 2}}
arms:
  train.lr_multiple: [1, 10]
  train.test_mode: [eval, train]
tune: {optimizer.lr: own_range}
"""


def test_arms_that_differ_in_what_acts_on_judged_trials_share_their_tuning(load):
    design = make_design(load(JUDGED_ALONE, "modes"))
    point = {"optimizer.lr": 0.1}
    assert len({t.id for arm in design.arms for t, _ in tune_trials(design, arm, [point])}) == 2  # seeds
    judged = [judge_trials(design, arm, point, [0])[0][0] for arm in design.arms]
    assert len({t.id for t in judged}) == 4
    assert [t.config["train"]["lr_multiple"] for t in judged] == [1, 1, 10, 10]
    assert [t.config["optimizer"]["lr"] for t in judged] == [0.1] * 4


@pytest.mark.parametrize("sampler", ["qmc", "random", "tpe", "gp"])
def test_drawn_points_are_shared_as_a_grids_are(load, sampler):
    """By arms that share their tuning, and by no others."""
    decay = "optimizer.weight_decay: {log_range: [1.0e-6, 0.1]}"
    tune = f"tune: {{optimizer.lr: own_range, {decay}, points: 3, sampler: {sampler}}}"
    text = JUDGED_ALONE.replace("tune: {optimizer.lr: own_range}", tune) + "judge: {replicates: 2}\n"
    design = make_design(
        load(text.replace("train.test_mode: [eval, train]", "model.activation: [relu, tanh]"))
    )
    drawn = {}
    for arm in design.arms:
        points = [asked.params for asked in ArmTuner(design, arm, "higher", InMemoryStorage()).ask()]
        drawn[arm.label] = ([*map(dict, points)], {t.id for t, _ in tune_trials(design, arm, points)})
    relu, tanh, relu_later, tanh_later = drawn.values()
    assert (relu, tanh) == (relu_later, tanh_later)
    assert not relu[1] & tanh[1]
    assert relu[0] != tanh[0]
    assert n_trials(design) == 2 * 3 * 2 + 4 * 2


def test_what_acts_on_judged_trials_alone_is_not_tuned(load):
    text = JUDGED_ALONE.replace("tune: {", "tune: {train.lr_multiple: [1, 2], ").replace(
        "train.lr_multiple: [1, 10]", "model.skip: [true, false]"
    )
    with pytest.raises(StudyError, match="acts on judged trials alone"):
        make_design(load(text, "modes"))
