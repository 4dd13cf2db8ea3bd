"""Best of k over tasks: Demsar's table as a study, the false positives of equal arms, what is left out."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harness.analysis.judge import judge_study
from harness.analysis.kinds import answer, ask, best_over_tasks
from harness.analysis.tasks import (
    alike,
    best_contender,
    claimed_by,
    claimed_gains,
    over_tasks,
    pairwise_holm,
    profile,
    task_scores,
)
from harness.words.verdict import Answer
from tests.analysis.swept import swept
from tests.analysis.test_ranks import TABLE
from tests.analysis.test_simulation import at_most

ARMS = ["C4.5", "+m", "+cf", "+m+cf"]
REPLICATES = 3


def over(table, arms=ARMS, metric="test/accuracy", spread=0.0, **hypothesis):
    """A study of (N, k) task means, each reached by replicates `spread` below, at, and above it."""
    tasks = [f"task {i}" for i in range(len(table))]

    def outcomes(task, arm):
        return table[tasks.index(task)][arms.index(arm)] + spread * np.linspace(-1, 1, REPLICATES)

    asked = {"kind": "best_of", "across": "data", "outcome": metric, "delta": 0.01} | hypothesis
    return swept({"data": tasks, "arm": arms}, outcomes, asked, metric)


def asked_of(evidence):
    return ask(evidence, evidence.design.study.hypotheses[0])


def judged(*args, **options):
    return answer(asked_of(over(*args, **options)))


def test_demsars_table_gives_what_he_published():
    found = judged(TABLE)
    ranks = {row["arm"]: row["mean_rank"] for row in found.comparisons}
    assert ranks == pytest.approx(dict(zip(ARMS, [3.143, 2.000, 2.893, 1.964], strict=True)), abs=0.0005)
    assert found.extra["subject"] == "+m+cf"
    assert found.extra["friedman_chi2"] == pytest.approx(9.28, abs=0.005)
    assert found.extra["iman_davenport_f"] == pytest.approx(3.69, abs=0.005)
    assert [row["arm"] for row in found.comparisons] == sorted(ARMS, key=ranks.__getitem__)
    assert found.interval.n == 14


def test_the_tests_behind_it_are_scipys_and_statsmodels():
    found = judged(TABLE)
    others = [0, 1, 2]
    p_values = [stats.wilcoxon(TABLE[:, 3] - TABLE[:, i], zero_method="zsplit").pvalue for i in others]
    adjusted = multipletests(p_values, method="holm")[1]
    rows = {row["arm"]: row for row in found.comparisons}
    for i, p, holm in zip(others, p_values, adjusted, strict=True):
        assert rows[ARMS[i]]["p_wilcoxon"] == pytest.approx(p, rel=1e-12)
        assert rows[ARMS[i]]["p_holm"] == pytest.approx(holm, rel=1e-12)
    assert found.interval.p_value == pytest.approx(max(adjusted), rel=1e-12)


def test_a_task_counts_once_however_its_replicates_vary():
    steady, noisy = judged(TABLE), judged(TABLE, spread=0.05)
    assert noisy.interval.value == pytest.approx(steady.interval.value, abs=1e-12)
    assert noisy.interval.n == steady.interval.n == len(TABLE)


def test_a_planted_best_arm_is_found_and_named():
    generator = np.random.default_rng(3)
    table = generator.uniform(0.5, 0.8, size=(12, 1)) + 0.005 * generator.normal(size=(12, 5))
    table[:, 2] += 0.05
    arms = list("abcde")
    verdict = judge_study(over(table, arms)).hypotheses[0]
    assert (verdict.answer, verdict.grade, verdict.fragile) == (Answer.SUPPORTED, "clear", False)
    assert verdict.estimate.extra["subject"] == "c"
    assert "over 12 tasks c's test accuracy is better" in verdict.reason
    assert judge_study(over(table, arms, a="c")).hypotheses[0].estimate == verdict.estimate
    assert judge_study(over(table, arms, a={"arm": "a"})).hypotheses[0].answer is Answer.REFUTED


def test_losses_are_compared_as_shares_of_their_tasks():
    """Tasks a thousand times apart in scale count alike, and scaling one changes nothing."""
    generator = np.random.default_rng(4)
    table = np.exp(0.02 * generator.normal(size=(10, 4)))
    table[:, 1] *= 0.8
    scales = np.geomspace(1e-3, 1, 10)[:, None]
    plain, scaled = (judged(t, metric="test/loss", delta="5%") for t in (table, scales * table))
    assert scaled.interval.value == pytest.approx(plain.interval.value, rel=1e-9)
    assert scaled.ruling.answer is Answer.SUPPORTED
    shares = table / table.mean(axis=1, keepdims=True)
    gains = shares[:, ARMS.index(plain.extra["best_other"])] - shares[:, 1]
    walsh = np.add.outer(gains, gains)[np.triu_indices(10)] / 2
    assert plain.interval.value == pytest.approx(np.median(walsh), rel=1e-9)


def of_gains(gains, others):
    """(N, 1 + k) task means: the first arm's gains over arms `others` above a common level."""
    return 0.5 + np.column_stack([gains, np.broadcast_to(others, (len(gains), len(others)))])


def test_large_gains_on_few_tasks_are_no_support_where_ranks_do_not_differ():
    """Nine large gains and five small losses: Wilcoxon sees a gain, the ranks of three arms are even."""
    gains = np.array(
        [0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11, 0.12, 0.13, -0.01, -0.011, -0.012, -0.013, -0.014]
    )
    table = of_gains(gains, [0.0, 0.0])
    table[::2, 1] += 1e-4
    table[1::2, 2] += 1e-4
    found = judged(table, list("abc"), a="a")
    assert found.interval.low > 0
    assert found.interval.value > 0.01
    assert max(row["p_holm"] or 0 for row in found.comparisons) <= 0.05
    assert found.extra["iman_davenport_p"] > 0.05
    assert found.ruling.answer is Answer.INCONCLUSIVE
    assert "the mean ranks do not differ" in found.ruling.reason


def test_a_gain_over_the_best_other_alone_is_no_support():
    """Each of three comparisons passes by itself, and none after Holm's correction."""
    sizes = 0.01 * np.arange(1, 15)
    gains = np.where(np.isin(np.arange(1, 15), [2, 5, 6, 7]), -sizes, sizes)
    found = judged(of_gains(gains, [0.0, -1e-5, -2e-5]), list("abcd"), a="a")
    assert found.interval.low > 0
    assert found.extra["iman_davenport_p"] <= 0.05
    assert all(row["p_wilcoxon"] <= 0.05 < row["p_holm"] for row in found.comparisons if row["p_holm"])
    assert found.ruling.answer is Answer.INCONCLUSIVE
    assert "after Holm's correction" in found.ruling.reason


def test_too_few_tasks_say_nothing():
    found = judged(TABLE[:5])
    assert found.interval is None
    assert found.ruling is None


def test_replicates_that_diverged_count_as_the_worst_and_without_them_is_said():
    table = TABLE[:, :3] * 0.9
    tasks = [f"task {i}" for i in range(14)]

    def outcomes(task, arm):
        values = np.full(4, table[tasks.index(task)][ARMS.index(arm)])
        return np.where((task == "task 3") & (arm == "+m") & (np.arange(4) == 1), np.nan, values)

    hypothesis = {"kind": "best_of", "across": "data", "outcome": "test/accuracy", "delta": 0.01}
    asked = asked_of(swept({"data": tasks, "arm": ARMS[:3]}, outcomes, hypothesis))
    assert task_scores(asked).means[3, 1] == pytest.approx((3 * table[3, 1] + 0.1) / 4)
    np.testing.assert_allclose(task_scores(asked, diverged=False).means, table, rtol=1e-12)
    assert answer(asked).without_diverged.n == 14


@pytest.mark.parametrize(("tasks", "arms", "tied"), [(8, 5, 5), (12, 5, 2), (10, 2, 2)])
def test_equal_arms_rarely_end_supported(tasks, arms, tied, monkeypatch):
    """The arms from `tied` on are worse: the others share the best place. Tasks differ in difficulty.

    The rule alone: a study is its tasks' means without the replicates behind them, and the sign flips,
    which flag a verdict and have no say in it, are left out.
    """
    monkeypatch.setattr(best_over_tasks, "sign_flip_p", lambda *_: 1.0)
    studies, generator = 200, np.random.default_rng(21)
    worse = np.where(np.arange(arms) < tied, 0.0, -0.1)
    asked = asked_of(over(np.zeros((tasks, arms)), list("abcde")[:arms], delta=1e-9))
    scores, supported = task_scores(asked), 0
    for _ in range(studies):
        means = generator.uniform(0.4, 0.9, (tasks, 1)) + worse + 0.02 * generator.normal(size=(tasks, arms))
        study = scores._replace(means=means)
        monkeypatch.setattr(best_over_tasks, "task_scores", lambda *_, found=study, **__: found)
        supported += answer(asked).ruling.answer is Answer.SUPPORTED
    assert supported <= at_most(0.05, studies)


def test_support_needs_every_one_of_the_holm_corrected_tests():
    """Two others beaten at p = 10/256 each: the interval is above 0, but twice that is above 5 %."""
    gains = np.array([0.02, 0.03, -0.04, 0.05, 0.06, 0.07, 0.08, 0.09])  # the loss has rank 3 of 8
    base = np.linspace(0.6, 0.7, 8)
    table = np.stack([base, base - gains, base - gains[::-1], base - 0.3, base - 0.4], axis=1)
    found = judged(table, list("abcde"))
    rows = {row["arm"]: row for row in found.comparisons}
    assert rows["b"]["p_wilcoxon"] == rows["c"]["p_wilcoxon"] == pytest.approx(10 / 256)
    assert rows["d"]["p_holm"] == pytest.approx(4 * 2 / 2**8)  # Holm's first step of four, 8 tasks
    assert found.interval.low > 0
    assert found.interval.p_value == pytest.approx(20 / 256)
    assert found.ruling.answer is Answer.INCONCLUSIVE
    assert "Holm" in found.ruling.reason
    two = judged(table[:, [0, 1, 3, 4]], list("abcd"))  # without one of them
    assert (two.ruling.answer, two.interval.p_value) == (Answer.SUPPORTED, pytest.approx(10 / 256))


def test_groups_are_runs_of_neighbours_in_which_no_pair_differs():
    ranks = np.array([2.0, 1.0, 4.0, 3.0])  # in order: 1, 0, 3, 2
    p_values = np.ones((4, 4))
    for i, j in ((1, 3), (1, 2), (0, 2)):
        p_values[i, j] = p_values[j, i] = 0.01
    assert alike(ranks, p_values, 0.05) == [(0, 1), (1, 2), (2, 3)]
    assert alike(ranks, np.ones((4, 4)), 0.05) == [(0, 3)]
    assert alike(ranks, np.zeros((4, 4)), 0.05) == []


def test_every_pair_is_tested_with_holm_over_all_of_them():
    found = pairwise_holm(TABLE)
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    p_values = [stats.wilcoxon(TABLE[:, i] - TABLE[:, j], zero_method="zsplit").pvalue for i, j in pairs]
    expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose([found[i, j] for i, j in pairs], expected, rtol=1e-12)
    np.testing.assert_array_equal(found, found.T)


def test_profiles_start_at_the_share_of_tasks_each_is_best_on():
    times = np.array([[1.0, 2.0], [3.0, 1.5], [4.0, 4.0]])
    np.testing.assert_allclose(profile(times, "lower", True), [[1, 2], [2, 1], [1, 1]])
    np.testing.assert_allclose(profile(-times, "higher", False), [[0, 1], [1.5, 0], [0, 0]])


def test_of_equal_ranks_the_best_mean_is_the_subject():
    table = np.array([[0.5, 0.6], [0.9, 0.6]])
    assert best_contender(table, "higher") == 0
    assert best_contender(table, "lower") == 1
    assert over_tasks(TABLE[:, [3, 2, 1, 0]], "higher", 0).ranks[0] == pytest.approx(1.964, abs=0.0005)


def test_gates_hold_an_arms_mean_gain_over_tasks_against_delta():
    asked = asked_of(over(TABLE))
    gains = {f"task {i}, {arm}": 0.14 if (i, arm) == (0, "+m") else 0.0 for i in range(14) for arm in ARMS}
    claimed = claimed_gains(asked, gains)
    assert {claimed_by(asked, arms): gain for arms, gain in claimed.items()} == pytest.approx(
        {"C4.5": 0, "+m": 0.01, "+cf": 0, "+m+cf": 0}
    )
    assert all(len(arms) == 14 for arms in claimed)


def test_gates_of_a_relative_delta_count_in_shares_of_the_tasks():
    scales = np.geomspace(1e-3, 1, 14)[:, None]
    asked = asked_of(over(scales * np.ones((14, 4)), metric="test/loss", delta="5%"))
    gains = {f"task {i}, {arm}": 0.1 * float(scales[i, 0]) for i in range(14) for arm in ARMS}
    assert list(claimed_gains(asked, gains).values()) == pytest.approx([0.1] * 4)


def test_with_nothing_tuned_divergence_and_slow_learning_are_part_of_the_answer():
    study = judge_study(over(TABLE))
    assert study.scope.startswith("The tasks are the sample")
    verdict = study.hypotheses[0]
    found = {gate.name: gate.detail for gate in verdict.gates if gate.passed is None}
    assert found["G4"].startswith("nothing is tuned")
    assert found["G5"].startswith("nothing is tuned")
