"""A study as the user asks for it, checked as far as goes without a heavy import."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.errors import BadInput
from harness.planning.studies import FOLDER, find
from harness.planning.tiers import apply_tier
from harness.words.study_file import StudyFile, check_asks, load_study


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

    def check(self, budget: float | None, pilot: int | None = None) -> None:
        """Say what is wrong with the study's file, before seconds of imports.

        Raises as `file`, and BadInput for a search that is to be cut to a budget of minutes, or piloted.
        """
        file = self.file()
        if file.study.kind != "search":
            check_asks(file)
            return
        if pilot is not None:
            raise BadInput(
                f"found --pilot {pilot}, but {file.name!r} is a search, which has no arms before it has run; "
                "allowed: of a comparison. Leave --pilot out"
            )
        if budget is not None:
            where = f"{file.path}:{file.line('budget', 'trials')}"
            raise BadInput(
                f"--budget chooses the replicates of a comparison; {file.name!r} is a search, whose time "
                f"goes into its trials. Lower budget.trials ({where}), or judge fewer replicates with "
                f"--replicates; harness plan {self.name} says what it takes"
            )

    @property
    def command(self) -> str:
        """What reproduces the run."""
        path = find(self.name)
        if path.parent == FOLDER and self.replicates is None:
            return f"make study NAME={path.stem}" + (f" TIER={self.tier}" if self.tier else "")
        return self.run_command + (f" --replicates {self.replicates}" if self.replicates else "")

    @property
    def run_command(self) -> str:
        """What runs the study as its file says."""
        path = find(self.name)
        words = ["harness", "run", path.stem if path.parent == FOLDER else str(path)]
        return shlex.join([*words, "--tier", self.tier] if self.tier else words)


def check_asked(names: Sequence[str], everything: bool, changes: Mapping[str, Any]) -> None:
    """Refuse options that contradict one another. `changes`: option -> value, of what changes one study."""
    if bool(names) == everything:
        raise BadInput("name the studies to run, or give --all, one of the two: harness run NAME")
    given = [f"--{option}" for option, value in changes.items() if value is not None]
    if given and (everything or len(names) > 1):
        raise BadInput(f"{' and '.join(given)}: for one study at a time; name that one alone")
    if {"--replicates", "--budget"} <= set(given):
        raise BadInput("give --replicates or --budget, one of the two: a budget chooses the replicates")
    reason = changes.get("amend")
    if reason is not None and not reason.strip():
        raise BadInput(
            f"found --amend {reason!r}; allowed: the reason in words, which the report discloses: "
            '--amend "why the design changed"'
        )
