"""Claims that any of several looks may refute: how often a true one is, and what is said of it."""

import numpy as np
import pytest
from scipy import stats

from harness.analysis.judge import judge_study
from harness.analysis.kinds import answer, ask, best_over_tasks
from harness.analysis.tasks import task_scores
from harness.words.verdict import Answer
from tests.analysis.swept import answers_to, swept
from tests.analysis.test_simulation import at_most

N, DELTA, SPREAD = 20, 0.01, 0.01
STUDIES = 60
MOST_OF_ONE = 0.025  # what a single look refutes wrongly


@pytest.fixture
def rule_alone(monkeypatch):
    """Without the tests that have no say in a refutation: by flips, max-T, Wilcoxon's p."""
    for module in ("base", "pair", "best_of", "best_over_tasks"):
        monkeypatch.setattr(f"harness.analysis.kinds.{module}.sign_flip_p", lambda *_: 1.0)
    monkeypatch.setattr("harness.analysis.estimates.signed_rank_p", lambda *_: 1.0)
    monkeypatch.setattr("harness.analysis.best_of.max_t_p", lambda d: np.ones(d.shape[1]))


def refuted(factors, hypothesis, means, studies, spreads=SPREAD):
    """How many of the studies are refuted, where these are the arms' means."""
    evidence = swept(factors, lambda *_: [0.5] * N, {"outcome": "test/accuracy", **hypothesis})
    draws = np.random.default_rng(7).normal(size=(studies, N, len(means)))
    found = answers_to(evidence, np.asarray(means) + spreads * draws)
    return sum(answered.ruling.answer is Answer.REFUTED for answered in found)


def leading(k, lead=DELTA):
    return {"arm": [f"arm {i}" for i in range(k)]}, [0.5 + lead, *[0.5] * (k - 1)]


@pytest.mark.parametrize("k", [2, 5, 10])
def test_a_lead_of_just_delta_is_rarely_refuted_by_the_luckiest_rival(k, rule_alone):
    factors, means = leading(k)
    found = refuted(factors, {"kind": "best_of", "a": "arm 0", "delta": DELTA}, means, STUDIES)
    assert found <= at_most(MOST_OF_ONE, STUDIES)


def test_a_leader_that_did_not_come_out_first_may_yet_lead(rule_alone):
    """Two arms alike to 1/100 of their noise, and a noisy third that leads both by delta."""
    factors, means = leading(3)
    spreads = np.array([5 * SPREAD, SPREAD / 100, SPREAD / 100])
    found = refuted(factors, {"kind": "best_of", "delta": DELTA}, means, STUDIES, spreads)
    assert found <= at_most(MOST_OF_ONE, STUDIES)


def test_no_leader_is_refuted(rule_alone):
    factors, means = leading(5, lead=0.0)
    assert refuted(factors, {"kind": "best_of", "delta": 0.05}, means, 5) == 5


def test_a_mechanism_true_in_every_part_is_rarely_refuted_by_one(rule_alone):
    hypothesis = {"kind": "mechanism", "arm": {}, "above": 0.5}
    found = refuted({"depth": list(range(1, 9))}, hypothesis, [0.5] * 8, STUDIES)
    assert found <= at_most(MOST_OF_ONE, STUDIES)


def test_a_lead_over_tasks_is_rarely_refuted_by_the_luckiest_rival(rule_alone, monkeypatch):
    tasks, k, studies = 20, 12, 120
    arms, generator = [f"arm {i}" for i in range(k)], np.random.default_rng(9)
    hypothesis = {
        "kind": "best_of",
        "across": "data",
        "outcome": "test/accuracy",
        "a": "arm 0",
        "delta": DELTA,
    }
    factors = {"data": [f"task {i}" for i in range(tasks)], "arm": arms}
    asked = ask_only(swept(factors, lambda *_: [0.5, 0.5], hypothesis))
    scores, found = task_scores(asked), 0
    for _ in range(studies):
        means = 0.5 + DELTA * (np.arange(k) == 0) + SPREAD * generator.normal(size=(tasks, k))
        study = scores._replace(means=means)
        monkeypatch.setattr(best_over_tasks, "task_scores", lambda *_, found=study, **__: found)
        found += answer(asked).ruling.answer is Answer.REFUTED
    assert found <= at_most(MOST_OF_ONE, studies)


def ask_only(evidence):
    return ask(evidence, evidence.design.study.hypotheses[0])


def exactly(gaps, error, hypothesis, depths=("1",)):
    """The verdict where every arm lies so far below the first, each by differences of just that error."""
    noise = np.random.default_rng(1).normal(size=N)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * error * np.sqrt(N)

    def outcomes(arm, depth):
        return np.full(N, 0.6) if arm == "first" else 0.6 - gaps[arm] + noise

    factors = {"arm": ["first", *gaps], "depth": list(depths)}
    return judge_study(swept(factors, outcomes, {"outcome": "test/accuracy", **hypothesis})).hypotheses[0]


def quantile(looks):
    return stats.t.ppf(1 - 0.025 / looks, N - 1)


CLAIM = {"kind": "best_of", "a": {"arm": "first"}, "delta": DELTA}


def test_a_rival_refutes_only_by_the_interval_for_as_many_rivals():
    """Three rivals, of which the nearest lies just within, or beyond, what three looks ask."""
    error, far = 0.002, 0.05
    for share, answer_, said in (
        (0.5, Answer.INCONCLUSIVE, "the 95 % interval would refute it, but not the 98.33 % interval"),
        (1.5, Answer.REFUTED, "judged by the 98.33 % interval"),
    ):
        gap = DELTA - (quantile(1) + share * (quantile(3) - quantile(1))) * error
        found = exactly({"near": gap, "b": far, "c": far}, error, CLAIM)
        assert found.estimate.high < DELTA
        assert found.answer is answer_
        assert said in found.reason
        assert "any of 3 rivals may" in found.reason


def test_rivals_in_several_settings_are_looks_of_one_claim():
    error, far = 0.002, 0.05
    each = {**CLAIM, "for_each": ["depth"]}
    gap = DELTA - (quantile(3) + quantile(6)) / 2 * error
    found = exactly({"near": gap, "b": far, "c": far}, error, each, depths=("1", "2"))
    assert found.answer is Answer.INCONCLUSIVE
    assert "but not the 99.17 % interval" in found.reason
    assert "any of 6 comparisons may" in found.reason
    alone = exactly(
        {"near": gap, "b": far, "c": far}, error, CLAIM | {"at": {"depth": "1"}}, depths=("1", "2")
    )
    assert alone.answer is Answer.REFUTED


def test_a_part_of_a_mechanism_refutes_only_by_the_interval_for_all_parts():
    error = 0.002
    for share, answer_ in ((0.5, Answer.INCONCLUSIVE), (1.5, Answer.REFUTED)):
        gap = (quantile(1) + share * (quantile(3) - quantile(1))) * error
        parts = {"near": gap, "far": -0.1}
        found = exactly(parts, error, {"kind": "mechanism", "arm": {}, "above": 0.6 - 1e-6})
        assert found.answer is answer_
        assert found.estimate.extra["arm"] == "near, 1"
        assert "any of 3 parts may" in found.reason


def test_an_end_refutes_an_optimum_only_by_the_interval_for_both_ends():
    error, noise = 0.002, np.random.default_rng(2).normal(size=N)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * error * np.sqrt(N)
    for share, answer_ in ((0.5, Answer.INCONCLUSIVE), (1.5, Answer.REFUTED)):
        gain = DELTA - (quantile(1) + share * (quantile(2) - quantile(1))) * error
        means = {1: 0.6 - gain + noise, 10: np.full(N, 0.6), 100: 0.5 + noise}
        hypothesis = {"kind": "interior_optimum", "outcome": "test/accuracy", "delta": DELTA}
        evidence = swept({"size": [1, 10, 100]}, means.get, hypothesis, tuned={1: 0.1, 10: 0.2, 100: 0.1})
        found = judge_study(evidence).hypotheses[0]
        assert found.answer is answer_
        assert found.estimate.extra["against"] == "1"
        assert "any of 2 parts may" in found.reason


def test_support_is_asked_of_one_interval_alone():
    found = exactly({"near": 0.02, "b": 0.05, "c": 0.05}, 0.02 / (quantile(1) + 0.01), CLAIM)
    assert found.answer is Answer.SUPPORTED
