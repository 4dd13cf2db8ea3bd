"""Dose and interaction: a change over the levels of a factor, from end to end of a fitted line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.analysis.estimates import d_z
from harness.analysis.kinds.base import (
    Answered,
    Extra,
    Kind,
    described,
    effect_by_flips,
    mean_interval,
    without_diverged,
)
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question, names_without, scores, with_delta
from harness.analysis.scale import outcome_label
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.verdict_rule import Robustness, Ruling, effect_by_tests, effect_rule
from harness.analysis.wording import delta_text, interval_text, unit
from harness.words.hypothesis import Dose, Interaction
from harness.words.named import Sweep, sweep
from harness.words.verdict import Answer, Estimate

LEAST_RANKED = 3  # levels of Page's test


def weigh_dose(asked: Question) -> Question:
    """The smallest change from end to end; the lowest level is what a relative one refers to."""
    assert isinstance(asked.hypothesis, Dose)
    return with_delta(asked, asked.columns[0], asked.hypothesis.delta)


def weigh_interaction(asked: Question) -> Question:
    """The smallest change of a's advantage; b at the lowest level is what a relative one refers to."""
    assert isinstance(asked.hypothesis, Interaction)
    return with_delta(asked, asked.columns[len(asked.columns) // 2], asked.hypothesis.delta)


def dose(asked: Question) -> Answered:
    """Each replicate's fitted change of the outcome over the levels."""
    return _trend(asked, *_by_level(asked))


def interaction(asked: Question) -> Answered:
    """Each replicate's fitted change of a's advantage over b; with two levels, the difference of the two.

    Of a probe, which may be better neither way, it is a's value less b's.
    """
    return _trend(asked, *_by_level(asked))


def fitted_changes(asked: Question) -> Floats:
    """(n,) each replicate's fitted change in the direction claimed: what is tested by its mean."""
    values, _ = _by_level(asked)
    return rises(values * _sign(asked), _levels(asked).positions())


def _by_level(asked: Question) -> tuple[Floats, NDArray[np.bool_]]:
    """(n, levels) outcomes, or a's advantages over b, and (n,) whether a run of the row diverged."""
    found = scores(asked)
    if isinstance(asked.hypothesis, Dose):
        return found.values, found.diverged
    a, b = np.split(found.values, 2, axis=1)
    lower = asked.outcome.function != "probe" and asked.direction == "lower"
    return (b - a if lower else a - b), found.diverged


def rises(values: Floats, positions: Sequence[float]) -> Floats:
    """(n,) changes from the lowest level to the highest along each row's least-squares line.

    `values` (n, k), `positions` (k,) ascending, in the logarithm where levels are above 0. It is the
    slope on the standardised position times the standardised range: its t test is the slope's own.
    """
    x = np.asarray(positions, dtype=float)
    centred = (x - x.mean()) / x.std()
    slopes: Floats = values @ centred / np.sum(centred**2)
    changes: Floats = slopes * (centred[-1] - centred[0])
    return changes


def page_p(values: Floats) -> float:
    """Page's L of (n, k) values: the one-sided p of a rising trend of the levels' ranks."""
    return float(stats.page_trend_test(values).pvalue)


def _trend(asked: Question, values: Floats, diverged: NDArray[np.bool_]) -> Answered:
    levels = _levels(asked)
    rows = level_rows(asked, levels, values)
    if len(values) < 2:
        return Answered(asked, levels=rows)
    favoured = values * _sign(asked)
    changes = rises(favoured, levels.positions())
    interval = mean_interval(asked, changes, asked.columns)
    extra = _extra(asked, favoured, changes, levels)
    return Answered(
        asked,
        interval,
        _monotone(asked, effect_rule(interval, asked.margin, asked.variance_ratio), extra),
        _robust(asked, favoured, changes, interval.value),
        extra,
        without_diverged(asked, changes, diverged),
        levels=rows,
    )


def _monotone(asked: Question, ruling: Ruling, extra: Extra) -> Ruling:
    """A dose's ruling: no more than likely where a step between neighbours goes the other way by delta."""
    if not isinstance(asked.hypothesis, Dose) or extra["reversal_beyond_delta"] == "no":
        return ruling
    return ruling._replace(grade="likely") if ruling.grade == "clear" else ruling


def _robust(asked: Question, favoured: Floats, changes: Floats, value: float) -> Answer | None:
    """Page's test against no trend from three levels on, sign flips else; sign flips against delta."""
    if asked.variance_ratio or favoured.shape[1] < LEAST_RANKED:
        return effect_by_flips(asked, changes, value)
    tests = Robustness(page_p(favoured), sign_flip_p(changes - asked.margin, "less"))
    return effect_by_tests(value, asked.margin, tests, asked.one_sided)


def _extra(asked: Question, favoured: Floats, changes: Floats, levels: Sweep) -> Extra:
    """The slope a standard deviation, the contrast of the ends, the largest step against the claim."""
    means = favoured.mean(axis=0)
    reversal = max(0.0, float(np.max(means[:-1] - means[1:])))
    positions = np.asarray(levels.positions())
    extra: Extra = {
        "slope_per_sd": float(changes.mean() * positions.std() / np.ptp(positions)),
        "end_to_end": float(means[-1] - means[0]),
        "largest_reversal": reversal,
        "reversal_beyond_delta": "yes" if reversal > asked.margin else "no",
        "d_z": d_z(changes),
        "share_of_replicates": float(np.mean(changes > 0)),
        "sign_flip_p": None if asked.variance_ratio else sign_flip_p(changes),
        "variance_ratio": asked.variance_ratio,
    }
    ranked = len(means) >= LEAST_RANKED and not asked.variance_ratio
    return extra | ({"page_p": page_p(favoured)} if ranked else {})


def level_rows(asked: Question, levels: Sweep, values: Floats) -> list[dict[str, Any]]:
    """A row a level: its mean over (n, k) values, with the interval."""
    return [
        {"level": label, "value": value, **described(asked, values[:, i])}
        for i, (label, value) in enumerate(zip(levels.labels, levels.values, strict=True))
    ]


def _levels(asked: Question) -> Sweep:
    assert isinstance(asked.hypothesis, (Dose, Interaction))
    return sweep(asked.evidence.design, asked.hypothesis)


def _sign(asked: Question) -> float:
    return 1.0 if getattr(asked.hypothesis, "direction", "increasing") == "increasing" else -1.0


def _change(asked: Question, found: Estimate) -> tuple[str, str]:
    """ "rises by 3.1 percentage points" or "falls by ...", and the interval of the change claimed."""
    ratio = asked.scale.kind == "ratio"
    up = (found.value >= 0) == (_sign(asked) > 0)
    value, interval = interval_text(found)
    if ratio:
        return f"changes {value}x in the direction claimed", interval
    if found.value < 0:
        interval = interval.replace("interval", f"interval for the {'rise' if _sign(asked) > 0 else 'fall'}")
    return f"{'rises' if up else 'falls'} by {value.removeprefix('-')}{unit(asked, value)}", interval


def _span(asked: Question) -> str:
    levels = _levels(asked)
    return f"from {levels.factor} {levels.labels[0]} to {levels.labels[-1]}"


def dose_statement(asked: Question) -> str:
    """The outcome rises, or falls, over the levels by at least delta."""
    verb = "rises" if _sign(asked) > 0 else "falls"
    return f"{outcome_label(asked.outcome)} {verb} {_span(asked)}, by at least {delta_text(asked)}"


def dose_finding(asked: Question, found: Estimate) -> str:
    """The fitted change, and the largest step against it where that matters."""
    change, interval = _change(asked, found)
    text = f"{outcome_label(asked.outcome)} {change} {_span(asked)}, {interval}"
    against = found.extra["reversal_beyond_delta"] == "yes" and found.value > 0
    though = ", though a step between neighbours goes the other way by more than that" if against else ""
    return f"{text}, at least {delta_text(asked)} asked{though}"


def interaction_statement(asked: Question) -> str:
    """a's advantage over b grows, or shrinks, over the levels by at least delta."""
    verb = "grows" if _sign(asked) > 0 else "shrinks"
    return f"{_advantage(asked)} {verb} {_span(asked)}, by at least {delta_text(asked)}"


def interaction_finding(asked: Question, found: Estimate) -> str:
    """The fitted change of a's advantage."""
    change, interval = _change(asked, found)
    return f"{_advantage(asked)} {change} {_span(asked)}, {interval}, at least {delta_text(asked)} asked"


def _advantage(asked: Question) -> str:
    a, b = side_names(asked)
    if asked.outcome.function == "probe":
        return f"the {outcome_label(asked.outcome)} of {a} less that of {b}"
    return f"the advantage of {a} over {b} in {outcome_label(asked.outcome)}"


def side_names(asked: Question) -> tuple[str, str]:
    """An interaction's a and b, without the levels that it goes over or stays at."""
    names = names_without(asked, {_levels(asked).factor, *asked.hypothesis.at})
    return names[0], names[len(names) // 2]


DOSE = Kind(weigh_dose, dose, dose_statement, dose_finding)
INTERACTION = Kind(weigh_interaction, interaction, interaction_statement, interaction_finding)
