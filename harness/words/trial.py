"""A trial: one training run of one config with one replicate's seeds, identified by its content."""

from __future__ import annotations

from typing import Any, Literal

from harness.words.base import Word, content_hash

Phase = Literal["tune", "judge"]

# Raised when a change to the code changes what a trial computes: old records are then no longer reused.
NUMERICS = 1


class Trial(Word):
    """One run. `config` is resolved: every option explicit. `study` names the seeds' family."""

    study: str
    phase: Phase
    replicate: int
    config: dict[str, Any]

    @property
    def id(self) -> str:
        """The hash of the content."""
        return content_hash([NUMERICS, self.study, self.phase, self.replicate, self.config])

    def identity(self) -> dict[str, Any]:
        """What a record repeats of its trial, by the record's own field names."""
        return {"trial": self.id, **self.model_dump(include={"study", "phase", "replicate", "config"})}

    def seed_parts(self) -> tuple[str, str, int]:
        """What every seed of this trial is named by: no arm, so that arms are paired."""
        return self.study, self.phase, self.replicate


class Planned(Word):
    """A trial's place in a study's design. Two arms of equal content share one trial."""

    arm: str
    trial: str  # Trial.id
    phase: Phase
    replicate: int
    point: int | None = None  # index into the arm's tuning points; None when judging
    params: dict[str, Any] = {}  # the nuisance values, dotted paths
