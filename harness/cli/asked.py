"""A study as the user asks for it, checked as far as goes without a heavy import."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.errors import BadInput
from harness.planning.studies import FOLDER, find
from harness.planning.tiers import apply_tier
from harness.words.study_file import StudyFile, load_study


class Asked(NamedTuple):
    """A study's name or path, and what the user changes about it."""

    name: str
    tier: str | None = None
    replicates: int | None = None

    def file(self) -> StudyFile:
        """The study's file. Raises BadInput for an unknown study or tier, StudyError for a wrong form."""
        file = load_study(find(self.name))
        apply_tier(file, self.tier)
        return file

    @property
    def command(self) -> str:
        """What reproduces the run."""
        path = find(self.name)
        if path.parent == FOLDER and self.replicates is None:
            return f"make study NAME={path.stem}" + (f" TIER={self.tier}" if self.tier else "")
        words = ["harness", "run", path.stem if path.parent == FOLDER else str(path)]
        words += ["--tier", self.tier] if self.tier else []
        words += ["--replicates", str(self.replicates)] if self.replicates else []
        return shlex.join(words)


def check_asked(names: Sequence[str], everything: bool, changes: Mapping[str, Any]) -> None:
    """Refuse options that contradict one another. `changes`: option -> value, of what changes one study."""
    if bool(names) == everything:
        raise BadInput("name the studies to run, or give --all, one of the two: harness run NAME")
    given = [f"--{option}" for option, value in changes.items() if value is not None]
    if given and (everything or len(names) > 1):
        raise BadInput(f"{' and '.join(given)}: for one study at a time; name that one alone")
    if {"--replicates", "--budget"} <= set(given):
        raise BadInput("give --replicates or --budget, one of the two: a budget chooses the replicates")
