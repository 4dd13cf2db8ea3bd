"""What acts on judged trials alone: the test split in training mode, a multiple of the learning rate."""

import pytest
import torch
import torch.nn.functional as F

from harness.training.finish import final_weights
from harness.training.run import start
from harness.training.train import advance, one_thread
from tests.training.examples import splits_for, stack_of, train_together, trial_of

SHORT = {"train__steps": 40, "train__evaluations": 4}
LAYERS = {"dropout": {"model__dropout": 0.5}, "batch norm": {"model__normalisation": "batch_norm"}}


@pytest.mark.parametrize("kind", LAYERS)
def test_training_mode_changes_the_test_split_alone(kind, cache_dir):
    (usual,) = train_together([trial_of(**SHORT, **LAYERS[kind])], cache_dir)
    (training,) = train_together([trial_of(**SHORT, **LAYERS[kind], train__test_mode="train")], cache_dir)
    assert usual.curves == training.curves
    changed = {name for name, value in usual.final.items() if training.final[name] != value}
    assert "test/loss" in changed
    assert all(name.startswith("test/") for name in changed)


def test_layers_without_modes_are_tested_alike(cache_dir):
    """But for the sums over other batches."""
    (usual,) = train_together([trial_of(**SHORT)], cache_dir)
    (training,) = train_together([trial_of(**SHORT, train__test_mode="train")], cache_dir)
    assert training.final == pytest.approx(usual.final, rel=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_training_mode_alone_as_in_a_stack(kind, cache_dir):
    trials = [
        trial_of(i % 3, **SHORT, **LAYERS[kind], optimizer__lr=0.05 * (i + 1), train__test_mode="train")
        for i in range(5)
    ]
    together = train_together(trials, cache_dir)
    for i in (0, 3):
        assert train_together([trials[i]], cache_dir)[0].final == together[i].final


def test_batch_norm_in_training_mode_takes_each_batch_s_own_statistics(cache_dir):
    """Against torch's own function, in batches of 30 of the 130 test examples."""
    trial = trial_of(**SHORT, model__normalisation="batch_norm", model__widths=[13], train__test_mode="train")
    splits = splits_for(trial, cache_dir)
    with one_thread(), torch.no_grad():
        run = start(stack_of([trial]), [splits], torch.device("cpu"))
        advance(run, 40, [0, 40], lambda share: None)
    own = run.program.layout.unflatten(final_weights(run)[0].params[0])
    losses = []
    for x, y in zip(
        torch.tensor(splits.x_test).split(30), torch.tensor(splits.y_test).split(30), strict=True
    ):
        h = F.linear(x, own["hidden.0.linear.weight"], own["hidden.0.linear.bias"])
        scale = own["hidden.0.norm.weight"], own["hidden.0.norm.bias"]
        h = F.batch_norm(h, None, None, *scale, training=True).relu()
        losses.append(
            F.cross_entropy(F.linear(h, own["output.weight"], own["output.bias"]), y, reduction="none")
        )
    (record,) = train_together([trial], cache_dir)
    assert record.final["test/loss"] == pytest.approx(float(torch.cat(losses).mean()), rel=1e-5)


def test_a_multiple_of_the_learning_rate_is_that_rate(cache_dir):
    """In one stack with others; a power of two, so that the product is exact."""
    multiplied = [trial_of(**SHORT, optimizer__lr=0.05, train__lr_multiple=m) for m in (1.0, 2.0, 4.0)]
    plain = [trial_of(**SHORT, optimizer__lr=lr) for lr in (0.05, 0.1, 0.2)]
    for a, b in zip(train_together(multiplied, cache_dir), train_together(plain, cache_dir), strict=True):
        assert a.curves == b.curves
        assert a.final == b.final
