"""Interior optimum: a level inside the range is better than both of its ends, by at least delta."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from harness.analysis.estimates import d_z
from harness.analysis.kinds.base import Answered, Kind, effect_by_flips, mean_interval, without_diverged
from harness.analysis.kinds.joint import deciding, judged_parts
from harness.analysis.kinds.trend import level_rows
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question, Scores, scores, with_delta
from harness.analysis.scale import outcome_label
from harness.analysis.verdict_rule import effect_rule
from harness.analysis.wording import delta_text, interval_text, unit
from harness.words.hypothesis import InteriorOptimum
from harness.words.named import Sweep, chosen_by_tuning, named_columns, sweep
from harness.words.verdict import Estimate


def weigh(asked: Question) -> Question:
    """The columns become the best inner level, the lowest and the highest.

    Which inner level is best is for the tuning seeds to say: the one whose arm's chosen point has the
    best score. Where not all of them were tuned, every other replicate chooses, and the rest test.
    """
    hypothesis = asked.hypothesis
    assert isinstance(hypothesis, InteriorOptimum)
    inner = asked.columns[1:-1]
    if _tuned(asked):
        best = max(inner, key=_tuning_scores(asked, inner).__getitem__)
    else:
        best = _best_of_choosers(asked, inner)
    chosen = (best, asked.columns[0], asked.columns[-1])
    return with_delta(replace(asked, columns=chosen, arms=chosen), best, hypothesis.delta)


def interior_optimum(asked: Question) -> Answered:
    """Both contrasts must hold (intersection-union); the smaller of the two is the estimate."""
    levels = _levels(asked)
    columns = [c.label for c in named_columns(asked.evidence.design, asked.hypothesis)]
    labels = dict(zip(columns, levels.labels, strict=True))
    found = _testers(asked, scores(asked))
    rows = level_rows(asked, levels, scores(asked, columns).values)
    if len(found) < 2:
        return Answered(asked, levels=rows)
    sign = 1.0 if asked.direction == "higher" else -1.0
    gains = {end: sign * (found.values[:, 0] - found.values[:, i]) for i, end in ((1, "low"), (2, "high"))}
    parts = judged_parts(asked, {end: partial(_gain, values=v) for end, v in gains.items()})
    least = deciding(parts)
    extra = {f"over_the_{p.label}_end": asked.scale.show(p.interval.value) for p in parts}
    against = levels.labels[0 if least.label == "low" else -1]
    return Answered(
        asked,
        least.interval,
        least.ruling,
        least.robust,
        {
            "optimum": labels[asked.subject],
            "against": against,
            "d_z": d_z(gains[least.label]),
            "variance_ratio": asked.variance_ratio,
            **extra,
        },
        without_diverged(asked, gains[least.label], found.diverged),
        levels=rows,
    )


def _gain(asked: Question, values: Floats) -> Answered:
    """The effect rule on (n,) gains over an end. Where half of the replicates choose, each takes two."""
    interval = mean_interval(asked, values, asked.columns)
    each = 1 if _tuned(asked) else 2
    ruling = effect_rule(interval, asked.margin, asked.variance_ratio, each=each)
    return Answered(asked, interval, ruling, effect_by_flips(asked, values, interval.value))


def _tuned(asked: Question) -> bool:
    assert isinstance(asked.hypothesis, InteriorOptimum)
    return chosen_by_tuning(asked.evidence.design, asked.hypothesis)


def _tuning_scores(asked: Question, columns: tuple[str, ...]) -> dict[str, float]:
    """Arm -> the score of its chosen point, above is better; lowest where every point diverged."""
    found = {}
    for arm in columns:
        choice = asked.evidence.choices[arm]
        score = None if choice.chosen is None else choice.points[choice.chosen].score
        sign = 1.0 if choice.direction == "higher" else -1.0
        found[arm] = -np.inf if score is None else sign * score
    return found


def _best_of_choosers(asked: Question, columns: tuple[str, ...]) -> str:
    table = asked.table[asked.table["arm"].isin(columns) & (asked.table["replicate"] % 2 == 0)]
    means = table.groupby("arm")["value"].mean()
    sign = 1.0 if asked.direction == "higher" else -1.0
    return max(columns, key=lambda c: sign * float(means[c]) if c in means.index else -np.inf)


def _testers(asked: Question, found: Scores) -> Scores:
    """The replicates that had no part in choosing the level."""
    if _tuned(asked):
        return found
    odd = found.replicates % 2 == 1
    return Scores(found.values[odd], found.diverged[odd], found.replicates[odd])


def _levels(asked: Question) -> Sweep:
    assert isinstance(asked.hypothesis, InteriorOptimum)
    return sweep(asked.evidence.design, asked.hypothesis)


def statement(asked: Question) -> str:
    """Some level inside the range is better than both ends."""
    levels = _levels(asked)
    return (
        f"a {levels.factor} between {levels.labels[0]} and {levels.labels[-1]} has a better "
        f"{outcome_label(asked.outcome)} than both ends, by at least {delta_text(asked)}"
    )


def finding(asked: Question, found: Estimate) -> str:
    """The smaller of the two contrasts."""
    value, interval = interval_text(found)
    factor, best, end = _levels(asked).factor, found.extra["optimum"], found.extra["against"]
    if asked.scale.kind == "ratio":
        size = f"by {value}x in {asked.outcome.unit_label}"
    else:
        size = f"by {value.removeprefix('-')}{unit(asked, value)}"
    if found.value < 0:
        interval = interval.replace("interval", "interval for the gain")
    better = "better" if found.value >= 0 else "worse"
    return (
        f"{outcome_label(asked.outcome)} at {factor} {best} is {better} than "
        f"at {end}, the nearer of the two ends, {size}, {interval}, at least {delta_text(asked)} asked"
    )


INTERIOR_OPTIMUM = Kind(weigh, interior_optimum, statement, finding, held=False)
