"""The studies there are and where each stands, read from files alone: no heavy import."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.cli.origin import is_of
from harness.cli.titles import Titles
from harness.errors import HarnessError
from harness.planning.studies import all_studies


def listing(results: Path, reports: Path) -> list[dict[str, Any]]:
    """One row a study, and one a tier of it that has run: name, title, claim, state, verdict."""
    titles = Titles(results)
    rows = [row for path in all_studies() for row in _rows(path, titles, results, reports)]
    titles.keep()
    return rows


def _rows(path: Path, titles: Titles, results: Path, reports: Path) -> Iterator[dict[str, Any]]:
    try:
        study = titles.title(path)
    except HarnessError as error:
        yield {"name": path.stem, "title": "", "claim": "", "state": "broken", "verdict": str(error)}
        return
    for stored in (path.stem, *(f"{path.stem}-{tier}" for tier in study.tiers)):
        verdict = _verdict(reports / stored / "verdict.json", results / stored)
        begun = (results / stored / "design.json").exists()
        state = "judged" if verdict else "begun" if begun else "new"
        if stored == path.stem or state != "new":
            told = {"name": stored, "title": study.title, "claim": study.claim}
            yield {**told, "state": state, "verdict": verdict}


def _verdict(path: Path, folder: Path) -> str:
    """The headline of a verdict that was made from this folder of results; "" where there is none."""
    try:
        verdict = json.loads(path.read_text(encoding="utf-8"))
        return str(verdict["headline"]) if is_of(verdict, folder) else ""
    except (OSError, ValueError, LookupError, TypeError):
        return ""
