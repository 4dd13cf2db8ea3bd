"""The verdict that lies beside a report, for as long as nothing it was made from has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import harness.analysis
import harness.words
from harness.cli.origin import is_of
from harness.cli.reports import control_folders
from harness.words.verdict import StudyVerdict

# What a verdict is made from, in a study's results folder, and the code that makes it.
DOCUMENTS = ("design", "choices", "frozen", "plan", "checks", "executions")
FOLDERS = ("records", "predictions")
CODE = (harness.analysis, harness.words)


class Kept:
    """The verdicts of a folder of reports."""

    def __init__(self, results: Path, reports: Path) -> None:
        self._results, self._reports = results, reports
        controls = (path for name in control_folders(results) for path in _made_from(results / name))
        code = (path for package in CODE for path in _sources(package))
        self._shared_ns = newest((*code, *controls))  # a control is gate G9 of every study

    def verdict(self, stored: str) -> StudyVerdict | None:
        """The verdict of a study, without its report's tables; None where it is not there, or out of date."""
        path = self._reports / stored / "verdict.json"
        made_from_ns = max(self._shared_ns, newest(_made_from(self._results / stored)))
        if newest([path]) <= made_from_ns:
            return None
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            verdict = StudyVerdict.model_validate({**tree, "report": {}})
            return verdict if is_of(tree, self._results / stored) else None
        except (OSError, ValueError, TypeError):
            return None


def newest(paths: Iterable[Path]) -> int:
    """When the latest of these changed, in nanoseconds since 1970; 0 where none is there."""
    return max((path.stat().st_mtime_ns for path in paths if path.exists()), default=0)


def _made_from(folder: Path) -> list[Path]:
    return [*(folder / f"{name}.json" for name in DOCUMENTS), *(folder / name for name in FOLDERS)]


def _sources(package: ModuleType) -> list[Path]:
    return [path for folder in package.__path__ for path in Path(folder).rglob("*.py")]
