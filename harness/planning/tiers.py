"""A tier: values of a study overridden for a bigger machine. The same code runs every tier."""

from __future__ import annotations

from typing import Any

from harness.errors import UnknownName, unknown
from harness.words.config import SECTIONS
from harness.words.paths import set_paths
from harness.words.study_file import StudyFile, study_of
from harness.words.yaml_tree import Location

# Sections of a study that a tier may reach into. What is asked (claim, hypotheses, require) stays.
OWN_SECTIONS = ("arms", "budget", "judge", "space", "target", "tune")


def apply_tier(file: StudyFile, tier: str | None) -> StudyFile:
    """The study with a tier's values in place, errors about them naming the tier's own lines.

    `judge.replicates` and its like go to the study, every other path to the base config. Raises
    UnknownName for a tier the study doesn't have, StudyError for a path that leads nowhere.
    """
    if tier is None:
        return file
    if tier not in file.study.tiers:
        raise UnknownName("tier", tier, file.study.tiers)
    tree, lines = dict(file.tree), dict(file.lines)
    for path, value in file.study.tiers[tier].items():
        location = _target(file, tier, path)
        line = file.line("tiers", tier, path)
        lines = {k: v for k, v in lines.items() if k[: len(location)] != location} | {location: line}
        tree = _with_value(tree, location, value)
    return study_of(file.path, tree, lines)


def _target(file: StudyFile, tier: str, path: str) -> Location:
    """Where in the study's file a tier's path leads."""
    section, _, rest = path.partition(".")
    if rest and section in OWN_SECTIONS:
        return (section, rest)  # one key: `arms.model.depth` is the factor `model.depth`
    if rest and section in SECTIONS:
        return ("base", *path.split("."))
    allowed = [f"{s}." for s in (*SECTIONS, *OWN_SECTIONS)]
    raise file.error(unknown("path", path, allowed), "tiers", tier, path)


def _with_value(tree: dict[str, Any], location: Location, value: Any) -> dict[str, Any]:
    first, *rest = (str(part) for part in location)
    if first == "base":
        return {**tree, "base": set_paths(tree.get("base", {}), {".".join(rest): value})}
    return {**tree, first: {**tree.get(first, {}), rest[0]: value}}
