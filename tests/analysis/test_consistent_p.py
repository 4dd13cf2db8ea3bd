"""The p value is that of the test which decides: by ranks where it does, with the overlap of splits."""

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.estimates import hodges_lehmann, paired_t, signed_rank_p
from harness.analysis.kinds import answer, ask
from harness.analysis.multiplicity import holm
from harness.words.verdict import Answer
from tests.analysis.swept import swept
from tests.simulated import simulated_evidence

N, LOST = 20, 2  # a tenth of the runs diverged
PAIRS = {
    "non_inferiority": {"kind": "non_inferiority", "delta": 0.02},
    "at_least": {"kind": "at_least", "x": 0.02, "delta": 0.01},
    "equivalence": {"kind": "equivalence", "delta": 0.02},
}


def answered(evidence):
    return answer(ask(evidence, evidence.design.study.hypotheses[0]))


def resplit(evidence):
    facts = {
        arm: f.model_copy(update={"scope": "resplit", "n_train": 1078, "n_test": 360})
        for arm, f in evidence.design.data.items()
    }
    return replace(evidence, design=evidence.design.model_copy(update={"data": facts}))


@pytest.mark.parametrize("kind", PAIRS)
def test_above_5_percent_diverged_p_and_verdict_go_by_ranks_together(kind):
    bounds = {"non_inferiority": -0.02, "at_least": 0.02}
    decided = 0
    for seed in range(30):
        generator = np.random.default_rng(seed)
        center = bounds.get(kind, 0.01)
        runs = {"a": 0.8 + center + 0.02 * generator.normal(size=N), "b": np.full(N, 0.8)}
        runs["a"] += 0.01 * generator.normal()
        runs["a"][:LOST] = np.nan
        hypothesis = {**PAIRS[kind], "a": "a", "b": "b", "outcome": "test/accuracy"}
        found = answered(swept({"arm": ["a", "b"]}, runs.get, hypothesis))
        differences = np.nan_to_num(runs["a"], nan=0.1) - 0.8
        assert found.interval.method.startswith("Hodges-Lehmann")
        if kind == "equivalence":
            sides = (differences + 0.02, 0.02 - differences)
            expected = max(signed_rank_p(side, "greater") for side in sides)
            says = found.ruling.answer is Answer.SUPPORTED
        else:
            expected = signed_rank_p(differences - bounds[kind])
            says = found.ruling.answer is not Answer.INCONCLUSIVE
        assert found.interval.p_value == pytest.approx(expected, rel=1e-12)
        assert (found.interval.p_value <= 0.05) == says
        decided += says
    assert 0 < decided < 30


def test_a_mechanism_goes_by_ranks_above_5_percent_diverged():
    values = 0.85 + 0.01 * np.random.default_rng(0).normal(size=N)
    hypothesis = {"kind": "mechanism", "arm": {}, "outcome": "test/accuracy", "above": 0.8}
    for lost, method in ((1, "t"), (LOST, "Hodges-Lehmann (Wilcoxon signed-rank)")):
        runs = np.where(np.arange(N) < lost, np.nan, values)
        found = answered(swept({"arm": ["a"]}, lambda _, runs=runs: runs, hypothesis))
        assert found.interval.method == method
    ranks = hodges_lehmann(np.nan_to_num(runs, nan=0.1) - 0.8)
    assert found.interval[1:] == pytest.approx(ranks[1:])


def test_a_share_of_successes_stays_a_mean_where_runs_diverged():
    """A run that diverged did not succeed: nothing stands in for it, and ranks of 0 and 1 are no share."""
    runs = np.where(np.arange(N) < LOST, np.nan, 0.9)
    hypothesis = {
        "kind": "mechanism",
        "arm": {},
        "outcome": {"success": "test/accuracy", "at_least": 0.8},
        "above": 0.5,
    }
    found = answered(swept({"arm": ["a"]}, lambda _: runs, hypothesis))
    assert found.interval.method == "rate (Clopper-Pearson)"
    assert found.interval.value + 0.5 == pytest.approx(0.9)


def of_three():
    generator = np.random.default_rng(3)
    means = {"a": 0.8, "b": 0.812, "c": 0.78}
    runs = {arm: mean + 0.01 * generator.normal(size=N) for arm, mean in means.items()}
    return runs, swept(
        {"arm": list(runs)},
        runs.get,
        {"kind": "best_of", "a": "b", "outcome": "test/accuracy", "delta": 0.005},
    )


def test_the_best_of_repeated_splits_is_tested_with_their_overlap():
    runs, evidence = of_three()
    found = answered(resplit(evidence))
    p_values = [paired_t(runs["b"] - runs[other], 360 / 1078).p_value for other in "ac"]
    assert found.interval.p_value == pytest.approx(max(holm(p_values)))
    assert found.interval.p_value > 0.05 > answered(evidence).interval.p_value
    assert found.extra["holm_p"] == found.interval.p_value
    assert "max_t_p" not in found.extra
    assert found.extra["sign_flip_p"] is None
    rows = {row["arm"]: row for row in found.comparisons}
    assert rows["b"]["p_holm"] == found.interval.p_value
    assert rows["c"]["p_holm"] == 1  # behind both others


def test_censored_times_of_repeated_splits_are_not_tested_by_signs():
    slower = {"kind": "faster", "a": "adam", "b": "momentum", "outcome": {"steps_to": "val/accuracy"}}
    evidence = simulated_evidence(diverged={"momentum": 0.1}, arms=("momentum", "adam"), hypotheses=[slower])
    fresh, overlapping = answered(evidence), answered(resplit(evidence))
    assert "jackknife" in fresh.interval.method
    assert "Nadeau-Bengio" in overlapping.interval.method
    assert fresh.interval.p_value < 1e-4 < overlapping.interval.p_value
    interval = overlapping.interval  # p and it are one test
    assert (interval.p_value <= 0.05) == (interval.low > 0 or interval.high < 0)
    assert (overlapping.robust, overlapping.extra["sign_flip_p"], overlapping.extra["log_rank_p"]) == (
        None,
    ) * 3
