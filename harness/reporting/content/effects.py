"""Effects of all hypotheses side by side, and the replicates behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from harness.reporting.content.answer import PAIRED, effect_text
from harness.reporting.content.context import Context, draw, estimator, further, outcome_words, pages
from harness.reporting.document import Block, Column, Figure, Table
from harness.reporting.figures.replicates import Effect
from harness.reporting.frames import outcome_frame
from harness.reporting.numbers import count, estimate, number, p_value
from harness.words.outcome import Outcome
from harness.words.settings import setting_label
from harness.words.verdict import Estimate, HypothesisVerdict

LABEL_LENGTH = 95  # characters of a row's label in the forest plot
MOST_PARTS = 12  # comparisons of one hypothesis in the forest plot
MOST_STRIPS = 30  # arms on a page: as many fill it
COUNTED_ONLY = ("success", "diverged")  # outcomes that a strip plot says nothing of
STRIPS = 3  # outcomes shown replicate by replicate


def effects_section(context: Context) -> tuple[Block, ...]:
    """The forest plot of every hypothesis, and of every comparison inside one."""
    rows = [row for h in context.verdict.hypotheses for row in _forest_rows(context, h)]
    if not rows:
        return ()
    caption = (
        "Each row is an effect with its 95 % interval, divided by the smallest effect that matters (δ), "
        "so that all share one axis: right of 0 favours the claim, and only an effect beyond the dashed "
        "line at 1 is large enough to matter. Circle: supported; square: refuted; diamond: inconclusive; "
        "thin rows are the single comparisons, or the settings, of the hypothesis above them."
    )
    if any(r["from"] is not None for r in rows):
        caption += (
            " Where a row is tinted, the claim is not that the effect is large: its interval must lie in "
            "the tinted part."
        )
    if any(len(h.comparisons) > MOST_PARTS for h in context.questions):
        caption += f" Of many comparisons the first {MOST_PARTS} are drawn; the table below has all."
    alt = "Forest plot. " + "; ".join(f"{r['label']}: {r['shown']}" for r in rows)
    figure = draw("effects-forest", "forest", (alt, caption), pd.DataFrame(rows))
    return (figure, *(_comparison_table(h) for h in context.questions if _on_one_task(h)))


def replicates_section(context: Context) -> tuple[Block, ...]:
    """Paired plots of the hypotheses that compare two arms, and a strip plot for each outcome."""
    figures: list[Block] = []
    for verdict in context.questions:
        figure = _paired(context, verdict)
        figures += [figure] if figure else []
    for place, outcome in enumerate(_outcomes(context)[:STRIPS]):
        figures += _strips(context, outcome, place)
    return tuple(figures)


def _forest_rows(context: Context, verdict: HypothesisVerdict) -> list[dict[str, Any]]:
    rows = []
    found, delta = verdict.estimate, verdict.delta
    if not delta:
        return []
    if found is not None and math.isfinite(found.value):
        row = _row(verdict.statement, effect_text(found), verdict.answer.value, _scaled(found, delta))
        rows.append(row | dict(zip(("from", "to"), _tint(context, verdict), strict=True)))
    for at in verdict.settings:
        if at.estimate is not None and at.delta:
            ends = _scaled(at.estimate, at.delta)
            rows.append(_row(setting_label(at.at), effect_text(at.estimate), "", ends))
    for part in verdict.comparisons[:MOST_PARTS]:
        ends = [float(part[k]) / delta for k in ("difference", "low", "high")]
        rows.append(
            _row(f"{part['arm']} against {part['against']}", _comparison_text(verdict, part), "", ends)
        )
    return rows


def _tint(context: Context, verdict: HypothesisVerdict) -> tuple[float | None, float | None]:
    """Where the interval must lie, in multiples of delta, for claims other than that of a large effect."""
    if verdict.kind == "at_least" and verdict.delta:
        return float(getattr(context.hypothesis(verdict), "x", 0.0)) / verdict.delta, math.inf
    return {"equivalence": (-1.0, 1.0), "non_inferiority": (-1.0, math.inf)}.get(verdict.kind, (None, None))


def _on_one_task(verdict: HypothesisVerdict) -> bool:
    """Whether its comparisons are of replicates; those over tasks stand with their ranks."""
    return any("p_wilcoxon" not in part for part in verdict.comparisons)


def _comparison_table(verdict: HypothesisVerdict) -> Table:
    """Every arm of a `best_of` against the best other one."""
    overlap = any("p_holm" in part for part in verdict.comparisons)
    test = "Holm" if overlap else "max-T"
    how = "t tests for repeated splits, corrected by Holm" if overlap else "max-T sign-flip test"
    titles = ("Arm", "Against", "Mean", "Difference (95 % interval)", f"p, {test}", "Mean rank")
    unit = f", in {verdict.estimate.unit}" if verdict.estimate is not None else ""
    caption = (
        f"{verdict.statement}: each arm against the best of the others{unit}, best first. The p-values "
        f"hold for all arms together ({how})."
    )
    rows = tuple(
        (
            str(part["arm"]),
            str(part["against"]),
            number(part.get("mean"), 4),
            _comparison_text(verdict, part),
            p_value(part["p_holm" if overlap else "p_max_t"]),
            number(part.get("mean_rank")),
        )
        for part in verdict.comparisons
    )
    return Table(caption, tuple(Column(t, i > 1) for i, t in enumerate(titles)), rows)


def _comparison_text(verdict: HypothesisVerdict, part: Mapping[str, Any]) -> str:
    """A comparison on the scale of the hypothesis's shown effect, which is a multiple of its own."""
    factor = (verdict.shown_delta or 1.0) / (verdict.delta or 1.0)
    return estimate(*(factor * float(part[k]) for k in ("difference", "low", "high")))


def _scaled(found: Estimate, delta: float) -> list[float]:
    return [found.value / delta, found.low / delta, found.high / delta]


def _row(label: str, shown: str, answer: str, ends: list[float]) -> dict[str, Any]:
    short = label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"
    value, low, high = ends
    row = {"label": short, "shown": shown, "answer": answer, "value": value, "low": low, "high": high}
    return row | {"from": None, "to": None}


def _paired(context: Context, verdict: HypothesisVerdict) -> Figure | None:
    asked, found = context.question(verdict), verdict.estimate
    over_tasks = getattr(context.hypothesis(verdict), "across", None) is not None
    if verdict.kind not in PAIRED or over_tasks or asked is None or found is None:
        return None
    a, b = asked.subject, asked.reference
    faster, higher = verdict.kind == "faster", asked.direction == "higher"
    pairs = _pairs(asked.table, a, b, faster, 1.0 if higher else -1.0)
    if pairs.empty:
        return None
    label = outcome_words(asked.outcome)
    compared = asked.outcome.unit_label if faster else None
    effect = _effect(verdict, found, faster, f"{_difference_label(a, b, compared, higher)}\n{label}")
    words = _paired_words(label, (a, b), pairs["lost"], effect.estimator)
    styles = context.styles_of((a, b))
    return draw(f"replicates-{context.key(verdict)}", "paired", words, pairs, (a, b), styles, effect)


def _pairs(frame: pd.DataFrame, a: str, b: str, faster: bool, sign: float) -> pd.DataFrame:
    wide = frame.assign(lost=frame["censored"].astype(bool) | frame["diverged"].astype(bool))
    sides = [wide[wide["arm"] == arm].set_index("replicate")[["value", "lost"]] for arm in (a, b)]
    joined = sides[0].add_suffix("_a").join(sides[1].add_suffix("_b"), how="inner")
    joined = joined.dropna(subset=["value_a", "value_b"])
    first, second = joined["value_a"].astype(float), joined["value_b"].astype(float)
    return pd.DataFrame(
        {
            "a": first,
            "b": second,
            "difference": second / first if faster else sign * (first - second),
            "lost": joined["lost_a"] | joined["lost_b"],
        }
    ).reset_index()


def _effect(verdict: HypothesisVerdict, found: Estimate, faster: bool, label: str) -> Effect:
    delta = verdict.delta
    if faster:
        band = None if delta is None else (math.exp(-delta), math.exp(delta))
        value, low, high = (math.exp(v) for v in (found.value, found.low, found.high))
        return Effect(value, low, high, band, 1.0, label, log=True, estimator=estimator(found))
    band = None if delta is None else (-delta, delta)
    return Effect(found.value, found.low, found.high, band, 0.0, label, False, estimator(found))


def _difference_label(a: str, b: str, divided: str | None, higher: bool) -> str:
    """What an effect is: a quotient of times in the unit `divided`, else a difference."""
    if divided:
        return f"{divided} of {b} ÷ {divided} of {a}"
    return f"{a} − {b}" if higher else f"{b} − {a}"


def _paired_words(
    label: str, sides: tuple[str, str], lost_pairs: pd.Series[bool], named: str
) -> tuple[str, str]:
    (a, b), pairs, lost = sides, len(lost_pairs), int(lost_pairs.sum())
    alt = (
        f"Slope plot of {label} in {count(pairs)} replicates, {b} against {a}, and the differences with "
        f"the interval of their {named}."
    )
    caption = (
        f"Left: {label} in each of {count(pairs)} replicates; a line joins the runs of {b} and {a} that "
        "shared data and seeds. Right: the same pairs as single effects, smallest to largest, and their "
        f"{named} with its 95 % interval; above the solid line favours {a}, and effects inside the grey "
        "band are too small to matter."
    )
    note = f" In {lost} pairs (dotted, ×) a run diverged or did not reach the target." if lost else ""
    return alt, caption + note


def _outcomes(context: Context) -> list[Outcome]:
    listed = [getattr(context.hypothesis(h), "outcome", None) for h in context.verdict.hypotheses]
    unique: Mapping[str, Outcome] = {str(o): o for o in listed if isinstance(o, Outcome)}
    return [o for o in unique.values() if o.function not in COUNTED_ONLY]


def _strips(context: Context, outcome: Outcome, place: int) -> list[Figure]:
    frame = outcome_frame(context.evidence, outcome)
    frame = frame.assign(imputed=frame["censored"].astype(bool) | frame["diverged"].astype(bool))
    frame = frame.dropna(subset=["value"])
    frame = frame.astype({"value": float})
    means = frame.groupby("arm", sort=False)["value"].agg(["mean", "sem", "count"]).reset_index()
    half = means["sem"] * _t_quantile(means["count"])
    means = means.assign(low=means["mean"] - half, high=means["mean"] + half)
    label = outcome_words(outcome)
    alt = f"Strip plot of {label} for every replicate of each arm, with means."
    caption = (
        f"Every judged run: {label}, a dot a replicate; the bar below is the arm's mean with its own 95 % "
        "interval. Arms are compared pair by pair, so two bars that overlap can still differ."
    )
    if frame["imputed"].any():
        caption += " A cross is a run that diverged or missed the target, at the value that stands in for it."
    measured = set(frame["arm"])
    figures = []
    parts = pages([a for a in context.styles if a in measured], MOST_STRIPS)
    for page, arms in enumerate(parts):
        words = (alt, caption if page == 0 else further(parts, page))
        name = f"outcome-{place}{f'-{page + 1}' if page else ''}"
        drawn = (table[table["arm"].isin(arms)] for table in (frame, means))
        figures.append(draw(name, "strip", words, *drawn, context.styles_of(arms), label))
    return figures


def _t_quantile(counts: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """Two-sided .95 quantile of Student's t, NaN below two values."""
    return np.asarray(stats.t.ppf(0.975, np.where(counts > 1, counts - 1, math.nan)))
