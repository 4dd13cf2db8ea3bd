"""How often every kind supports a claim that is false, and finds an effect as large as designed for.

Each kind is put at the least favourable point of its null, where its chance of a false SUPPORTED is
largest, and at the effect that `plan` would say 20 pairs detect with a power of .9. Studies are simulated
outcomes, n paired replicates with an effect of their own. Bounds are binomial, at 1 in 10,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from harness.analysis.events import clopper_pearson
from harness.planning.power import smallest_effect
from harness.words.verdict import Answer
from tests.analysis.swept import answers_to, swept

RARE = 1e-4
STUDIES, N = 200, 20
FEW = 60  # studies, of which power asks
SPREAD = 0.01  # of an outcome about its arm's and its replicate's; differences of two vary by sqrt(2) of it
PAIR = np.sqrt(2) * SPREAD
DETECTED = smallest_effect(N) * PAIR  # in a difference of two arms
FAR = 50 * SPREAD  # an effect that no study misses
NO_DELTA = 1e-9  # any effect matters: the rule is one side of its interval
X = 0.1
MARGIN = 0.012  # of equivalence: 0.85 standard deviations of a difference


@pytest.fixture(autouse=True)
def _rule_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the robustness tests: they flag a verdict, have no say in it, and take most of the time."""
    for module in ("base", "pair", "trend", "equivalence"):
        monkeypatch.setattr(f"harness.analysis.kinds.{module}.sign_flip_p", lambda *_: 1.0)
    monkeypatch.setattr("harness.analysis.kinds.trend.page_p", lambda *_: 1.0)
    monkeypatch.setattr("harness.analysis.kinds.threshold.clopper_pearson", cache(clopper_pearson))
    monkeypatch.setattr("harness.analysis.critical_level.GRID", 11)  # ends differ from 101's by 1e-10


class Case(NamedTuple):
    """A kind's hypothesis over the levels of one factor, and an arm's mean at its null and as designed."""

    hypothesis: Mapping[str, Any]
    factors: Mapping[str, Sequence[Any]]
    null: Sequence[float]
    designed: Sequence[float]
    alpha: float = 0.025
    power: tuple[float, float] = (0.9, 0.9)  # between which it lies


def _slope(change: float, levels: int = 4) -> list[float]:
    """Means along a line that rises by so much from end to end."""
    return list(np.linspace(0, change, levels))


def _line_spread(levels: int = 4) -> float:
    """Standard deviation of the fitted end-to-end change: SPREAD times range over the root of Sxx."""
    x = np.arange(levels) - (levels - 1) / 2
    return SPREAD * (levels - 1) / float(np.sqrt(np.sum(x**2)))


def _tost(delta: float) -> tuple[float, float]:
    """Bounds on the power of two one-sided tests at no difference: either holds, by the noncentral t."""
    each = float(stats.nct.sf(stats.t.ppf(0.95, N - 1), N - 1, delta * np.sqrt(N) / PAIR))
    return 2 * each - 1, each


LOG = {"size": [1, 10, 100, 1000]}
TWO = {"arm": ["a", "b"]}
CROSSED = {"arm": ["a", "b"], "depth": [1, 2]}
OF_PAIR = {"a": "a", "b": "b", "outcome": "test/accuracy"}
HALF = N // 2  # replicates that test an optimum; the others choose it
CASES = {
    "dose": Case(
        {"kind": "dose", "outcome": "test/accuracy", "delta": NO_DELTA},
        LOG,
        _slope(0),
        _slope(smallest_effect(N) * _line_spread()),
    ),
    "interaction": Case(
        {"kind": "interaction", **OF_PAIR, "over": "depth", "delta": NO_DELTA},
        CROSSED,
        (FAR, 0, 0, -FAR),  # a's advantage is the same at both depths
        (0, smallest_effect(N) * np.sqrt(2) * PAIR, 0, 0),
    ),
    "interior_optimum": Case(
        {"kind": "interior_optimum", "outcome": "test/accuracy", "delta": NO_DELTA},
        LOG,
        (-FAR, 0, -FAR, 0),  # no better than the high end, much better than the low one
        (-FAR, 0, -FAR, -smallest_effect(HALF) * PAIR),
    ),
    "mechanism": Case(
        {"kind": "mechanism", "arm": {}, "outcome": "test/accuracy", "above": X},
        TWO,
        (X, X + FAR),
        (X + smallest_effect(N) * PAIR, X + FAR),
    ),
    "at_least": Case({"kind": "at_least", "x": X, **OF_PAIR, "delta": 0.01}, TWO, (X, 0), (X + DETECTED, 0)),
    "non_inferiority": Case(
        {"kind": "non_inferiority", **OF_PAIR, "delta": X}, TWO, (-X, 0), (-X + DETECTED, 0)
    ),
    "equivalence": Case(
        {"kind": "equivalence", **OF_PAIR, "delta": MARGIN},
        TWO,
        (MARGIN, 0),
        (0, 0),
        alpha=0.05,
        power=_tost(MARGIN),
    ),
}


def supported(case: Case, means: Sequence[float], studies: int, seed: int) -> int:
    """How many of the studies end SUPPORTED where these are the arms' means."""
    generator = np.random.default_rng(seed)
    shape = (studies, N, len(means))
    shared = SPREAD * generator.normal(size=(studies, N, 1))
    return _supported(case, np.asarray(means) + shared + SPREAD * generator.normal(size=shape))


def _supported(case: Case, outcomes: np.ndarray) -> int:
    """Of (studies, n, arms) outcomes."""
    evidence = swept(case.factors, lambda *_: [0.5] * outcomes.shape[1], case.hypothesis)
    rulings = (answered.ruling for answered in answers_to(evidence, outcomes))
    return sum(ruling is not None and ruling.answer is Answer.SUPPORTED for ruling in rulings)


LEVELS = [0.1, 0.3, 1, 3, 10, 30, 100]
THRESHOLD = Case(
    {"kind": "threshold", "outcome": "diverged", "over": "rate", "above": 3}, {"rate": LEVELS}, (), ()
)


def _diverging(critical: float, seed: int) -> np.ndarray:
    """(studies, n, levels) runs that diverge, 1, with a chance that is 1/2 at the critical level."""
    chances = 1 / (1 + (critical / np.array(LEVELS)) ** 2)
    generator = np.random.default_rng(seed)
    return (generator.random((STUDIES, N, len(LEVELS))) < chances).astype(float)


def test_a_critical_level_at_the_bound_is_rarely_called_above_it() -> None:
    assert _supported(THRESHOLD, _diverging(3, 43)) <= stats.binom.ppf(1 - RARE, STUDIES, 0.025)


def test_a_critical_level_above_the_bound_is_found() -> None:
    """Of 10 for a bound of 3: log 10/3 is 4.6 standard errors, by the information 4 n sum p (1 - p)."""
    chances = 1 / (1 + (10 / np.array(LEVELS)) ** 2)
    error = 1 / np.sqrt(4 * N * np.sum(chances * (1 - chances)))
    power = float(stats.norm.sf(stats.norm.ppf(0.975) - np.log(10 / 3) / error))
    assert _supported(THRESHOLD, _diverging(10, 44)[:FEW]) >= stats.binom.ppf(RARE, FEW, power)


@pytest.mark.parametrize("kind", CASES)
def test_a_false_claim_is_rarely_supported(kind: str) -> None:
    case = CASES[kind]
    assert supported(case, case.null, STUDIES, 41) <= stats.binom.ppf(1 - RARE, STUDIES, case.alpha)


@pytest.mark.parametrize("kind", CASES)
def test_an_effect_as_designed_for_is_found_as_often_as_designed(kind: str) -> None:
    case = CASES[kind]
    least, most = case.power
    found = supported(case, case.designed, FEW, 42)
    assert found >= stats.binom.ppf(RARE / 2, FEW, least)
    assert found <= stats.binom.ppf(1 - RARE / 2, FEW, most)
