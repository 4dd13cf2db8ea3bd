"""The results as one HTML page: the table, a figure of all ratios, and what they were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from harness.reporting.document import Column, Document, Facts, Figure, Paragraph, Section, Table
from harness.reporting.html import to_html
from harness.reporting.numbers import number
from harness.reporting.style import COLOURS, MUTED, WARNING, drawing, log_axis, new_figure, to_svg
from tests.benchmarks.comparison import PEERS, STACKED
from tests.benchmarks.session import Row

COLUMNS = (
    Column("case"),
    Column("what"),
    Column("median", numeric=True),
    Column("min to max", numeric=True),
    Column("n", numeric=True),
    Column("bar", numeric=True),
    Column("reached"),
)
METHOD = (
    "Every side runs in a fresh process, one side after the other within a round, and ratios are taken "
    "within a round; shown are the median over rounds and the least and largest value. Peers run an "
    "equal share of every arm and phase of the harness's own list of trials, and their time is scaled "
    "up to the whole list. Both sides evaluate on the validation split once an epoch and on the test "
    "split at the end; the harness also evaluates on training examples."
)


def cells(row: Row) -> tuple[str, ...]:
    """A result as text, in the order of COLUMNS."""
    met = "" if row.bar is None else "yes" if row.bar.met(row.median) else "no"
    spread = f"{number(min(row.values))} to {number(max(row.values))}"
    return (
        row.case,
        row.what,
        f"{number(row.median)} {row.unit}".rstrip(),
        spread,
        str(len(row.values)),
        "" if row.bar is None else str(row.bar),
        met,
    )


def write_page(path: Path, rows: Sequence[Row], notes: Sequence[str], machine: Mapping[str, Any]) -> None:
    """Write the page, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_html(document(rows, notes, machine)), encoding="utf-8")


def document(rows: Sequence[Row], notes: Sequence[str], machine: Mapping[str, Any]) -> Document:
    """The page's content."""
    table = Table("Medians over rounds, with their spread.", COLUMNS, tuple(cells(r) for r in rows))
    ratios = [r for r in rows if r.unit == "×" and "/" in r.what]
    facts = {**machine, "versions": ", ".join(f"{k} {v}" for k, v in machine["versions"].items())}
    sides = Facts(tuple((name, side.title) for name, side in {**PEERS, **STACKED}.items()))
    sections = (
        Section("results", "Results", (*([figure(ratios)] if ratios else []), table)),
        Section("method", "How it was measured", (Paragraph(METHOD), sides)),
        Section("notes", "Notes", tuple(Paragraph(n) for n in notes or ["None."])),
        Section("machine", "Machine", (Facts(tuple((k, str(v)) for k, v in facts.items())),)),
    )
    met = [r.bar.met(r.median) for r in rows if r.bar is not None]
    headline = f"{sum(met)} of {len(met)} bars met"
    missed = [f"{r.case}: {r.what}" for r in rows if r.bar is not None and not r.bar.met(r.median)]
    if missed:
        headline += f"; not reached: {'; '.join(missed)}"
    return Document("Benchmarks", f"{machine['processor']}, {machine['cores']} cores", headline, sections)


def figure(rows: Sequence[Row]) -> Figure:
    """One line a ratio: its median, its spread, and its bar; colours by case."""
    with drawing():
        drawn = new_figure(0.6 + 0.24 * len(rows))
        axis = drawn.subplots()
        for i, (_, group) in enumerate(groupby(rows, key=lambda r: r.case)):
            for row in group:
                _draw(axis, row, rows.index(row), COLOURS[i % len(COLOURS)])
        axis.axvline(1, color=MUTED, linewidth=0.8)
        axis.set_xscale("log")
        log_axis(axis.xaxis)
        axis.set_yticks(range(len(rows)), [f"{r.case}: {r.what}" for r in rows])
        axis.invert_yaxis()
        axis.set_xlabel("time of the peer over the harness's (logarithmic)")
        svg = to_svg(drawn)
    alt = "; ".join(f"{r.case}, {r.what}: {number(r.median)}" for r in rows)
    caption = "Dots are medians, lines the least and largest ratio, red ticks the bars to reach."
    return Figure("ratios", svg, alt, caption)


def _draw(axis: Any, row: Row, y: int, colour: str) -> None:
    axis.plot([min(row.values), max(row.values)], [y, y], color=colour, linewidth=1.6)
    axis.plot([row.median], [y], "o", color=colour, markersize=4.5)
    if row.bar is not None:
        axis.plot([row.bar.value], [y], "|", color=WARNING, markersize=9, markeredgewidth=1.6)
