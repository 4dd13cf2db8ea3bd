"""Which trials train together, and how they are cut into stacks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.run import start
from harness.training.stack import stack_key, stacks_of
from tests.training.examples import config_of, splits_for, stack_of, trial_of

BASE = {"optimizer__name": "momentum", "model__dropout": 0.1}
VARYING = [
    {"optimizer__lr": 0.5},
    {"optimizer__momentum": 0.5},
    {"optimizer__weight_decay": 0.01},
    {"model__dropout": 0.7},
    {"data__label_noise": 0.2},
    {"model__init": "orthogonal"},
    {"model__init_gain": 0.5, "model__init_bias": 0.1},
    {"optimizer": {"name": "sgd"}},
    {"optimizer": {"name": "adam", "beta1": 0.5}},
]
SPLITTING = [
    {"model__widths": [13, 10]},
    {"model__widths": [13]},
    {"model__activation": "tanh"},
    {"model__normalisation": "layer_norm"},
    {"model__skip": True},
    {"model__bias": False},
    {"model__dropout": 0.0},  # without dropout there is no layer of it
    {"schedule": {"name": "cosine"}},
    {"train__batch_size": 31},
    {"train__batch_size": "full"},
    {"train__steps": 201},
    {"train__loss": "mse"},
    {"train__label_smoothing": 0.1},
    {"train__dtype": "float64"},
    {"train__evaluations": 4},
    {"data__n_train": 301},
    {"data__shuffled": True},
]


def key_of(**paths):
    own = {} if "optimizer" in paths else {"optimizer__name": "momentum"}
    return stack_key(config_of(**{"model__dropout": 0.1, **own, **paths}))


@pytest.mark.parametrize("change", VARYING, ids=str)
def test_what_varies_inside_a_stack(change):
    assert key_of(**change) == key_of()


@pytest.mark.parametrize("change", SPLITTING, ids=str)
def test_what_makes_another_stack(change):
    assert key_of(**change) != key_of()


def test_seeds_do_not_matter():
    trials = [trial_of(r, phase, study) for r in (0, 1) for phase in ("tune",) for study in ("a", "b")]
    assert len(stacks_of(trials, 64)) == 1


POOL = [
    trial_of(r, optimizer__name=name, optimizer__lr=rate)
    for r in range(12)
    for name in ("sgd", "adam")
    for rate in (0.1, 0.01)
]


@settings(deadline=None, max_examples=60)
@given(
    trials=st.lists(st.sampled_from(POOL), unique_by=lambda t: t.id, max_size=40), largest=st.integers(1, 70)
)
def test_stacks_partition_the_trials(trials, largest):
    stacks = stacks_of(trials, largest)
    assert sorted(t.id for s in stacks for t in s.trials) == sorted(t.id for t in trials)
    for stack in stacks:
        assert 1 <= len(stack.trials) <= largest
        assert {stack_key(t.config) for t in stack.trials} == {stack.key}
        assert stack.config == stack.trials[0].config
    for key in {s.key for s in stacks}:
        sizes = [len(s.trials) for s in stacks if s.key == key]
        assert max(sizes) - min(sizes) <= 1  # about equal
        assert len(sizes) == -(-sum(sizes) // largest)  # and no more stacks than needed
        own = [t.id for s in stacks if s.key == key for t in s.trials]
        belonging = [t for t in trials if stack_key(t.config) == key]
        by_optimizer = sorted(belonging, key=lambda t: t.config["optimizer"]["name"])
        assert own == [t.id for t in by_optimizer]  # otherwise in order


def test_arms_that_share_network_and_loss_share_their_program(cache_dir):
    """What is recorded of a step serves all optimizers, and no other width, loss or precision."""

    def program(**paths):
        trial = trial_of(**paths)
        return start(stack_of([trial]), [splits_for(trial, cache_dir)], torch.device("cpu")).program

    first = program()
    assert program(optimizer__name="adam", data__n_train=200, model__init="orthogonal") is first
    for other in ({"model__widths": [12, 9]}, {"train__loss": "mse"}, {"train__dtype": "float64"}):
        assert program(**other) is not first
