"""Universal claims, setting by setting: the map of where they hold, and a row a setting."""

from __future__ import annotations

import pandas as pd

from harness.reporting.content.answer import MARKS, answer_text, effect_text
from harness.reporting.content.context import Context, capital, draw
from harness.reporting.document import Block, Column, Figure, Paragraph, Subheading, Table
from harness.reporting.numbers import MISSING, estimate, interval, p_value, setting
from harness.words.settings import factor_label, setting_label
from harness.words.verdict import Estimate, HypothesisVerdict, grades


def settings_section(context: Context) -> tuple[Block, ...]:
    """Every hypothesis that is judged at several settings: in words, as a map, as a table."""
    blocks: list[Block] = []
    for verdict in (h for h in context.verdict.hypotheses if h.settings):
        blocks += [
            Subheading(capital(verdict.statement)),
            Paragraph(f"{verdict.answer.value}: {verdict.holds_in}."),
            _map(verdict),
            _table(verdict),
        ]
    return tuple(blocks)


def _map(verdict: HypothesisVerdict) -> Figure:
    """Columns are the levels of the last factor, rows what the others make."""
    *others, last = verdict.settings[0].at
    cells = pd.DataFrame(
        {
            "row": " × ".join(s.at[f] for f in others),
            "column": s.at[last],
            "answer": s.answer.value,
            "text": _cell(s),
        }
        for s in verdict.settings
    )
    unit = next((s.estimate.unit for s in verdict.settings if s.estimate is not None), "")
    caption = (
        "Where the claim holds: each cell is a setting with its own answer, effect and 95 % interval"
        f"{f' ({unit})' if unit else ''}. The claim is refuted where one setting refutes it, by the "
        "interval that is right for as many looks, and supported only where all support it."
    )
    alt = f"Map of the answers by {' and '.join(map(factor_label, (*others, last)))}: {verdict.holds_in}."
    factors = (" × ".join(map(factor_label, others)), factor_label(last))
    return draw(f"settings-{verdict.index}", "settings_map", (alt, caption), cells, factors)


def _cell(verdict: HypothesisVerdict) -> str:
    """The answer with its mark; its grade; the effect and its interval."""
    failed = [g.name for g in verdict.gates if g.passed is False]
    why = f"{', '.join(failed)} failed" if failed else grades(verdict.grade, verdict.fragile)
    return "\n".join([f"{MARKS[verdict.answer][0]} {verdict.answer.value}", *_effect(verdict.estimate), why])


def _effect(found: Estimate | None) -> list[str]:
    if found is None:
        return [MISSING]
    ends = interval(found.shown_low, found.shown_high)
    text = estimate(found.shown_value, found.shown_low, found.shown_high)
    return [text.partition(" (")[0], f"({ends})"]


def _table(verdict: HypothesisVerdict) -> Table:
    """A row a setting."""
    titles = ("Setting", "Answer", "Effect (95 % interval)", "δ", "p", "Gates failed", "Why")
    rows = tuple(
        (
            setting_label(s.at).replace(" ", "\N{NO-BREAK SPACE}"),
            answer_text(s),
            effect_text(s.estimate),
            MISSING if s.shown_delta is None else setting(s.shown_delta),
            p_value(None if s.estimate is None else s.estimate.p_value),
            ", ".join(g.name for g in s.gates if g.passed is False) or "none",
            s.reason,
        )
        for s in verdict.settings
    )
    caption = (
        "Every setting by itself. p is the setting's own; the claim's is the largest of them, or 1 where a "
        "setting's effect lies on the other side."
    )
    return Table(caption, tuple(Column(t, t in ("δ", "p")) for t in titles), rows)
