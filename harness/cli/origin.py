"""Which results a verdict was made from: a folder of reports may lie beside several folders of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.records.files import read_json


def is_of(verdict: Mapping[str, Any], folder: Path) -> bool:
    """Whether a written verdict was made from a study's folder of results, as it is or was earlier.

    Every execution has an id of its own; a verdict knows those that ran before it.
    """
    try:
        ran = read_json(folder / "executions.json") or []
        made_from = verdict.get("provenance", {}).get("executions", [])
        return [e["id"] for e in made_from] == [e["id"] for e in ran[: len(made_from)]]
    except (HarnessError, AttributeError, LookupError, TypeError):  # one of the two is damaged
        return False
