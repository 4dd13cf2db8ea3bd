"""Sigma from earlier records: that of the paired differences, by hypothesis."""

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.kinds import answer, ask
from harness.planning.detectable import detectable
from harness.records.store import Store
from harness.running.sigmas import known_sigmas, residual_variance
from tests.analysis.swept import swept
from tests.simulated import simulated_evidence

ARMS = ("sgd", "momentum", "rmsprop", "adam")


@pytest.fixture(scope="module")
def evidence():
    return simulated_evidence(arms=ARMS)


def test_nothing_is_known_before_anything_ran(evidence, tmp_path):
    assert known_sigmas(evidence.design, tmp_path) == {}


def test_judged_pairs_tell_by_hypothesis(evidence, store_with, tmp_path):
    store_with(tmp_path, evidence)
    steps, accuracy = known_sigmas(evidence.design, tmp_path).values()
    judged = evidence.trials[evidence.trials["phase"] == "judge"]
    table = judged.pivot(index="replicate", columns="arm", values="test/accuracy")
    best, second = table.mean().sort_values(ascending=False).index[:2]
    assert accuracy.value == pytest.approx((table[best] - table[second]).std())
    assert accuracy.basis == steps.basis == "sigma from 20 judged pairs"
    assert 0 < steps.value < 1  # of the logarithm


@pytest.mark.parametrize("known", [True, False], ids=["from records", "before any"])
def test_splits_of_one_data_set_count_their_overlap(known, evidence, store_with, tmp_path):
    facts = {a: f.model_copy(update={"scope": "resplit"}) for a, f in evidence.design.data.items()}
    resplit = evidence.design.model_copy(update={"data": facts})
    store_with(tmp_path, evidence)
    sigmas = known_sigmas(evidence.design, tmp_path) if known else {}
    fresh, found = (detectable(design, sigmas)[1] for design in (evidence.design, resplit))
    assert found.sigma == pytest.approx(fresh.sigma * np.sqrt(1 + 20 * 4000 / 4000))
    assert "as replicates split one data set" in found.basis


def test_a_tier_takes_the_records_of_the_study(evidence, store_with, tmp_path):
    store_with(tmp_path, evidence)
    tier = evidence.design.model_copy(update={"tier": "full"})
    assert known_sigmas(tier, tmp_path) == known_sigmas(evidence.design, tmp_path)


def test_tuning_seeds_tell_where_nothing_is_judged(evidence, store_with, tmp_path):
    choices = {
        arm: choice.model_copy(update={"outcome": "steps_to val/accuracy"})
        for arm, choice in evidence.choices.items()
    }
    store_with(tmp_path, replace(evidence, choices=choices), phases=("tune",))
    found = known_sigmas(evidence.design, tmp_path)
    assert list(found) == [0]  # tuning selected on steps, not on accuracy
    assert found[0].basis == "sigma from 2 tuning seeds of 4 arms"
    rows = np.log([c.points[c.chosen].values for c in choices.values()])
    spread = (rows[:, 0] - rows[:, 1]) / np.sqrt(2)  # of two seeds, the residual is half their difference
    assert found[0].value == pytest.approx(np.sqrt(2) * np.std(spread, ddof=1))


SINGLE = [
    {"kind": "mechanism", "arm": {}, "outcome": "test/accuracy", "above": 0.5},
    {"kind": "mechanism", "arm": {}, "outcome": {"success": "test/accuracy", "at_least": 0.5}, "above": 0.9},
]


def test_every_kind_of_a_mean_has_the_sigma_that_its_interval_has(store_with, tmp_path):
    """As `judge` finds it: the interval's standard error times the root of n."""
    evidence = simulated_evidence(arms=ARMS, hypotheses=SINGLE)
    store_with(tmp_path, evidence)
    found = known_sigmas(evidence.design, tmp_path)
    judged = evidence.trials[evidence.trials["phase"] == "judge"]
    spreads = judged.groupby("arm")["test/accuracy"].std()
    assert list(found) == [0]  # a rate has no sigma
    assert found[0].value == pytest.approx(spreads.max())
    assert found[0].basis == "sigma from 20 judged replicates"


@pytest.mark.parametrize("kind", ["dose", "interaction"])
def test_a_fitted_change_has_the_sigma_that_its_interval_has(kind, store_with, tmp_path):
    values = np.random.default_rng(3).normal(0.8, 0.01, (2, 3, 20))
    levels, sides = (1, 10, 100), ("a", "b")
    over = {"outcome": "test/accuracy", "over": "size", "delta": 0.01}
    asked = {
        "kind": kind,
        **over,
        **({"a": "a", "b": "b"} if kind == "interaction" else {"at": {"side": "a"}}),
    }
    evidence = swept(
        {"side": sides, "size": levels}, lambda s, x: values[sides.index(s), levels.index(x)], asked
    )
    with Store(tmp_path, evidence.design.folder) as store:
        store.save_design(evidence.design)
        store.save_plan(evidence.planned)
        store.append(list(evidence.records.values()))
    found = known_sigmas(evidence.design, tmp_path)[0]
    interval = answer(ask(evidence, evidence.design.study.hypotheses[0])).interval
    assert found.value == pytest.approx(interval.standard_error * np.sqrt(20))


def test_tuning_seeds_tell_of_a_fitted_change(evidence, store_with, tmp_path):
    choices = {a: c.model_copy(update={"outcome": "final val/accuracy"}) for a, c in evidence.choices.items()}
    store_with(tmp_path, replace(evidence, choices=choices), phases=("tune",))
    pair = {"kind": "superiority", "a": "adam", "b": "sgd", "outcome": "test/accuracy"}
    change = {"kind": "dose", "over": "optimizer.name", "outcome": "test/accuracy"}
    two = simulated_evidence(arms=ARMS, hypotheses=[pair, change]).design
    numbers = [a.model_copy(update={"values": {"optimizer.name": i}}) for i, a in enumerate(two.arms)]
    found = known_sigmas(two.model_copy(update={"arms": numbers}), tmp_path)
    ratio = 3 / np.sqrt(5) / np.sqrt(2)  # levels 0 1 2 3: from end to end 3, Sxx 5
    assert found[1].value == pytest.approx(ratio * found[0].value)


def test_what_the_study_did_not_measure_then_is_not_known(evidence, store_with, tmp_path):
    store_with(tmp_path, evidence)
    asked = {"kind": "superiority", "a": "nag", "b": "adam", "outcome": {"final": "test/accuracy"}}
    design = simulated_evidence(
        arms=("nag", "adam"), replicates=8, hypotheses=[asked | {"primary": True}]
    ).design
    assert known_sigmas(design, tmp_path) == {}


def test_the_residual_variance_is_that_of_the_noise():
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 5, (7, 1)) + rng.normal(0, 3, (1, 4))
    found = [residual_variance(effects + rng.normal(0, 0.5, (7, 4))) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.25, rel=0.03)
