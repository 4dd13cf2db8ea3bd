"""Diverged trials: what their records say, and that their neighbours don't notice."""

import math

import pytest
import torch

from harness.catalogue.losses import LOSSES
from harness.training.run import start
from harness.training.train import advance, one_thread
from harness.words.record import Status
from tests.training.examples import splits_for, stack_of, train_together, trial_of


def diverged_and_healthy(cache_dir, bad_rate, **paths):
    trials = [trial_of(0, **paths), trial_of(1, **{**paths, "optimizer__lr": bad_rate}), trial_of(2, **paths)]
    return trials, train_together(trials, cache_dir)


@pytest.mark.parametrize("bad_rate", [1e6, 1e20, 3e38])
def test_a_diverged_record(bad_rate, cache_dir):
    trials, records = diverged_and_healthy(
        cache_dir, bad_rate, model__activation="tanh", model__init="normal_1"
    )
    lost = records[1]
    assert lost.status is Status.DIVERGED
    assert "10 x its initial" in lost.reason
    assert lost.final == {}
    assert lost.trial == trials[1].id
    at = lost.steps.index(lost.diverged_at_step)
    assert at > 0
    for curve in lost.curves.values():
        assert all(map(math.isfinite, curve[:at]))
        assert all(map(math.isnan, curve[at:]))


def test_neighbours_are_untouched(cache_dir):
    trials, records = diverged_and_healthy(cache_dir, 1e20)
    assert records[1].status is Status.DIVERGED
    for i in (0, 2):
        (alone,) = train_together([trials[i]], cache_dir)
        assert records[i].status is Status.DONE
        assert (records[i].reason, records[i].diverged_at_step) == ("", None)
        assert (alone.curves, alone.final) == (records[i].curves, records[i].final)


def test_a_loss_above_ten_times_its_start_counts_though_it_is_finite(cache_dir):
    """A rate at which the loss grows without overflowing: every value is a number, the trial is lost."""
    trial = trial_of(optimizer__lr=60.0, model__widths=[], train__steps=40, train__evaluations=40)
    (record,) = train_together([trial], cache_dir)
    assert record.status is Status.DIVERGED
    before = [v for v in record.curves["train/loss"] if not math.isnan(v)]
    assert max(before) <= 10 * before[0]
    run = start(stack_of([trial]), [splits_for(trial, cache_dir)], torch.device("cpu"))
    with one_thread(), torch.no_grad():
        advance(run, 40, [0], lambda share: None)
    assert run.params.isfinite().all()  # nothing overflowed


def test_a_loss_below_zero_is_no_divergence(cache_dir, monkeypatch):
    """As the negative log of a density may be: ten times such a start would be below it."""
    plain = LOSSES["cross_entropy"]
    below = plain._replace(per_example=lambda z, y: plain.per_example(z, y) - 5)
    monkeypatch.setitem(LOSSES, "below", below)
    (record,) = train_together([trial_of(train__loss="below")], cache_dir)
    assert record.curves["train/loss"][0] < 0
    assert record.status is Status.DONE


def test_exactly_as_high_as_allowed_is_no_divergence(cache_dir):
    (record,) = train_together([trial_of(optimizer__lr=1e-6)], cache_dir)
    assert record.status is Status.DONE
    assert record.curves["train/loss"][-1] == pytest.approx(record.curves["train/loss"][0], rel=1e-2)


@pytest.mark.parametrize("poison", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("at", [0, 300, -1])
def test_one_weight_that_is_no_number_counts_at_the_next_evaluation(poison, at, cache_dir):
    """Whichever it is: it spreads to the loss by itself."""
    trials = [trial_of(0), trial_of(1)]
    splits = [splits_for(t, cache_dir) for t in trials]
    with one_thread(), torch.no_grad():
        run = start(stack_of(trials), splits, torch.device("cpu"))
        advance(run, 5, [0], lambda share: None)
        run.params[1, at] = poison
        advance(run, 5, [5], lambda share: None)
    assert run.diverged.tolist() == [False, True]
    assert run.curves()["train/loss"][-1].isfinite().tolist() == [True, False]


def test_all_of_a_stack_may_diverge(cache_dir):
    trials = [trial_of(r, optimizer__lr=1e20) for r in range(3)]
    records = train_together(trials, cache_dir)
    assert [r.status for r in records] == [Status.DIVERGED] * 3


def test_what_a_record_holds(cache_dir):
    shares = []
    trials = [trial_of(0), trial_of(3, phase="judge")]
    records = train_together(trials, cache_dir, report=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    for trial, record in zip(trials, records, strict=True):
        assert (record.trial, record.replicate, record.config) == (trial.id, trial.replicate, trial.config)
        assert set(record.curves) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
        assert {k.partition("/")[0] for k in record.final} == {"train", "val", "test"}
        assert record.n_parameters == 41 * 13 + 14 * 9 + 10 * 10
        assert record.provenance.stack_size == 2
        assert record.provenance.data_fingerprint == splits_for(trial, cache_dir).fingerprint
        assert record.provenance.versions["torch"] == torch.__version__
        assert record.time_s > 0
        assert record.curves["val/loss"][-1] == pytest.approx(record.final["val/loss"], rel=1e-12)


def test_tuning_never_sees_the_test_split(cache_dir):
    (record,) = train_together([trial_of(phase="tune")], cache_dir)
    assert {k.partition("/")[0] for k in record.final} == {"train", "val"}


def test_another_test_split_changes_nothing_that_tuning_sees(cache_dir):
    tuned = [trial_of(phase="tune", data__n_test=n) for n in (10, 130)]
    first, second = (train_together([t], cache_dir)[0] for t in tuned)
    assert (first.curves, first.final) == (second.curves, second.final)
