"""What a design can detect before anything has run: pure functions of n, sigma and alpha.

The paired t-test's power is exact for normal differences: with d_z = delta / sigma_D its statistic
follows a noncentral t with n - 1 degrees of freedom and noncentrality d_z sqrt(n) (Cohen 1988). Where
replicates split one data set, their overlap makes the mean vary as if sigma_D were larger by
sqrt(1 + n r), r the ratio of test to training examples (Nadeau and Bengio 2003).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.stats import nct, t

from harness.words.design import Design
from harness.words.hypothesis import (
    BY_RATIO,
    AtLeast,
    BestOf,
    Equivalence,
    Faster,
    Hypothesis,
    InteriorOptimum,
    NonInferiority,
    Superiority,
)
from harness.words.metrics import METRICS
from harness.words.named import chosen_by_tuning, named_columns
from harness.words.tasks import is_over_tasks, tasks_of

ALPHA = 0.05
POWER = 0.9
ASSUMED_ACCURACY = 0.9
# Kinds whose estimate is the mean of one paired difference: a sigma of such differences is theirs.
OF_PAIRS = (Superiority, Faster, Equivalence, NonInferiority, AtLeast, BestOf, InteriorOptimum)


class Detectable(NamedTuple):
    """The smallest difference one hypothesis can detect with the design's replicates.

    `d_z` is in units of the paired differences' standard deviation. `difference` is on the outcome's
    own scale (`ratio` for steps), None where no sigma is known; `basis` says where sigma comes from.
    """

    hypothesis: int  # index into the study's hypotheses
    outcome: str
    n: int
    d_z: float
    sigma: float | None
    difference: float | None
    unit: str
    basis: str
    settings: int = 1  # of a hypothesis `for_each`: in every one of them, with the power for all at once


def paired_t_power(d_z: float, n: int, alpha: float = ALPHA) -> float:
    """The chance that a two-sided paired t-test over n pairs rejects, at a true effect of d_z."""
    critical = float(t.ppf(1 - alpha / 2, n - 1))
    shift = d_z * math.sqrt(n)
    wrong_side = float(nct.cdf(-critical, n - 1, shift))
    # scipy gives NaN where the chance of the wrong sign is below its reach (under 1e-20)
    return float(nct.sf(critical, n - 1, shift)) + (0.0 if math.isnan(wrong_side) else wrong_side)


def smallest_effect(n: int, power: float = POWER, alpha: float = ALPHA) -> float:
    """The smallest d_z that n pairs detect with the given power (two-sided paired t). n >= 2."""
    high = 1.0
    while paired_t_power(high, n, alpha) < power:
        high *= 2
    return float(brentq(lambda d_z: paired_t_power(d_z, n, alpha) - power, 0, high, xtol=1e-10))


def smallest_sign_flip_p(n: int, two_sided: bool = False, tests: int = 1) -> float:
    """The smallest p-value n pairs can give a sign-flip test: 2^-n, doubled if two-sided, times Bonferroni.

    A max-T test flips the signs of a replicate's arms together, so its smallest p doesn't depend on
    the number of arms.
    """
    return min(1.0, max(tests, 1) * (2.0 if two_sided else 1.0) * 2.0**-n)


def smallest_wilcoxon_p(n: int, tests: int = 1) -> float:
    """The smallest two-sided p-value of Wilcoxon's test on n differences, 2 / 2^n, at Holm's first step.

    The rank sum of n differences all of one sign has one of 2^n sign vectors on either side.
    """
    return smallest_sign_flip_p(n, two_sided=True, tests=tests)


def least_tasks(contenders: int, tests: int = 1) -> int:
    """How many tasks a best of k over tasks needs, so that its rule can fire at all.

    The subject's k - 1 Wilcoxon tests are corrected by Holm, and a secondary hypothesis again for its
    `tests`: the least N with (k - 1) tests 2 / 2^N at most 5 %, which is 6 for two arms and 8 for five.
    """
    n = 2
    while smallest_wilcoxon_p(n, max(1, contenders - 1) * max(1, tests)) > ALPHA:
        n += 1
    return n


def binomial_sigma(n_test: int, accuracy: float = ASSUMED_ACCURACY) -> float:
    """Standard deviation of the difference of two accuracies from the test set's size alone.

    sqrt(2 p (1 - p) / n_test): two arms of accuracy p that err independently of one another.
    """
    return math.sqrt(2 * accuracy * (1 - accuracy) / n_test)


class Sigma(NamedTuple):
    """The standard deviation of paired differences (of log steps, for a ratio of steps), and who says so."""

    value: float
    basis: str


def detectable(design: Design, sigmas: Mapping[int, Sigma] | None = None) -> list[Detectable]:
    """The smallest detectable difference of every hypothesis about a difference of two arms.

    `sigmas`: index of the hypothesis -> what earlier records say. Without one, an accuracy's sigma is
    the test set's binomial noise, and any other outcome is expressed in units of sigma.
    """
    known = sigmas or {}
    found = ((i, h) for i, h in enumerate(design.study.hypotheses) if isinstance(h, OF_PAIRS))
    return [_detectable(design, index, hypothesis, known.get(index)) for index, hypothesis in found]


def _detectable(design: Design, index: int, hypothesis: Hypothesis, known: Sigma | None) -> Detectable:
    n, outcome = design.study.judge.replicates, str(hypothesis.outcome)
    if is_over_tasks(hypothesis):
        return _over_tasks(design, index, hypothesis, known)
    chosen_apart = isinstance(hypothesis, InteriorOptimum) and not chosen_by_tuning(design, hypothesis)
    n = n // 2 if chosen_apart else n
    settings = len(design.settings(hypothesis))
    d_z = smallest_effect(n, 1 - (1 - POWER) / settings)  # misses add up to 1 - POWER at most (Bonferroni)
    sigma, basis = known or _assumed(design, hypothesis)
    columns, metric = named_columns(design, hypothesis), hypothesis.outcome.metric
    overlap = max((design.data[c.arm].overlap(metric) for c in columns), default=0.0)
    sigma = sigma and sigma * math.sqrt(1 + n * overlap)
    basis += "; the other replicates choose the level" if chosen_apart else ""
    basis += "; more as replicates split one data set" if overlap else ""
    ratio = hypothesis.outcome.function == "steps_to" and isinstance(hypothesis, BY_RATIO)
    unit = f"ratio of {hypothesis.outcome.unit_label}" if ratio else _unit(hypothesis)
    difference = None if sigma is None else d_z * sigma
    if difference is not None and ratio:
        difference = math.exp(difference)
    return Detectable(index, outcome, n, d_z, sigma, difference, unit, basis, settings)


def _over_tasks(design: Design, index: int, hypothesis: BestOf, known: Sigma | None) -> Detectable:
    """Pairs are tasks, at the level that Holm's first step asks of the k - 1 comparisons.

    By the t-test, of which Wilcoxon's has an efficiency of 3 / pi = .955 on normal differences.
    """
    tasks = tasks_of(design, hypothesis)
    n, unknown = len(tasks.names), "pairs are tasks; no sigma known yet"
    sigma, basis = known or (None, unknown)
    d_z = smallest_effect(n, alpha=ALPHA / (len(tasks.contenders) - 1))
    difference = None if sigma is None else d_z * sigma
    unit, metric = _unit(hypothesis), METRICS.get(hypothesis.outcome.metric.partition("/")[2])
    own = metric is not None and metric.delta_is_relative
    if own if hypothesis.delta is None else hypothesis.delta.relative:
        unit = "of each task's mean"
    return Detectable(index, str(hypothesis.outcome), n, d_z, sigma, difference, unit, basis)


def _assumed(design: Design, hypothesis: Hypothesis) -> tuple[float | None, str]:
    """The sigma where nothing has run yet."""
    outcome = hypothesis.outcome
    split, _, name = outcome.metric.partition("/")
    sizes = [
        {"train": f.n_train, "val": f.n_val, "test": f.n_test}.get(split, 0) for f in design.data.values()
    ]
    if outcome.function in ("final", "best") and name in ("accuracy", "error") and min(sizes) > 0:
        examples = f"{min(sizes):,} {split} examples"
        basis = f"sigma from {examples} alone, at {ASSUMED_ACCURACY:.0%} accuracy; training adds to it"
        return binomial_sigma(min(sizes)), basis
    return None, "no sigma known yet: in units of the paired differences' standard deviation"


def _unit(hypothesis: Hypothesis) -> str:
    if hypothesis.outcome.function == "steps_to":
        return hypothesis.outcome.unit_label
    name = hypothesis.outcome.metric.partition("/")[2]
    return METRICS[name].label if name in METRICS else hypothesis.outcome.function
