"""A setting that no run would heed is refused at its own line; one that some arms heed is not."""

import pytest

from harness.catalogue.losses import LOSSES, SMOOTHED, smoothed
from harness.planning.design import make_design

TEXT = """\
base:
  data: {name: mnist1d, n_train: 200, n_val: 60, n_test: 60}
  model: {name: mlp, widths: [8]MODEL}
  optimizer: {name: adam}
  train: {batch_size: 50, epochs: 2TRAIN}
arms: {ARMS}
judge: {replicates: 8}
"""
OPTIMIZERS = "optimizer.name: [sgd, adam]"


def text(model="", train="", arms=OPTIMIZERS):
    return TEXT.replace("MODEL", model).replace("TRAIN", train).replace("ARMS", arms)


IDLE = {
    "augment_strength": ({"train": ", augment_strength: 0.3"}, "it needs train.augment"),
    "monitor": ({"train": ", monitor: val/accuracy"}, "it needs train.patience"),
    "test_mode": ({"arms": "train.test_mode: [eval, train]"}, "with dropout or batch normalisation"),
    "dropout": ({"model": ", dropout: 0.5", "widths": "[]"}, "it needs hidden layers"),
    "tuned dropout": ({"arms": f"{OPTIMIZERS}}}\ntune: {{model.dropout: [0, 0.5]", "widths": "[]"}, "hidden"),
    "skip": ({"arms": "model.skip: [false, true]"}, "neighbouring layers of equal width"),
    "step_us": ({"train": ", cost: {step_us: 100, example_us: 1}"}, "it needs train.seconds"),
    "init_gain": ({"model": ", init: zeros, init_gain: 2"}, "an init other than zeros"),
}


@pytest.mark.parametrize("setting", IDLE)
def test_a_setting_that_no_arm_heeds_is_refused(complaint, setting):
    changes, said = dict(IDLE[setting][0]), IDLE[setting][1]
    widths = changes.pop("widths", "[8]")
    (line,) = complaint(text(**changes).replace("[8]", widths))
    assert f"{setting.split()[-1]}: found " in line
    assert said in line


HEEDED = [
    {"train": ", augment: noise, augment_strength: 0.3"},
    {"train": ", augment_strength: 0.3", "arms": "train.augment: [none, noise]"},  # a baseline without
    {"train": ", monitor: val/accuracy, patience: 2"},
    {
        "train": ", monitor: val/accuracy",
        "arms": "stop: {never: {train.patience: null}, early: {train.patience: 2}}",
    },
    {"arms": "train.test_mode: [eval, train], layer: {none: {model.dropout: 0}, drop: {model.dropout: 0.5}}"},
    {"model": ", dropout: 0.5"},
    {"model": ", dropout: 0"},
    {"arms": f"{OPTIMIZERS}}}\ntune: {{model.dropout: [0, 0.5]"},
    {"arms": "model.skip: [false, true], model.widths: [[8], [8, 8]]"},
    {"model": ", init_gain: 2"},
]


@pytest.mark.parametrize("changes", HEEDED)
def test_a_setting_that_some_arm_heeds_is_not(load, changes):
    assert make_design(load(text(**changes))).arms


def test_a_cost_that_one_arms_length_goes_by_is_heeded(load):
    levels = "budget: {epochs: {train.epochs: 2}, time: {train.seconds: 0.001}}"
    base = text(arms=levels).replace("50, epochs: 2", "50, cost: {step_us: 100, example_us: 1}")
    assert set(make_design(load(base)).steps.values()) == {8, 6}


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_losses_that_take_smoothing_are_those_it_changes(loss):
    assert (smoothed(LOSSES[loss], 0.1).per_example is not LOSSES[loss].per_example) == (loss in SMOOTHED)


SMOOTHING = [
    {"train": ", label_smoothing: 0.1, loss: mse"},
    {"train": ", label_smoothing: 0.1", "arms": "train.loss: [cross_entropy, softmax_mse]"},
    {"train": ", loss: mse", "arms": "train.label_smoothing: [0, 0.1]"},
    {
        "train": ", loss: mse",
        "arms": "smooth: {no: {train.label_smoothing: 0}, yes: {train.label_smoothing: 0.1}}",
    },
    {"train": ", loss: mse", "arms": f"{OPTIMIZERS}}}\ntune: {{train.label_smoothing: [0, 0.1]"},
]


@pytest.mark.parametrize("changes", SMOOTHING)
def test_smoothing_needs_a_loss_that_takes_it_in_every_arm(complaint, changes):
    (line,) = complaint(text(**changes))
    assert "label_smoothing: has no effect where train.loss is " in line
    assert "allowed with cross_entropy, cross_entropy_one_hot" in line


def test_smoothing_with_a_loss_that_takes_it(load):
    assert make_design(load(text(train=", label_smoothing: 0.1")))
    unsmoothed = "loss: {ce: {train.label_smoothing: 0.1}, mse: {train.loss: mse}}"
    assert make_design(load(text(arms=unsmoothed)))


def test_a_search_over_losses_that_take_no_smoothing_is_refused(complaint):
    space = "{train.loss: [cross_entropy, mse], train.label_smoothing: [0, 0.1]}"
    space = f"kind: search\nspace: {space}\nbudget: {{trials: 16}}\n"
    study = text().replace(f"arms: {{{OPTIMIZERS}}}\n", space)
    assert "space.train.label_smoothing: has no effect where train.loss is mse" in " ".join(complaint(study))
