"""What each kind is said to detect, held against the kind's own decision on simulated studies."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy import stats

from harness.analysis.events import clopper_pearson, rate_beyond
from harness.planning.detectable import Detectable, Sigma, detectable
from harness.planning.power import binomial_sigma
from harness.planning.rates import decided_from, detected_rate, upper_end_of_none
from harness.running.cost import in_words
from harness.words.verdict import Answer
from tests.analysis.swept import answers_to, swept

RARE = 1e-4
STUDIES, N, SPREAD, NO_DELTA = 300, 20, 0.01, 1e-9
LEVELS = (1, 10, 100, 1000)
LINE = np.sqrt(2) * 3 / np.sqrt(2 * 5)  # norm of the weights of a change fitted over four levels
Means = Callable[[float], list[float]]


@pytest.fixture
def _rule_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the robustness tests, which have no say in a verdict."""
    for module in ("base", "trend"):
        monkeypatch.setattr(f"harness.analysis.kinds.{module}.sign_flip_p", lambda *_: 1.0)
    monkeypatch.setattr("harness.analysis.kinds.trend.page_p", lambda *_: 1.0)
    monkeypatch.setattr("harness.analysis.kinds.threshold.clopper_pearson", cache(clopper_pearson))
    monkeypatch.setattr("harness.analysis.critical_level.GRID", 5)


def said(factors, hypothesis, sigma: float | None = None):
    """Evidence of a study with that hypothesis, and what its design is said to detect."""
    evidence = swept(factors, lambda *_: [0.5] * N, hypothesis)
    (found,) = detectable(evidence.design, {} if sigma is None else {0: Sigma(sigma, "a pilot")})
    return evidence, found


def share_of(evidence, outcomes: np.ndarray, answer: Answer = Answer.SUPPORTED) -> int:
    """How many of (studies, n, arms) outcomes end so."""
    rulings = (answered.ruling for answered in answers_to(evidence, outcomes))
    return sum(ruling is not None and ruling.answer is answer for ruling in rulings)


def is_power(found: int, least: float = 0.9, most: float = 0.9) -> bool:
    return stats.binom.ppf(RARE, STUDIES, least) <= found <= stats.binom.ppf(1 - RARE, STUDIES, most)


CROSSED = {"arm": ["a", "b"], "depth": [1, 10]}
MEANS = {
    "dose": (
        {"kind": "dose", "outcome": "test/accuracy", "delta": NO_DELTA},
        {"size": LEVELS},
        SPREAD * LINE,
        lambda effect: list(np.linspace(0, effect, 4)),
    ),
    "interaction": (
        {
            "kind": "interaction",
            "a": "a",
            "b": "b",
            "over": "depth",
            "outcome": "test/accuracy",
            "delta": NO_DELTA,
        },
        CROSSED,
        SPREAD * 2,
        lambda effect: [0, effect, 0, 0],
    ),
    "mechanism": (
        {"kind": "mechanism", "arm": {}, "outcome": "test/accuracy", "below": 0.5},
        {"arm": ["a", "b", "c"]},
        SPREAD,
        lambda effect: [0.5 - effect] * 3,
    ),
}


@pytest.mark.usefixtures("_rule_alone")
@pytest.mark.parametrize("kind", MEANS)
def test_a_mean_is_found_with_the_power_that_is_said(kind: str) -> None:
    hypothesis, factors, sigma, means = MEANS[kind]
    evidence, found = said(factors, hypothesis, sigma)
    values = np.asarray(means(found.difference))
    noise = np.random.default_rng(5).normal(size=(STUDIES, N, len(values)))
    count = share_of(evidence, values + SPREAD * noise)
    most = (1 - 0.1 / 3) ** 3 if kind == "mechanism" else 0.9  # three arms that vary apart
    assert is_power(count, 0.9, most)
    assert found.settings == (3 if kind == "mechanism" else 1)


def bernoulli(rates, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((STUDIES, N, len(rates))) < rates).astype(float)


@pytest.mark.usefixtures("_rule_alone")
def test_a_rate_against_a_threshold_is_found_with_the_power_that_is_said() -> None:
    outcome = {"success": "test/accuracy", "at_least": 0.5}
    for side, bound, sign in (("above", 0.6, 1), ("below", 0.3, -1)):
        evidence, found = said(
            {"arm": ["a"]}, {"kind": "mechanism", "arm": {}, "outcome": outcome, side: bound}
        )
        assert is_power(share_of(evidence, bernoulli([bound + sign * found.difference], 6)))
        assert found.sigma is None


@pytest.mark.usefixtures("_rule_alone")
def test_rates_about_a_critical_level_are_found_with_the_power_that_is_said() -> None:
    """At both ends at once: misses are apart, so that the power is that of each, squared."""
    evidence, found = said({"rate": LEVELS}, {"kind": "threshold", "outcome": "diverged", "over": "rate"})
    low, high = 0.5 - found.difference, 0.5 + found.difference
    count = share_of(evidence, bernoulli([low, low, high, high], 7))
    assert is_power(count, 0.9, 0.95**2)
    assert found.settings == 2


def test_a_chance_of_success_shows_with_the_power_that_is_said() -> None:
    outcome = {"success": "train/accuracy", "at_least": 1.0}
    asked = {"kind": "impossibility", "arm": {}, "outcome": outcome, "certificate": "linear_separability"}
    evidence, found = said({"arm": ["a", "b"]}, asked)
    assert (1 - found.difference) ** (2 * N) == pytest.approx(0.1)
    assert f"none leaves at most {1 - 0.025 ** (1 / 40):.2g} by Clopper" in found.basis
    (line,) = in_words(evidence.design, [found])
    assert "40 runs detect a chance of success of 0.0559 (rate of success) with power 0.9" in line


@pytest.mark.parametrize("n", [8, 20, 37])
def test_counts_that_decide_are_those_of_the_intervals(n: int) -> None:
    half = decided_from(n, 0.5)
    assert clopper_pearson(half, n)[0] > 0.5 >= clopper_pearson(half - 1, n)[0]
    for bound, ratio in ((0.6, 0.0), (0.3, 0.2)):
        least = decided_from(n, bound, ratio)
        runs = [(np.arange(n) < k).astype(float) for k in range(n + 1)]
        assert all(rate_beyond(r, bound, ratio).low >= 0 for r in runs[least:])
        assert rate_beyond(runs[least - 1], bound, ratio).low < 0
    assert decided_from(n, 0.999) is None
    rate = detected_rate(n, half, 0.9)
    assert stats.binom.sf(half - 1, n, rate) == pytest.approx(0.9)
    assert upper_end_of_none(n) == pytest.approx(clopper_pearson(0, n)[1])


def test_before_any_record_the_test_set_gives_a_fitted_change_its_sigma() -> None:
    """Of as many accuracies as there are levels, each with the noise of its own 4,000 examples."""
    for kind, norm in (("dose", LINE), ("interaction", 2)):
        hypothesis, factors, _, _ = MEANS[kind]
        found = said(factors, hypothesis)[1]
        assert found.sigma == pytest.approx(norm * binomial_sigma(4000) / np.sqrt(2))


WORDS = {
    "dose": "20 replicates detect a change from end to end of 0.0103 (accuracy) with power 0.9",
    "interaction": "20 pairs detect a change of the difference from end to end of 0.0153 (accuracy) with",
    "mechanism": "20 replicates detect a distance from the threshold of 0.00895 (accuracy) in all 3 arms at",
}


@pytest.mark.parametrize("kind", MEANS)
def test_each_kind_says_what_it_detects(kind: str) -> None:
    hypothesis, factors, sigma, _ = MEANS[kind]
    evidence, found = said(factors, hypothesis, sigma)
    (line,) = in_words(evidence.design, [found])
    assert WORDS[kind] in line


def test_a_probe_has_a_unit() -> None:
    units = {
        "slope: layer": "decades a layer",
        "layer: all": "share of dead units",
        "log10: true": "decades",
        "slope: log_step": "log-log slope",
    }
    for option, unit in units.items():
        key, value = option.split(": ")
        outcome = {"probe": "dead_fraction", key: value if value != "true" else True}
        hypothesis = {"kind": "mechanism", "arm": {}, "outcome": outcome, "above": 0.1}
        assert said({"arm": ["a"]}, hypothesis)[1].unit == unit


def test_what_is_said_of_nothing_known() -> None:
    hypothesis = {"kind": "mechanism", "arm": {}, "outcome": "test/mse", "above": 0.1}
    evidence, found = said({"arm": ["a"]}, hypothesis)
    assert isinstance(found, Detectable)
    assert found.difference is None
    (line,) = in_words(evidence.design, [found])
    assert f"{found.d_z:.2f} standard deviations of the replicates' values" in line
