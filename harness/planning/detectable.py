"""The smallest effect that each hypothesis of a design detects with its replicates, before a run.

Where replicates split one data set, their overlap makes the mean vary as if sigma were larger by
sqrt(1 + n r), r the ratio of test to training examples (Nadeau and Bengio 2003).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from harness.planning.power import ALPHA, ASSUMED_ACCURACY, POWER, binomial_sigma, smallest_effect
from harness.planning.rates import (
    decided_from,
    detected_rate,
    upper_end_of_none,
)
from harness.words.design import Design
from harness.words.hypothesis import (
    BY_RATIO,
    BestOf,
    Dose,
    Hypothesis,
    Identity,
    Impossibility,
    Interaction,
    InteriorOptimum,
    Mechanism,
    Threshold,
)
from harness.words.metrics import METRICS
from harness.words.named import chosen_by_tuning, named_columns, sweep
from harness.words.probes import PROBES, ProbeOptions
from harness.words.tasks import is_over_tasks, tasks_of

EVENTS = {"success": "rate of success", "diverged": "rate of divergence"}  # a run has it or hasn't


class Measured(NamedTuple):
    """What is measured of every replicate and tested by its mean, in words."""

    counted: str = "pairs"
    effect: str = "a difference"
    values: str = "the paired differences"


MEASURED: dict[type, Measured] = {
    Dose: Measured("replicates", "a change from end to end", "the replicates' fitted changes"),
    Interaction: Measured("pairs", "a change of the difference from end to end", "the pairs' fitted changes"),
    Mechanism: Measured("replicates", "a distance from the threshold", "the replicates' values"),
}
OF_THRESHOLD = Measured("runs", "a distance of the rate from the threshold")
OF_RATE: dict[type, Measured] = {
    Threshold: Measured("runs a level", "a distance of the rate from one half"),
    Impossibility: Measured("runs", "a chance of success"),
}


class Detectable(NamedTuple):
    """The smallest effect one hypothesis can detect with the design's replicates.

    `d_z` is in units of the standard deviation of what is `measured`, None of a rate. `difference` is on
    the outcome's own scale (`ratio` for steps), None where no sigma is known; `basis` says where sigma,
    or a rate, comes from.
    """

    hypothesis: int  # index into the study's hypotheses
    outcome: str
    n: int
    d_z: float | None
    sigma: float | None
    difference: float | None
    unit: str
    basis: str
    settings: int = 1  # of a hypothesis `for_each`: in every one of them, with the power for all at once
    measured: Measured = Measured()
    places: str = "settings"  # what there are as many of as `settings`
    between: tuple[float, float] | None = None  # the difference at the ends of sigma's 95 % interval


def weights_norm(design: Design, hypothesis: Hypothesis) -> float:
    """Euclidean norm of the weights with which a replicate's outcomes add up to what is tested.

    That of 1 and -1 for a difference. A change fitted over levels x has (x - mean) (max - min) / Sxx, of
    norm (max - min) / sqrt(Sxx); an interaction's twice, a's outcomes and b's. Of one with `for_each` the
    largest.
    """
    if hypothesis.for_each:
        return max(weights_norm(design, setting.hypothesis) for setting in design.settings(hypothesis))
    if isinstance(hypothesis, Mechanism):
        return 1.0
    if not isinstance(hypothesis, (Dose, Interaction)):
        return math.sqrt(2)
    x = np.asarray(sweep(design, hypothesis).positions())
    norm = float(np.ptp(x) / np.sqrt(np.sum((x - x.mean()) ** 2)))
    return norm if isinstance(hypothesis, Dose) else math.sqrt(2) * norm


class Sigma(NamedTuple):
    """The standard deviation of what is tested (of log steps, for a ratio of steps), and who says so."""

    value: float | None  # None where nobody knows
    basis: str
    between: tuple[float, float] | None = None  # its 95 % interval, where few numbers tell it

    def through(self, function: Callable[[float], float]) -> Sigma:
        """What a rising function makes of it and of the interval's ends."""
        value = None if self.value is None else function(self.value)
        ends = self.between and (function(self.between[0]), function(self.between[1]))
        return Sigma(value, self.basis, ends)


def detectable(design: Design, sigmas: Mapping[int, Sigma] | None = None) -> list[Detectable]:
    """The smallest effect that every hypothesis can detect; an identity is exact, and has none.

    `sigmas`: index of the hypothesis -> what earlier records say. Without one, an accuracy's sigma is
    the test set's binomial noise, and any other outcome is expressed in units of sigma.
    """
    known = sigmas or {}
    found = ((i, h) for i, h in enumerate(design.study.hypotheses) if not isinstance(h, Identity))
    return [_detectable(design, index, hypothesis, known.get(index)) for index, hypothesis in found]


def is_of_rate(hypothesis: Hypothesis) -> bool:
    """Whether it is about how often something happens: no sigma, but the binomial distribution tells."""
    of_events = isinstance(hypothesis, Mechanism) and hypothesis.outcome.function in EVENTS
    return of_events or isinstance(hypothesis, (Threshold, Impossibility))


def _detectable(design: Design, index: int, hypothesis: Hypothesis, known: Sigma | None) -> Detectable:
    if is_over_tasks(hypothesis):
        return _over_tasks(design, index, hypothesis, known)
    if is_of_rate(hypothesis):
        return _of_rate(design, index, hypothesis)
    n = design.study.judge.replicates
    chosen_apart = isinstance(hypothesis, InteriorOptimum) and not chosen_by_tuning(design, hypothesis)
    n = n // 2 if chosen_apart else n
    settings, places = _at_once(design, hypothesis)
    d_z = smallest_effect(n, _power_of_each(settings))
    overlapping = overlap(design, hypothesis)
    sigma = (known or _assumed(design, hypothesis)).through(lambda s: s * math.sqrt(1 + n * overlapping))
    basis = sigma.basis
    basis += "; the other replicates choose the level" if chosen_apart else ""
    basis += "; more as replicates split one data set" if overlapping else ""
    ratio = hypothesis.outcome.function == "steps_to" and isinstance(hypothesis, BY_RATIO)
    unit = f"ratio of {hypothesis.outcome.unit_label}" if ratio else _unit(hypothesis)
    effect = sigma.through(lambda s: math.exp(d_z * s) if ratio else d_z * s)
    return Detectable(
        index,
        str(hypothesis.outcome),
        n,
        d_z,
        sigma.value,
        effect.value,
        unit,
        basis,
        settings,
        MEASURED.get(type(hypothesis), Measured()),
        places,
        effect.between,
    )


def _at_once(design: Design, hypothesis: Hypothesis) -> tuple[int, str]:
    """In how many places an effect has to be found for the claim to hold, and what they are."""
    if isinstance(hypothesis, Mechanism):
        return len(named_columns(design, hypothesis)), "arms"
    if isinstance(hypothesis, Impossibility):
        return 1, "settings"  # a success anywhere refutes it
    settings = len(design.settings(hypothesis))
    if isinstance(hypothesis, Threshold) and hypothesis.above is None and hypothesis.below is None:
        return 2 * settings, "outermost levels"
    return settings, "settings"


def _power_of_each(places: int) -> float:
    """The power in each of so many places for `POWER` in all: misses add up to at most 1 - POWER."""
    return 1 - (1 - POWER) / places  # Bonferroni


def overlap(design: Design, hypothesis: Hypothesis) -> float:
    """Nadeau and Bengio's n_test / n_train of what is compared, 0 where replicates draw fresh data."""
    columns, metric = named_columns(design, hypothesis), hypothesis.outcome.metric
    return max((design.data[c.arm].overlap(metric) for c in columns), default=0.0)


def far_bound(hypothesis: Mechanism) -> float:
    """The rate, of runs that speak for the claim, that a mechanism of an event asks for more than."""
    return hypothesis.above if hypothesis.above is not None else 1 - (hypothesis.below or 0.0)


def _of_rate(design: Design, index: int, hypothesis: Hypothesis) -> Detectable:
    """What so many runs tell of a rate, as the kind decides: from which count on, and how likely that is."""
    n, outcome = design.study.judge.replicates, str(hypothesis.outcome)
    if isinstance(hypothesis, Impossibility):
        n *= len(named_columns(design, hypothesis)) // len(design.settings(hypothesis))
    (places, called), measured = _at_once(design, hypothesis), OF_RATE.get(type(hypothesis), OF_THRESHOLD)
    least, against, basis = _deciding_count(design, hypothesis, n)
    difference = detected_rate(n, least, _power_of_each(places)) - against
    unit = EVENTS[hypothesis.outcome.function]
    return Detectable(index, outcome, n, None, None, difference, unit, basis, places, measured, called)


def _deciding_count(design: Design, hypothesis: Hypothesis, n: int) -> tuple[int, float, str]:
    """How many of n runs decide, the rate that they are held against, and the rule in words."""
    if isinstance(hypothesis, Impossibility):
        left = f"none leaves at most {upper_end_of_none(n):.2g} by Clopper and Pearson's 95 % interval"
        return 1, 0.0, f"one success refutes; {left}; the certificate says the rest"
    if isinstance(hypothesis, Mechanism):
        above = hypothesis.above is not None
        far = far_bound(hypothesis)
        least = decided_from(n, far, overlap(design, hypothesis)) or n
        count = f"at least {least}" if above else f"at most {n - least}"
        return least, far, f"{count} of {n} runs decide, by Clopper and Pearson's interval"
    least = decided_from(n, 0.5) or n
    count = f"at most {n - least} or at least {least} of {n}"
    return least, 0.5, f"{count} runs at a level decide, by Clopper and Pearson's interval"


def _over_tasks(design: Design, index: int, hypothesis: BestOf, known: Sigma | None) -> Detectable:
    """Pairs are tasks, at the level that Holm's first step asks of the k - 1 comparisons.

    By the t-test, of which Wilcoxon's has an efficiency of 3 / pi = .955 on normal differences.
    """
    tasks = tasks_of(design, hypothesis)
    n = len(tasks.names)
    sigma = known or Sigma(None, "pairs are tasks; no sigma known yet")
    d_z = smallest_effect(n, alpha=ALPHA / (len(tasks.contenders) - 1))
    effect = sigma.through(lambda s: d_z * s)
    unit, metric = _unit(hypothesis), METRICS.get(hypothesis.outcome.metric.partition("/")[2])
    by_mean = metric is not None and metric.delta_is_relative
    if by_mean if hypothesis.delta is None else hypothesis.delta.relative:
        unit = "of each task's mean"
    own = (n, d_z, sigma.value, effect.value, unit, sigma.basis)
    return Detectable(index, str(hypothesis.outcome), *own, between=effect.between)


def _assumed(design: Design, hypothesis: Hypothesis) -> Sigma:
    """The sigma where nothing has run yet."""
    outcome = hypothesis.outcome
    split, _, name = outcome.metric.partition("/")
    sizes = [
        {"train": f.n_train, "val": f.n_val, "test": f.n_test}.get(split, 0) for f in design.data.values()
    ]
    if outcome.function in ("final", "best") and name in ("accuracy", "error") and min(sizes) > 0:
        examples = f"{min(sizes):,} {split} examples"
        basis = f"sigma from {examples} alone, at {ASSUMED_ACCURACY:.0%} accuracy; training adds to it"
        return Sigma(binomial_sigma(min(sizes), weights_norm=weights_norm(design, hypothesis)), basis)
    values = MEASURED.get(type(hypothesis), Measured()).values
    return Sigma(None, f"no sigma known yet: in units of the standard deviation of {values}")


def _unit(hypothesis: Hypothesis) -> str:
    outcome = hypothesis.outcome
    if outcome.function == "steps_to":
        return outcome.unit_label
    if outcome.function == "probe" and outcome.metric in PROBES:
        options = ProbeOptions.model_validate(outcome.options)
        slopes = {"layer": "decades a layer", "log_step": "log-log slope", None: PROBES[outcome.metric].label}
        return "decades" if options.log10 else slopes[options.slope]
    name = outcome.metric.partition("/")[2]
    if outcome.function in EVENTS or name not in METRICS:
        return EVENTS.get(outcome.function, outcome.function)
    return METRICS[name].label
