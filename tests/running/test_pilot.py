"""A pilot: seeds of its own, a store of its own, and the sigma that it gives a plan."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.errors import BadInput
from harness.planning.detectable import Sigma, detectable
from harness.planning.power import sigma_interval
from harness.planning.trials import judge_trials, pilot_trials, tune_trials
from harness.records.store import Store
from harness.running.batch import Bench
from harness.running.cost import in_words, make_plan
from harness.running.here import ThisProcess
from harness.running.observer import Silent
from harness.running.pilot import CENTRE, TUNED, check_not_judged, pilot_store, run_pilot
from harness.running.run import Tuning, fix, run_study
from harness.running.sigmas import known_sigmas
from tests.running.executors import Counting
from tests.running.test_run import FASTER


@pytest.fixture
def pilot(tmp_path, cache_dir):
    """Runs a pilot of a study beside its results; the trials that were trained for it."""
    made = []

    def _pilot(design, replicates):
        counting = Counting(ThisProcess())
        with pilot_store(tmp_path / "results", design.folder) as store:
            bench = Bench(store=store, executor=counting, observer=Silent(), cache_dir=cache_dir)
            study = Store(tmp_path / "results", design.folder, read_only=True)
            run_pilot(design, bench, study, replicates)
        made.append(counting)
        return counting.trials

    return _pilot


def held(tmp_path):
    return pilot_store(tmp_path / "results", "tiny", read_only=True).contents()


def pairs(tmp_path, metric="val/accuracy"):
    """(n,) adam's final metric less sgd's, by replicate."""
    found = held(tmp_path)
    values = {a: [found.records[p.trial].final[metric] for p in found.planned if p.arm == a] for a in LEVELS}
    return np.subtract(values["adam"], values["sgd"])


LEVELS = ("sgd", "adam")


def test_a_pilot_shares_no_seed_with_tuning_or_judging(design):
    plan = design()
    arm = plan.arm("adam")
    made = [pilot_trials(plan, arm, {}, range(3)), tune_trials(plan, arm, [{}]), judge_trials(plan, arm, {})]
    seeds = [{trial.seed_parts() for trial, _ in trials} for trials in made]
    assert not seeds[0] & (seeds[1] | seeds[2])
    assert {planned.phase for _, planned in made[0]} == {"pilot"}


def test_a_pilot_lies_apart_and_leaves_the_test_split_alone(design, pilot, tmp_path):
    plan = design()
    assert len(pilot(plan, 4)) == 2 * 4
    assert [p.name for p in (tmp_path / "results/tiny").iterdir()] == ["pilot"]
    found = held(tmp_path)
    assert {r.phase for r in found.records.values()} == {"pilot"}
    measured = {name for r in found.records.values() for name in r.final}
    assert "val/accuracy" in measured
    assert not any(name.startswith("test/") for name in measured)
    for arm in plan.arms:
        (lr,) = arm.tuned
        params = {"optimizer.lr": math.sqrt(lr.low * lr.high)}
        assert found.choices[arm.label].params == params
        assert found.choices[arm.label].reason == CENTRE
        assert {tuple(p.params.items()) for p in found.planned if p.arm == arm.label} == {
            tuple(params.items())
        }


def test_what_a_pilot_has_trained_is_not_trained_again(design, pilot):
    plan = design()
    first, again, more = pilot(plan, 3), pilot(plan, 3), pilot(plan, 5)
    assert (len(first), len(again), len(more)) == (6, 0, 4)
    assert not set(first) & set(more)


def test_the_plan_goes_by_the_pilot(design, pilot, tmp_path):
    plan = design()
    pilot(plan, 5)
    known = known_sigmas(plan, tmp_path / "results")[0]
    spread = np.std(pairs(tmp_path), ddof=1)
    assert known.value == pytest.approx(spread)
    assert known.between == sigma_interval(known.value, 5)
    assert known.basis == f"sigma from a pilot of 5 replicates, {CENTRE}, on validation"
    (found,) = detectable(plan, {0: known})
    (line,) = in_words(plan, [found])
    ends = [found.d_z * end for end in known.between]
    assert f"({known.basis}; {ends[0]:.3g} to {ends[1]:.3g} by sigma's 95 % interval)" in line
    assert make_plan(plan, tmp_path / "results", 1).detectable == [line]


def test_a_pilot_has_no_part_in_a_verdict(design, pilot, bench, tmp_path):
    """Not in its trials, its hash or what it froze. Judged pairs say more of sigma, once there are any."""
    plan, alone, beside = design(), bench(results="alone"), bench()
    run_study(plan, alone)
    pilot(plan, 5)
    piloted = set(held(tmp_path).records)
    check_not_judged(plan, tmp_path / "results")
    run_study(plan, beside)
    assert beside.executor.trials == alone.executor.trials
    assert beside.store.plan() == alone.store.plan()
    assert beside.store.frozen().hash == alone.store.frozen().hash
    assert not set(beside.store.statuses()) & piloted
    assert known_sigmas(plan, tmp_path / "results")[0].basis == "sigma from 8 judged pairs"
    said = "found --pilot, but 'tiny' has judged trials; allowed: before the first of them.*leave --pilot out"
    with pytest.raises(BadInput, match=said):
        check_not_judged(plan, tmp_path / "results")


def tuned(plan, b):
    """Tune, and freeze what that found."""
    b.store.save_design(plan)
    tuning = Tuning(plan, b)
    choices = tuning.run()
    return fix(plan, b, (tuning.targets, choices), None, None)


def test_a_pilot_takes_what_was_tuned(design, pilot, bench, tmp_path):
    plan, b = design(*FASTER), bench()
    frozen = tuned(plan, b)
    pilot(plan, 3)
    found = held(tmp_path)
    assert found.frozen.targets == frozen.targets != {}
    assert {arm: c.params for arm, c in found.choices.items()} == frozen.choices
    assert {c.reason for c in found.choices.values()} == {TUNED}
    other = design(*FASTER, ("widths: [8]", "widths: [9]"))  # tuned for another network
    pilot(other, 3)
    assert {c.reason for c in held(tmp_path).choices.values()} == {CENTRE}


def test_times_have_a_target_from_the_pilot(design, pilot, tmp_path):
    """The median of sgd's final values, less the metric's smallest effect."""
    plan = design(*FASTER)
    pilot(plan, 3)
    found = held(tmp_path)
    finals = [found.records[p.trial].final["val/accuracy"] for p in found.planned if p.arm == "sgd"]
    assert found.frozen.targets == {"val/accuracy": pytest.approx(np.median(finals) - 0.01)}


def test_replicates_that_do_not_differ_say_nothing(design, pilot, tmp_path):
    """Runs that never reach their target all take the whole budget: no sigma of 0 from three of them."""
    plan = design(*FASTER, ("judge:", "target: {value: 0.999}\njudge:"))
    pilot(plan, 3)
    assert known_sigmas(plan, tmp_path / "results") == {}


def test_the_interval_of_a_deviation_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0, 2.0, (4000, 5)).std(axis=1, ddof=1)
    low, high = np.transpose([sigma_interval(s, 5) for s in draws])
    covered = int(((low <= 2.0) & (high >= 2.0)).sum())
    assert stats.binomtest(covered, 4000, 0.95).pvalue > 1e-3


def test_a_sigma_carries_its_interval_through():
    known = Sigma(2.0, "a pilot", (1.0, 4.0)).through(lambda s: 3 * s)
    assert known == Sigma(6.0, "a pilot", (3.0, 12.0))
    assert Sigma(None, "unknown").through(lambda s: 3 * s) == Sigma(None, "unknown")
