"""A trial: one training run of one config with one replicate's seeds, identified by its content."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import NonNegativeInt

from harness.words.base import Word, content_hash

# The user's own files in a config: section, the option with the path, the one with the content's hash.
OWN_FILES = (("data", "file", "sha256"), ("model", "class", "source"))

Phase = Literal["tune", "judge", "pilot"]  # no two share a seed

# Raised when a change to the code changes what a trial computes: old records are then no longer reused.
NUMERICS = 12


class Trial(Word):
    """One run. `config` is resolved: every option explicit. `study` names the seeds' family."""

    study: str
    phase: Phase
    replicate: int
    config: dict[str, Any]
    member: NonNegativeInt = 0  # of an ensemble: trained on the replicate's data with seeds of its own

    @property
    def id(self) -> str:
        """The hash of the content. Member 0 is the trial that is trained where there is no ensemble."""
        content = [NUMERICS, self.study, self.phase, self.replicate, content_of(self.config)]
        return content_hash([*content, self.member] if self.member else content)

    def identity(self) -> dict[str, Any]:
        """What a record repeats of its trial, by the record's own field names."""
        fields = {"study", "phase", "replicate", "config", "member"}
        return {"trial": self.id, **self.model_dump(include=fields)}

    def seed_parts(self) -> tuple[str | int, ...]:
        """What the seeds of init, order and noise are named by: no arm, so that arms are paired.

        Two arms that differ in `train.stream` alone draw theirs apart: the same training twice. Data and
        split are named without member and stream, by study, phase and replicate alone.
        """
        own = {"member": self.member, "stream": self.config.get("train", {}).get("stream")}
        return (
            self.study,
            self.phase,
            self.replicate,
            *(part for pair in own.items() if pair[1] for part in pair),
        )


def content_of(config: dict[str, Any]) -> dict[str, Any]:
    """The config without the folders of the user's own files, which their hashes identify.

    So a trial is the same one whatever the working directory was.
    """
    found = dict(config)
    for section, path, fingerprint in OWN_FILES:
        part = config.get(section)
        if isinstance(part, dict) and part.get(fingerprint) and path in part:
            found[section] = {**part, path: str(part[path]).replace("\\", "/").rpartition("/")[2]}
    return found


class Planned(Word):
    """A trial's place in a study's design. Two arms of equal content share one trial."""

    arm: str
    trial: str  # Trial.id
    phase: Phase
    replicate: int
    member: NonNegativeInt = 0  # of an ensemble; 0 where there is none
    point: int | None = None  # index into the arm's tuning points; None when judging
    params: dict[str, Any] = {}  # the nuisance values, dotted paths
