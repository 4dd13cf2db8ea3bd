"""Build a study's report: verdict.json, report.html, report.pdf."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from harness.analysis.evidence import Evidence
from harness.files import write_bytes
from harness.reporting.content import build_document
from harness.reporting.document import Document, Figure, Table, blocks_of
from harness.reporting.html import to_html
from harness.reporting.pdf import to_pdf, to_png
from harness.words.verdict import StudyVerdict


class ReportPaths(NamedTuple):
    """Where the three files of a report lie."""

    json: Path
    html: Path
    pdf: Path


def build_report(evidence: Evidence, verdict: StudyVerdict, out_dir: Path) -> ReportPaths:
    """Write the report of a study into `out_dir`, each file whole or not at all.

    `verdict.json` reads back as a `StudyVerdict`; its `report` holds every table and what figures draw.
    """
    document = build_document(evidence, verdict)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(out_dir / "verdict.json", out_dir / "report.html", out_dir / "report.pdf")
    write_bytes(paths.json, verdict_json(verdict, document).encode())
    write_bytes(paths.html, to_html(document).encode())
    write_bytes(paths.pdf, to_pdf(document))
    return paths


def build_gallery(evidence: Evidence, verdict: StudyVerdict, folder: Path) -> list[Path]:
    """Write a report's PDF and a picture of its first page into `folder`, to be kept with the project."""
    document = build_document(evidence, verdict)
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"{verdict.study}.pdf": to_pdf(document), f"{verdict.study}.png": to_png(document)}
    for name, content in made.items():
        write_bytes(folder / name, content)
    return [folder / name for name in made]


def verdict_json(verdict: StudyVerdict, document: Document) -> str:
    """The verdict with the report's tables and the data behind its figures, as JSON.

    JSON has no NaN: such a number is written as the text "NaN" or "Infinity", which reads back.
    """
    tables = [
        {"caption": t.caption, "columns": [c.title for c in t.columns], "rows": [list(r) for r in t.rows]}
        for t in blocks_of(document, Table)
    ]
    figures = {f.name: {"caption": f.caption, "data": dict(f.data)} for f in blocks_of(document, Figure)}
    tree = verdict.model_dump(mode="json") | {"report": {"tables": tables, "figures": figures}}
    return json.dumps(_finite(tree), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
