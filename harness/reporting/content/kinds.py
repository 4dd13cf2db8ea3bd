"""What the answer to a hypothesis rests on, by its kind: one function a kind, in one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from harness.analysis.events import clopper_pearson
from harness.analysis.outcome_table import arm_values, pairs
from harness.analysis.question import Question
from harness.reporting.content.context import Case, Context, capital, draw, estimator, outcome_words
from harness.reporting.content.levels import interaction_blocks, level_blocks, threshold_blocks
from harness.reporting.content.tasks import task_blocks
from harness.reporting.document import Block, Column, Paragraph, Subheading, Table
from harness.reporting.numbers import count, interval, number, setting
from harness.words.hypothesis import AtLeast, Mechanism

Blocks = Iterator[Block]
MOST_ROWS = 24  # arms of one mechanism in a figure


def kinds_section(context: Context) -> tuple[Block, ...]:
    """Every hypothesis whose kind has a figure or a table of its own, the primary one first."""
    blocks: list[Block] = []
    ordered = [h for h in (context.primary, *context.secondary) if h is not None]
    for verdict in [part for h in ordered for part in h.settings or [h]]:
        asked = context.question(verdict)
        blocks_of = KINDS.get(verdict.kind)
        shown = list(blocks_of(Case(context, verdict, asked))) if blocks_of and asked else []
        blocks += [Subheading(capital(verdict.statement)), *shown] if shown else []
    none = "The hypotheses compare arms pair by pair: every pair is shown under “Every replicate”."
    return tuple(blocks) or (Paragraph(none),)


def _pair(case: Case) -> Blocks:
    """Equivalence, non-inferiority, at least: the difference against what it was claimed to be."""
    verdict, asked, found = case.verdict, case.asked, case.verdict.estimate
    if found is None:
        return
    both = pairs(asked.table, asked.subject, asked.reference)
    label = f"{asked.subject} against {asked.reference}"
    claimed = tuple(None if end is None else asked.scale.show(end) for end in _claimed(asked))
    narrow = [found.extra.get(key) for key in ("low_90", "high_90")]
    row = {"label": label, "value": found.shown_value, "low": found.shown_low, "high": found.shown_high}
    row |= dict(zip(("low_90", "high_90"), (math.nan if x is None else x for x in narrow), strict=True))
    runs = pd.DataFrame({"label": label, "value": map(asked.scale.show, both.oriented(asked.direction))})
    outcome = outcome_words(asked.outcome)
    caption = (
        f"The difference in {outcome}, above 0 where {asked.subject} is better: a dot a pair, the "
        f"{estimator(found)} with its 95 % interval{' (thick: 90 %)' if claimed[1] is not None else ''}. "
        f"The claim is that it lies in the tinted part, {_range(claimed)}."
    )
    alt = f"Difference in {outcome} of {label} with its interval, against {_range(claimed)}."
    axis = f"difference in {outcome}" + (f", {found.unit}" if found.unit else "")
    name, means = f"bounds-{case.context.key(verdict)}", pd.DataFrame([row])
    yield draw(name, "against_bounds", (alt, caption), means, runs, claimed, axis)


def _claimed(asked: Question) -> tuple[float | None, float | None]:
    """The ends of the differences claimed, on the estimate's own scale."""
    if isinstance(asked.hypothesis, AtLeast):
        return asked.hypothesis.x, None
    return -asked.margin, asked.margin if asked.hypothesis.kind == "equivalence" else None


def _range(claimed: Sequence[float | None]) -> str:
    low, high = claimed
    if low is None:
        return f"below {setting(high)}"
    return f"above {setting(low)}" if high is None else f"from {setting(low)} to {setting(high)}"


def _mechanism(case: Case) -> Blocks:
    """Every arm's mean against the threshold."""
    verdict, asked, found = case.verdict, case.asked, case.verdict.estimate
    hypothesis = asked.hypothesis
    assert isinstance(hypothesis, Mechanism)
    if found is None:
        return
    times = 100.0 if asked.scale.kind == "points" else 1.0
    arms = asked.columns[:MOST_ROWS]
    ends = (found.shown_value, found.shown_low, found.shown_high)
    means = {
        r["level"]: [math.nan if r[k] is None else times * r[k] for k in ("mean", "low", "high")]
        for r in verdict.levels
    }
    rows = pd.DataFrame([(a, *means.get(a, ends)) for a in arms], columns=["label", "value", "low", "high"])
    runs = pd.DataFrame(
        [(a, times * v) for a in arms for v in arm_values(asked.table, a)], columns=["label", "value"]
    )
    claimed = tuple(None if end is None else times * end for end in (hypothesis.above, hypothesis.below))
    outcome = outcome_words(asked.outcome)
    drawn = "mean" if means else estimator(found)  # of one arm alone the estimate itself
    which = f"every {drawn}" if len(asked.columns) > 1 else f"the {drawn}"
    caption = (
        f"{capital(outcome)} of every judged run, a dot a replicate, and each arm's {drawn} with its "
        f"95 % interval. The claim is that {which} lies in the tinted part, {_range(claimed)}."
    )
    if len(asked.columns) > len(arms):
        caption += f" The first {count(len(arms))} of {count(len(asked.columns))} arms are shown."
    alt = f"{outcome} of {', '.join(arms)} with intervals, against {_range(claimed)}."
    rows = rows.assign(low_90=math.nan, high_90=math.nan)
    axis = f"{outcome}, {found.unit}" if found.unit else outcome
    name = f"bounds-{case.context.key(verdict)}"
    yield draw(name, "against_bounds", (alt, caption), rows, runs, claimed, axis)


def _impossibility(case: Case) -> Blocks:
    """How many runs of every arm succeeded, and the certificate in words."""
    asked, found = case.asked, case.verdict.estimate
    if found is None:
        return
    rows = []
    for arm in asked.columns:
        values = arm_values(asked.table, arm)
        low, high = clopper_pearson(int(values.sum()), len(values))
        ends = f"{interval(100 * low, 100 * high)} %"
        rows.append((arm, count(len(values)), count(int(values.sum())), ends))
    titles = ("Arm", "Runs", "Succeeded", "Chance of success (95 %, Clopper–Pearson)")
    caption = "Runs that succeeded. A count alone bounds the chance of success; the certificate rules it out."
    yield Table(caption, tuple(Column(t, i > 0) for i, t in enumerate(titles)), tuple(rows))
    certificate = str(found.extra["certificate"])
    yield Paragraph(f"Certificate: {capital(certificate)}.")


def _identity(case: Case) -> Blocks:
    """The largest error against the tolerance."""
    asked, found = case.asked, case.verdict.estimate
    if found is None:
        return
    tolerance = float(str(found.extra["tolerance"]))
    orders = math.log10(found.value / tolerance) if found.value > 0 else -math.inf
    apart = (
        f"{number(abs(orders), 2)} {'above' if orders > 0 else 'below'}"
        if np.isfinite(orders)
        else "no error"
    )
    titles = ("Compared", "Random cases", "Smallest error", "Largest error", "Tolerance", "Powers of ten")
    row = (
        outcome_words(asked.outcome),
        count(found.n),
        number(found.low),
        number(found.high),
        number(tolerance),
        apart,
    )
    caption = (
        "Differences between two ways to compute the same thing, relative to its size, and how many "
        "powers of ten the largest lies above or below the tolerance."
    )
    yield Table(caption, tuple(Column(t, i > 0) for i, t in enumerate(titles)), (row,))


KINDS: dict[str, Callable[[Case], Blocks]] = {
    "equivalence": _pair,
    "non_inferiority": _pair,
    "at_least": _pair,
    "best_of": task_blocks,
    "dose": level_blocks,
    "interior_optimum": level_blocks,
    "interaction": interaction_blocks,
    "threshold": threshold_blocks,
    "mechanism": _mechanism,
    "impossibility": _impossibility,
    "identity": _identity,
}
