"""Predictions of a stack: the net's own, whatever trains beside it; members differ in all but their data."""

import numpy as np
import pytest
import torch

from harness.errors import BadInput
from harness.training.start import batch_orders, initial_params, noise_key
from harness.training.train import train
from tests.training.examples import splits_for, stack_of, trial_of


def predictions_of(trials, cache_dir):
    """Trial id -> predictions, of the trials as one stack."""
    left = {}
    splits = [splits_for(t, cache_dir) for t in trials]
    list(train(stack_of(trials), splits, leave=left.__setitem__))
    return left


def member(trial, k):
    return trial.model_copy(update={"member": k})


@pytest.mark.parametrize("paths", [{}, {"train__patience": 2, "train__monitor": "val/loss"}])
def test_predictions_are_the_same_alone_and_together(cache_dir, paths):
    trials = [member(trial_of(r, train__steps=60, **paths), k) for r in (0, 1) for k in (0, 1, 2)]
    together = predictions_of(trials, cache_dir)
    assert list(together) == [t.id for t in trials]
    for trial in trials[1::2]:
        alone = predictions_of([trial], cache_dir)[trial.id]
        for split in ("val", "test"):
            for a, b in zip(alone[split], together[trial.id][split], strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_trial_that_diverged_leaves_none(cache_dir):
    trials = [trial_of(r, optimizer__lr=rate) for r, rate in ((0, 0.05), (1, 1e6), (2, 0.02))]
    assert list(predictions_of(trials, cache_dir)) == [trials[0].id, trials[2].id]


def test_members_share_their_data_and_nothing_else(cache_dir):
    trial = trial_of(3)
    first, second = member(trial, 1), member(trial, 2)
    prints = {splits_for(t, cache_dir).fingerprint for t in (trial, first, second)}
    assert len(prints) == 1
    module = torch.nn.Linear(4, 3)
    for own in (
        lambda t: initial_params(t, module),
        lambda t: torch.tensor([noise_key(t)]),
        lambda t: next(batch_orders(t, 300, 30)),
    ):
        a, b, c = own(trial), own(first), own(second)
        assert not torch.equal(a, b)
        assert not torch.equal(b, c)
        assert torch.equal(a, own(member(trial, 0)))


def test_a_regression_leaves_none_and_says_so_before_it_trains(cache_dir):
    """Log-softmax of one predicted value is 0 whatever it is: certainty in a class that isn't there."""
    trial = trial_of(data={"name": "teacher", "n_train": 100}, train__loss="mse")
    shares = []
    with pytest.raises(BadInput, match=r"of a regression.*allowed: classifications"):
        list(train(stack_of([trial]), [splits_for(trial, cache_dir)], report=shares.append, leave=print))
    assert shares == []
