"""The page of all claims: reports/index.html and reports/ledger.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.analysis.ledger import Entry, Ledger
from harness.files import write_bytes
from harness.reporting.content.answer import MARKS, effect_text
from harness.reporting.html import cleaned, render
from harness.reporting.numbers import MISSING, duration, p_value
from harness.words.verdict import Answer, graded

COLUMNS = ("study", "answer", "effect (95 % interval)", "p, corrected", "scope", "cost", "date")


def build_ledger(ledger: Ledger, reports: Path) -> tuple[Path, Path]:
    """Write the ledger's page and its JSON into the folder of the reports, each whole or not at all."""
    reports.mkdir(parents=True, exist_ok=True)
    page, tree = reports / "index.html", reports / "ledger.json"
    write_bytes(page, to_page(ledger, reports).encode())
    write_bytes(tree, (ledger_json(ledger) + "\n").encode())
    return page, tree


def ledger_json(ledger: Ledger) -> str:
    """The whole ledger as JSON, which has no NaN: such a number becomes null."""
    return ledger.model_dump_json(indent=1)


def to_page(ledger: Ledger, reports: Path) -> str:
    """The page; it links to the reports that lie in the folder."""
    page = {
        "columns": list(COLUMNS[1:]),
        "summary": summary(ledger),
        "correction": correction(ledger),
        "failed": [f"{c.title or c.study}: {_came_to(c)}" for c in ledger.failed_controls],
        "controls": [_item(e, reports) for e in ledger.controls],
        "claims": [_item(e, reports) for e in ledger.claims],
    }
    return render("ledger.html.j2", page=cleaned(page))


def summary(ledger: Ledger) -> str:
    """How many claims there are, and what became of them."""
    answers = [e.answer for e in ledger.claims if e.answer is not None]
    parts = [f"{answers.count(a)} {a.value}" for a in Answer if a in answers]
    n, open_ones = len(ledger.claims), len(ledger.claims) - len(answers)
    parts += [f"{open_ones} without a verdict"] if open_ones else []
    return f"{n} claim{'' if n == 1 else 's'}" + (f": {', '.join(parts)}" if parts else "")


def correction(ledger: Ledger) -> str:
    """What the corrected p values mean, in a sentence."""
    if not ledger.tests:
        return "No claim has been tested yet."
    return (
        f"p is corrected for all {ledger.tests} tested claims (Benjamini and Hochberg): of those whose "
        f"p is at most {ledger.level:g}, at most {100 * ledger.level:g} % are expected to be chance."
    )


def cells(entry: Entry) -> list[str]:
    """What the table says of a study, beside its name."""
    return [
        _answer(entry),
        effect_text(entry.estimate),
        p_value(entry.p_adjusted),
        entry.scope or MISSING,
        MISSING if entry.minutes is None else duration(60 * entry.minutes),
        entry.date or MISSING,
    ]


def remarks(entry: Entry) -> list[str]:
    """What stands below a study's row: against the notes, a control that fails, what has changed since."""
    failed = [f"THE CONTROL FAILS: {_came_to(entry)}"] if entry.holds is False else []
    return [*failed, *(text for text in (entry.notes, entry.note) if text)]


def _came_to(entry: Entry) -> str:
    return f"{entry.statement}: {entry.reason}" if entry.answer is not None else entry.state


def _answer(entry: Entry) -> str:
    told = "" if entry.holds is None else " · holds" if entry.holds else " · FAILS"
    answer = graded(entry.answer, entry.grade, entry.fragile) if entry.answer else entry.state
    return f"{answer}{told}"


def _item(entry: Entry, reports: Path) -> dict[str, Any]:
    report = Path(entry.study) / "report.html"
    mark, tone = MARKS[entry.answer] if entry.answer else ("", "note")
    return {
        "study": entry.study,
        "title": entry.title or entry.study,
        "says": entry.says,
        "source": entry.source,
        "mark": mark,
        "tone": "warning" if entry.holds is False else tone,
        "cells": cells(entry),
        "remarks": remarks(entry),
        "link": str(report) if (reports / report).is_file() else "",
    }
