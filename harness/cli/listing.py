"""The studies there are and where each stands, read from files alone: no heavy import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.planning.studies import all_studies
from harness.words.study_file import load_study


def listing(results: Path, reports: Path) -> list[dict[str, Any]]:
    """One row a study: name, title, claim, state and, where there is one, the verdict."""
    return [_row(path, results, reports) for path in all_studies()]


def _row(path: Path, results: Path, reports: Path) -> dict[str, Any]:
    try:
        study = load_study(path).study
    except HarnessError as error:
        return {"name": path.stem, "title": "", "claim": "", "state": "broken", "verdict": str(error)}
    verdict = _verdict(reports / path.stem / "verdict.json")
    begun = (results / path.stem / "design.json").exists()
    return {
        "name": path.stem,
        "title": study.title,
        "claim": study.claim.says,
        "state": "judged" if verdict else "begun" if begun else "new",
        "verdict": verdict,
    }


def _verdict(path: Path) -> str:
    try:
        headline: str = json.loads(path.read_text(encoding="utf-8"))["headline"]
    except (OSError, ValueError, KeyError):
        return ""
    return headline
