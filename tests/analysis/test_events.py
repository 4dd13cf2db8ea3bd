"""Rates and differences of rates: intervals with a width, and claims that few runs can't carry."""

import numpy as np
import pytest
from scipy import stats

from harness.analysis.events import clopper_pearson, rate_beyond, rate_difference, rate_difference_p
from harness.analysis.judge import judge_study
from harness.words.verdict import Answer
from tests.analysis.swept import swept


def zeros_and_ones(events, runs):
    return (np.arange(runs) < events).astype(float)


@pytest.mark.parametrize("runs", [8, 20, 100])
def test_clopper_pearson_is_scipys(runs):
    for events in range(runs + 1):
        wanted = stats.binomtest(events, runs).proportion_ci(0.9, method="exact")
        assert clopper_pearson(events, runs, 0.9) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize(("events", "bound"), [(0, 0.01), (3, 0.2), (19, 0.9), (20, 0.9)])
def test_a_rate_against_a_bound(events, bound):
    found = rate_beyond(zeros_and_ones(events, 20), bound)
    assert found.low + bound == pytest.approx(clopper_pearson(events, 20)[0])
    sides = [stats.binomtest(events, 20, bound, alternative=side).pvalue for side in ("greater", "less")]
    assert found.p_value == pytest.approx(min(1, 2 * min(sides)))
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


def test_runs_that_overlap_tell_less():
    alone, split = (rate_beyond(zeros_and_ones(18, 20), 0.5, ratio) for ratio in (0.0, 0.3))
    assert split.value == alone.value
    assert split.low < alone.low
    assert split.p_value > alone.p_value
    pairs = [rate_difference(np.array([1.0] * 6 + [0] * 14), ratio) for ratio in (0.0, 0.3)]
    assert pairs[1].low < pairs[0].low


def test_a_difference_of_rates_by_hand():
    """Bonett and Price: (n10 + 1) / (n + 2) less (n01 + 1) / (n + 2), here 7 / 22 less 3 / 22."""
    found = rate_difference(np.array([1.0] * 6 + [-1.0] * 2 + [0.0] * 12))
    centre, half = 4 / 22, 1.959964 * np.sqrt((10 / 22 - (4 / 22) ** 2) / 22)
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.2, centre - half, centre + half), rel=1e-6
    )
    assert rate_difference_p(np.zeros(8), 0.1, alternative="less") > 0.2  # eight equal pairs say little


def test_the_difference_covers_the_truth():
    generator, studies = np.random.default_rng(5), 400
    for p_a, p_b in ((0.95, 0.95), (0.6, 0.4)):
        runs = generator.random((studies, 2, 20)) < np.array([[p_a], [p_b]])
        found = [rate_difference(a.astype(float) - b) for a, b in runs]
        covered = sum(f.low <= p_a - p_b <= f.high for f in found)
        assert covered >= stats.binom.ppf(1e-4, studies, 0.95)


def diverged(count, runs):
    return np.where(np.arange(runs) < count, np.nan, 0.9)


def test_few_runs_without_an_event_dont_show_that_it_is_rare():
    """The chance of none in eight is a quarter at a rate of 0.16: "below 1 %" is open."""
    asked = {"kind": "mechanism", "arm": {}, "outcome": "diverged", "below": 0.01}
    verdict = judge_study(swept({"arm": ["a"]}, lambda _: diverged(0, 8), asked)).hypotheses[0]
    assert verdict.answer is Answer.INCONCLUSIVE
    assert verdict.estimate.shown_high == pytest.approx(100 * (1 - 0.025 ** (1 / 8)))


@pytest.mark.parametrize("kind", ["equivalence", "non_inferiority", "superiority"])
def test_few_equal_pairs_decide_nothing_about_rates(kind):
    asked = {"kind": kind, "a": "a", "b": "b", "outcome": "diverged", "delta": 0.05}
    verdict = judge_study(swept({"arm": ["a", "b"]}, lambda _: diverged(0, 8), asked)).hypotheses[0]
    assert verdict.answer is Answer.INCONCLUSIVE
