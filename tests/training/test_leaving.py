"""Members that leave their stack: early stopping, stacks that end early, the rest as a smaller stack."""

import math

import pytest
import torch

from harness.errors import BadInput
from harness.training import leaving
from harness.training.run import start
from harness.training.train import advance, one_thread
from harness.words.record import Status
from tests.training.examples import splits_for, stack_of, train_together, trial_of

OVERFIT = {
    "data__n_train": 60,
    "optimizer__name": "adam",
    "optimizer__lr": 0.03,
    "train__steps": 400,
    "train__evaluations": 80,
    "train__patience": 5,
}


def same(one, other):
    """Equal in every value; NaN equals NaN."""
    return repr((one.status, one.steps, one.curves, one.final, one.best_step)) == repr(
        (other.status, other.steps, other.curves, other.final, other.best_step)
    )


def test_a_trial_stops_after_its_patience_and_keeps_its_best_weights(cache_dir):
    (record,) = train_together([trial_of(**OVERFIT)], cache_dir)
    losses = record.curves["val/loss"]
    best = losses.index(min(losses))
    assert record.status is Status.DONE
    assert len(losses) == best + 1 + 5 < 81
    assert record.best_step == record.steps[best]
    assert record.final["val/loss"] == pytest.approx(min(losses), rel=1e-12)


def test_patience_changes_nothing_before_the_stop(cache_dir):
    (stopped,) = train_together([trial_of(**OVERFIT)], cache_dir)
    (whole,) = train_together([trial_of(**OVERFIT | {"train__patience": None})], cache_dir)
    n = len(stopped.steps)
    assert whole.best_step is None
    assert {k: v[:n] for k, v in whole.curves.items()} == stopped.curves


@pytest.mark.parametrize("monitor", ["val/accuracy", "train/loss"])
def test_what_is_monitored(monitor, cache_dir):
    (record,) = train_together([trial_of(**OVERFIT, train__monitor=monitor)], cache_dir)
    curve = record.curves[monitor]
    best = max(curve) if monitor.endswith("accuracy") else min(curve)
    assert record.best_step == record.steps[curve.index(best)]


def test_members_that_stop_at_different_times_are_as_alone(cache_dir):
    """Some diverge, some stop, the stack is gathered twice; each record is the one of the trial alone."""
    rates = [0.001, 0.003, 0.01, 0.03, 0.1, 1e20, 1e20, 1e20]
    trials = [trial_of(r, **OVERFIT | {"optimizer__lr": lr}) for r, lr in enumerate(rates)]
    together = train_together(trials, cache_dir)
    assert len({len(r.steps) for r in together if r.status is Status.DONE}) > 2
    for trial, record in zip(trials, together, strict=True):
        (alone,) = train_together([trial], cache_dir)
        assert same(alone, record)


def test_a_stack_shrinks_once_half_of_it_has_left(cache_dir):
    trials = [trial_of(r, optimizer__lr=1e20 if r else 0.05) for r in range(4)]
    run = start(stack_of(trials), [splits_for(t, cache_dir) for t in trials], torch.device("cpu"))
    with one_thread(), torch.no_grad():
        advance(run, 20, [0, 10, 20], lambda share: None)
    assert run.rows.tolist() == [0]
    assert run.params.shape[0] == 1
    assert run.training.tolist() == [True, False, False, False]


def test_a_stack_ends_when_nobody_trains_any_more(cache_dir):
    shares = []
    trials = [trial_of(r, optimizer__lr=1e20) for r in range(3)]
    records = train_together(trials, cache_dir, report=shares.append)
    assert len(shares) < len(records[0].steps)  # not evaluated to the end
    for record in records:
        assert record.steps[-1] == 200
        assert math.isnan(record.curves["val/loss"][-1])


def test_gathering_changes_no_result(cache_dir, monkeypatch):
    trials = [trial_of(r, optimizer__lr=1e20 if r < 3 else 0.05, model__dropout=0.2) for r in range(5)]
    gathered = train_together(trials, cache_dir)
    monkeypatch.setattr(leaving, "SMALLER", 0.0)
    assert all(same(a, b) for a, b in zip(gathered, train_together(trials, cache_dir), strict=True))


def test_a_monitor_that_is_not_measured(cache_dir):
    with pytest.raises(BadInput, match=r"unknown train.monitor 'val/mse'.*Allowed: .*val/loss"):
        train_together([trial_of(**OVERFIT, train__monitor="val/mse")], cache_dir)
