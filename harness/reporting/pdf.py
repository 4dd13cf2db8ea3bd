"""The document as a PDF, by typst: the same bytes for the same document."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

from harness.reporting.document import Document, plain
from harness.reporting.glyphs import FONT_FOLDER, drawable

PNG_PPI = 90.0  # pixels an inch of a page's picture


def to_pdf(document: Document) -> bytes:
    """The report on A4. Characters that the font lacks are printed as their code points."""
    compiled = _compiled(document)
    assert isinstance(compiled, bytes)
    return compiled


def to_png(document: Document, page: int = 1) -> bytes:
    """A page of the report, counted from 1, as a picture."""
    pages = _compiled(document, format="png", ppi=PNG_PPI)
    return bytes(pages[page - 1]) if isinstance(pages, list) else bytes(pages)


def _compiled(document: Document, **options: Any) -> bytes | list[bytes]:
    template = files("harness.reporting").joinpath("templates", "report.typ").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "report.typ").write_text(template, encoding="utf-8")
        data = json.dumps(_drawable(plain(document)), ensure_ascii=False)
        (root / "data.json").write_text(data, encoding="utf-8")
        compiled: bytes | list[bytes] = typst.compile(
            root / "report.typ",
            root=root,
            font_paths=[FONT_FOLDER],
            ignore_system_fonts=True,
            timestamp=0,
            **options,
        )
    return compiled


def _drawable(value: Any) -> Any:
    if isinstance(value, str):
        return drawable(value)
    if isinstance(value, list):
        return [_drawable(v) for v in value]
    if isinstance(value, dict):
        return {k: v if k == "svg" else _drawable(v) for k, v in value.items()}
    return value
