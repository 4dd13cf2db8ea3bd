"""Hypotheses over the levels of a factor: every replicate by level, the means, what was tuned at each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.critical_level import likeliest_slope
from harness.analysis.kinds.base import described
from harness.analysis.kinds.trend import side_names
from harness.analysis.question import Question, question, scores
from harness.reporting.content.context import Case, Context, capital, draw, estimator, outcome_words
from harness.reporting.document import Block, Column, Table
from harness.reporting.figures.levels import Critical, LevelAxis, Optimum
from harness.reporting.numbers import MISSING, count, interval, number, setting
from harness.words.hypothesis import Dose, Interaction, InteriorOptimum, Threshold
from harness.words.named import Sweep, sweep
from harness.words.verdict import Estimate, HypothesisVerdict

CURVE_POINTS = 200
LIMITS = ["mean", "low", "high"]


def level_blocks(case: Case) -> Iterator[Block]:
    """Dose and interior optimum: a line a replicate; the points tuned at each level; the means in a table."""
    context, verdict, asked = case
    levels, columns = _levels(asked), question(context.evidence, asked.hypothesis).columns
    axis = _axis(asked, levels)
    means = _means(verdict.levels, axis.ratio)
    optimum = _optimum(verdict, levels)
    outcome = outcome_words(asked.outcome)
    caption = (
        f"{capital(outcome)} over {levels.factor}: a faint line a replicate, points the "
        f"{'geometric ' if axis.ratio else ''}means with their 95 % intervals."
    )
    if optimum is None:
        caption += f" The dashed line is the least-squares fit; {_change(verdict)}."
    else:
        caption += (
            " The ring is the inner level, chosen without looking at the runs that test it; arrows show its "
            "contrasts with the two ends, of which the smaller is the estimate."
            f"{_reach(optimum.x, levels)}"
        )
    runs = _runs(asked, columns, levels)
    if runs["lost"].any():
        caption += " A cross is a run that diverged or missed the target, at the value that stands in for it."
    alt = f"{outcome} against {levels.factor}, means with intervals and a line a replicate."
    name = f"levels-{context.key(verdict)}"
    yield draw(name, "level_lines", (alt, caption), runs, means, axis, optimum)
    if not _shown_before(context, verdict, columns):
        yield from _isolation(context, verdict, columns, levels)
    yield _table(context, verdict, columns, levels)


def interaction_blocks(case: Case) -> Iterator[Block]:
    """Both sides by level, and the difference of the two."""
    context, verdict, asked = case
    levels = _levels(asked)
    axis = _axis(asked, levels)
    found = scores(asked)
    a, b = np.split(found.values, 2, axis=1)
    names = side_names(asked)
    worse = asked.outcome.function != "probe" and asked.direction == "lower"
    difference = b - a if worse else a - b
    parts = {names[0]: a, names[1]: b, "": difference}
    runs = pd.concat(
        [_side_runs(side, part, found.replicates, levels, axis.ratio) for side, part in parts.items()]
    )
    means = pd.concat([_side_means(asked, side, part, levels, axis.ratio) for side, part in parts.items()])
    upper, lower = names[::-1] if worse else names
    label = f"{upper} ÷ {lower}" if axis.ratio else f"{upper} − {lower}"
    outcome = outcome_words(asked.outcome)
    probe = asked.outcome.function == "probe"
    sense = "is 0 at the solid line" if probe else f"favours {names[0]} above the solid line"
    caption = (
        f"Left: {outcome} of {names[0]} and of {names[1]} over {levels.factor}, means with their 95 % "
        "intervals, a faint line a replicate. Right: the two compared in the same replicates, "
        f"{label}, which {sense}; the dashed line is the least-squares fit; {_change(verdict)}."
    )
    alt = f"{outcome} of {names[0]} and {names[1]} against {levels.factor}, and their difference."
    styles = context.styles_of(names)
    name = f"levels-{context.key(verdict)}"
    yield draw(name, "arms_by_level", (alt, caption), runs.reset_index(drop=True), means, styles, axis, label)
    yield _table(context, verdict, (), levels, f"Advantage of {names[0]} over {names[1]} by {levels.factor}.")


def _change(verdict: HypothesisVerdict) -> str:
    """What the estimate of a trend is."""
    if verdict.estimate is None or estimator(verdict.estimate) != "Hodges–Lehmann estimate":
        return "the estimate is its change from end to end"
    return "the estimate is the Hodges–Lehmann one of the changes from end to end, replicate by replicate"


def threshold_blocks(case: Case) -> Iterator[Block]:
    """Rates by level with the logistic curve; counts in a table."""
    _, verdict, asked = case
    levels = _levels(asked)
    hypothesis, found = asked.hypothesis, verdict.estimate
    assert isinstance(hypothesis, Threshold)
    axis = _axis(asked, levels)._replace(
        ratio=False, outcome=f"share of runs: {outcome_words(asked.outcome)}"
    )
    bound = hypothesis.above if hypothesis.below is None else hypothesis.below
    critical = Critical(math.nan, math.nan, math.nan, bound)
    curve = pd.DataFrame({"x": [], "rate": []})
    if found is not None:
        critical = Critical(found.shown_value, found.shown_low, found.shown_high, bound)
        curve = _logistic(verdict.levels, levels, found)
    rates = pd.DataFrame(verdict.levels)
    rates = pd.DataFrame({"x": rates["value"], **{k: rates[k] for k in LIMITS}})
    claimed = "" if bound is None else f" Dotted: the bound claimed, {setting(bound)}."
    caption = (
        f"The share of runs at each {levels.factor} with its 95 % interval (Clopper–Pearson), and the "
        "likeliest logistic curve. The line marks the level at which it crosses one half, the tinted part "
        f"the 95 % interval of that level (profile likelihood).{claimed}"
    )
    alt = f"{capital(outcome_words(asked.outcome))} against {levels.factor}, with a logistic curve."
    yield draw(
        f"levels-{case.context.key(verdict)}", "event_rates", (alt, caption), rates, curve, axis, critical
    )
    titles = ("Level", "Runs", "Events", "Share", "95 % interval")
    rows = tuple(_rate_row(row) for row in verdict.levels)
    yield Table(f"{capital(outcome_words(asked.outcome))} by {levels.factor}.", _columns(titles), rows)


def _rate_row(row: dict[str, Any]) -> tuple[str, ...]:
    share, low, high = (100 * row[k] for k in LIMITS)
    level = _level_text(row["level"], row["value"])
    return level, count(row["n"]), count(row["events"]), f"{number(share)} %", f"{interval(low, high)} %"


def _levels(asked: Question) -> Sweep:
    assert isinstance(asked.hypothesis, (Dose, InteriorOptimum, Interaction, Threshold))
    return sweep(asked.evidence.design, asked.hypothesis)


def _axis(asked: Question, levels: Sweep) -> LevelAxis:
    log, ratio = min(levels.values) > 0, asked.scale.kind == "ratio"
    labels = tuple(_level_text(t, v) for t, v in zip(levels.labels, levels.values, strict=True))
    return LevelAxis(levels.factor, labels, levels.values, outcome_words(asked.outcome), log, ratio)


def _level_text(label: str, value: float) -> str:
    """A level's label; a number as numbers are printed."""
    try:
        return setting(value) if float(label) == value else label
    except ValueError:
        return label


def _means(rows: Sequence[dict[str, Any]], ratio: bool) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    limits = frame[LIMITS].astype(float)
    if ratio:
        limits = limits.apply(np.exp)
    return limits.assign(x=frame["value"].astype(float))


def _runs(asked: Question, columns: Sequence[str], levels: Sweep) -> pd.DataFrame:
    places = dict(zip(columns, levels.values, strict=True))
    table = asked.table[asked.table["arm"].isin(columns)].dropna(subset=["value"])
    return pd.DataFrame(
        {
            "replicate": table["replicate"],
            "x": table["arm"].map(places).astype(float),
            "value": table["value"].astype(float),
            "lost": table["censored"].astype(bool) | table["diverged"].astype(bool),
        }
    ).reset_index(drop=True)


def _side_runs(side: str, values: Any, replicates: Any, levels: Sweep, ratio: bool) -> pd.DataFrame:
    """`values` (n, k) as one row a run."""
    shown = np.exp(values) if ratio else values
    n, k = shown.shape
    return pd.DataFrame(
        {
            "side": side,
            "replicate": np.repeat(replicates, k),
            "x": np.tile(levels.values, n),
            "value": shown.ravel(),
        }
    )


def _side_means(asked: Question, side: str, values: Any, levels: Sweep, ratio: bool) -> pd.DataFrame:
    rows = [{"value": x, **described(asked, values[:, i])} for i, x in enumerate(levels.values)]
    return _means(rows, ratio).assign(side=side)


def _optimum(verdict: HypothesisVerdict, levels: Sweep) -> Optimum | None:
    """Which level was ringed, and the contrasts in words; None for a dose, or without an estimate."""
    found = verdict.estimate
    if found is None or "optimum" not in found.extra:
        return None
    best = levels.values[levels.labels.index(str(found.extra["optimum"]))]
    low, high = (_contrast(found, found.extra[f"over_the_{end}_end"]) for end in ("low", "high"))
    return Optimum(best, low, high)


def _reach(best: float, levels: Sweep) -> str:
    """How far the levels go to either side of the ringed one, as ratios."""
    if min(levels.values) <= 0:
        return ""
    below, above = best / levels.values[0], levels.values[-1] / best
    return f" The levels reach from 1/{number(below)} of it to {number(above)} times it."


def _contrast(found: Estimate, value: Any) -> str:
    if found.unit.startswith("ratio"):
        return f"{number(value)}×"
    unit = "%" if found.unit.startswith("%") else "points" if found.unit == "percentage points" else ""
    return f"{'+' if value > 0 else ''}{number(value, 2)} {unit}".strip()


def _logistic(rows: Sequence[dict[str, Any]], levels: Sweep, found: Estimate) -> pd.DataFrame:
    events, runs = (np.array([row[key] for row in rows], dtype=float) for key in ("events", "n"))
    positions = np.log(levels.values)
    critical = math.log(found.shown_value)
    slope = likeliest_slope(positions, events, runs, critical)
    x = np.linspace(positions[0], positions[-1], CURVE_POINTS)
    return pd.DataFrame(
        {"x": np.exp(x), "rate": 1 / (1 + np.exp(-np.clip(slope * (x - critical), -500, 500)))}
    )


def _shown_before(context: Context, verdict: HypothesisVerdict, columns: Sequence[str]) -> bool:
    """Whether an earlier hypothesis goes over the same levels, and has shown how they were tuned."""
    others = itertools.takewhile(lambda h: h is not verdict, context.questions)
    hypotheses = [context.hypothesis(h) for h in others]
    return any(
        question(context.evidence, h).columns == columns
        for h in hypotheses
        if isinstance(h, (Dose, InteriorOptimum))
    )


def _isolation(
    context: Context, verdict: HypothesisVerdict, columns: Sequence[str], levels: Sweep
) -> Iterator[Block]:
    """Where other settings are tuned at each level: the tuning points and the one chosen."""
    choices = [context.evidence.choices.get(c) for c in columns]
    if any(c is None or len(c.points) < 2 for c in choices):
        return
    rows = [
        (x, p.score if p.score is not None else math.nan, p.score is None, i == choice.chosen)
        for x, choice in zip(levels.values, choices, strict=True)
        if choice is not None
        for i, p in enumerate(choice.points)
    ]
    frame = pd.DataFrame(rows, columns=["x", "score", "diverged", "chosen"])
    score = outcome_words(choices[0].outcome) if choices[0] else ""
    labels = tuple(_level_text(t, v) for t, v in zip(levels.labels, levels.values, strict=True))
    axis = LevelAxis(levels.factor, labels, levels.values, f"tuning: {score}", min(levels.values) > 0)
    caption = (
        f"Isolation plot: every tuning point at its {levels.factor} (grey), the chosen ones joined. Levels "
        "are compared at their own best settings; × at the foot marks points where a run diverged."
    )
    alt = f"{score} of every tuning point against {levels.factor}, the chosen ones joined."
    yield draw(f"isolation-{context.key(verdict)}", "isolation", (alt, caption), frame, axis)


def _table(
    context: Context, verdict: HypothesisVerdict, columns: Sequence[str], levels: Sweep, caption: str = ""
) -> Table:
    """Means by level; the settings tuned at each, where there are any."""
    ratio = verdict.estimate is not None and verdict.estimate.unit.startswith("ratio")
    tuned = [context.evidence.choices[c].params if c in context.evidence.choices else {} for c in columns]
    titles = [levels.factor, "Replicates", "Geometric mean" if ratio else "Mean", "95 % interval"]
    titles += ["Tuned settings"] if any(tuned) else []
    rows = []
    for place, row in enumerate(verdict.levels):
        mean, low, high = (None if row[k] is None else math.exp(row[k]) if ratio else row[k] for k in LIMITS)
        ends = MISSING if low is None or high is None else interval(low, high)
        cells = [_level_text(row["level"], row["value"]), count(row["n"]), number(mean, 4), ends]
        if any(tuned):
            cells.append(", ".join(f"{k} {setting(v)}" for k, v in tuned[place].items()) or MISSING)
        rows.append(tuple(cells))
    named = caption or f"{capital(outcome_words(context.hypothesis(verdict).outcome))} by {levels.factor}."
    return Table(named, _columns(titles), tuple(rows))


def _columns(titles: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(t, i > 0 and t != "Tuned settings") for i, t in enumerate(titles))
