"""A study's arms: every combination of its factors' levels."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from harness.catalogue.resolve import ConfigError, beside
from harness.errors import unknown
from harness.planning.options import is_whole
from harness.words.config import SECTIONS
from harness.words.form_errors import shown
from harness.words.ranges import LinearRange, LogRange, Range
from harness.words.settings import says_little
from harness.words.study_file import StudyFile
from harness.words.yaml_tree import Location

MAX_ARMS = 1_000
RANGE: TypeAdapter[Any] = TypeAdapter(Range)


class Level(NamedTuple):
    """One level of a factor: the dotted paths it sets, those it has tuned, and its value in the study."""

    label: str
    value: Any  # a path factor's value; a free factor's mapping of paths
    paths: dict[str, Any]
    place: str | int | None  # key or index under the factor in the file; None in a range
    tuned: Mapping[str, Any] = {}  # dotted path -> its Range, in the arms at this level alone


class FactorLevels(NamedTuple):
    """A factor and its levels, in the study's order."""

    name: str
    levels: list[Level]


class Combination(NamedTuple):
    """One arm before its config is resolved."""

    label: str
    levels: dict[str, Level]  # factor -> level

    def place(self, location: Location) -> Location:
        """Where in the file a tuned path stands: in the level that has it tuned, else as it is, in tune."""
        own = ((n, level) for n, level in self.levels.items() if location[1] in level.tuned)
        return next((("arms", n, str(level.place), *location[1:]) for n, level in own), location)

    @property
    def paths(self) -> dict[str, Any]:
        """Every dotted path this arm sets."""
        return {path: value for level in self.levels.values() for path, value in level.paths.items()}

    @property
    def tuned(self) -> dict[str, Any]:
        """Every dotted path that this arm's levels have tuned, with its Range."""
        return {path: wanted for level in self.levels.values() for path, wanted in level.tuned.items()}


def factors(file: StudyFile) -> list[FactorLevels]:
    """The study's factors with their levels. Raises StudyError for a level that can't be one."""
    found = [FactorLevels(name, _levels(file, name, factor)) for name, factor in file.study.arms.items()]
    for factor in found:
        _distinct(file, factor)
    _disjoint(file, found)
    return found


def combinations(file: StudyFile) -> list[Combination]:
    """The full crossing of the factors, the last one varying fastest. Labels are unique, else StudyError."""
    crossed = factors(file)
    count = int(np.prod([len(f.levels) for f in crossed], dtype=object))
    if count > MAX_ARMS:
        raise file.error(f"the factors cross to {count:,} arms; allowed: at most {MAX_ARMS:,}", "arms")
    names = [f.name for f in crossed]
    arms = []
    for chosen in itertools.product(*(f.levels for f in crossed)):
        levels = dict(zip(names, chosen, strict=True))
        arms.append(Combination(_arm_label(levels), levels))
    twice = _repeated(a.label for a in arms)
    if twice:
        raise file.error(f"two arms are called {twice!r}; give the levels labels of their own", "arms")
    return arms


def label_of(value: Any) -> str:
    """A level's label where the study gives none: text as it is, 3, 0.001, true, none, 100-100."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "-".join(label_of(v) for v in value) or "none"
    return str(value)


def spaced(factor: LogRange | LinearRange, points: int) -> list[float]:
    """Evenly spaced values, ends included and exact; inner ones rounded to 4 digits where they stay apart."""
    if isinstance(factor, LogRange):
        (low, high), inner = factor.log_range, np.geomspace(*factor.log_range, points)
    else:
        (low, high), inner = factor.range, np.linspace(*factor.range, points)
    rounded = [low, *(float(f"{v:.4g}") for v in inner[1:-1]), high]
    apart = all(a < b for a, b in itertools.pairwise(rounded))
    return rounded if apart else [low, *(float(v) for v in inner[1:-1]), high]


def _levels(file: StudyFile, name: str, factor: Any) -> list[Level]:
    if "." not in name:
        return _free_levels(file, name, factor)
    section = name.partition(".")[0]
    if section not in SECTIONS:
        raise file.error(unknown("section of a config", section, SECTIONS), "arms", name)
    if isinstance(factor, (LogRange, LinearRange)):
        if factor.points is None or factor.points < 2:
            raise file.error("a range of levels needs points: 2 or more", "arms", name)
        values: list[Any] = spaced(factor, factor.points)
        if _takes_whole_numbers(file, name):
            values = list(dict.fromkeys(round(v) for v in values))
        return [Level(label_of(v), v, {name: v}, None) for v in values]
    if isinstance(factor, Mapping):
        return [Level(label, value, {name: value}, label) for label, value in factor.items()]
    return [_listed(file, name, index, value) for index, value in enumerate(factor)]


def _takes_whole_numbers(file: StudyFile, path: str) -> bool:
    try:
        return is_whole(beside(file.study.base, file.path.parent), path)
    except ConfigError:  # said of the arms, with its place in the file
        return False


def _listed(file: StudyFile, name: str, index: int, value: Any) -> Level:
    if isinstance(value, Mapping):
        message = f"found {shown(value)}; a level that is a mapping needs a label: write label: value"
        raise file.error(message, "arms", name, index)
    return Level(label_of(value), value, {name: value}, index)


def _free_levels(file: StudyFile, name: str, factor: Any) -> list[Level]:
    """Levels of a factor with a name of its own: each maps a label to the paths it sets."""
    if not isinstance(factor, Mapping):
        message = (
            f"found levels without labels; the factor {name!r} is no dotted path such as optimizer.name, "
            "so each level is written label: {path: value}"
        )
        raise file.error(message, "arms", name)
    for label, paths in factor.items():
        if not isinstance(paths, Mapping):
            message = f"found {shown(paths)}; allowed: the dotted paths this level sets, {{path: value}}"
            raise file.error(message, "arms", name, label)
        wrong = next((p for p in paths if "." not in p or p.partition(".")[0] not in SECTIONS), None)
        if wrong is not None:
            message = unknown("path", wrong, [f"{s}." for s in SECTIONS])
            raise file.error(message, "arms", name, label, wrong)
    return [_free_level(file, name, label, paths) for label, paths in factor.items()]


def _free_level(file: StudyFile, name: str, label: str, paths: Mapping[str, Any]) -> Level:
    """A level's paths; one given as {tune: range} is tuned in the arms at this level."""
    tuned = {}
    for path, value in paths.items():
        if isinstance(value, Mapping) and list(value) == ["tune"]:
            try:
                tuned[path] = RANGE.validate_python(value["tune"])
            except ValidationError as error:
                raise file.error(
                    f"is no range to tune: {error.errors()[0]['msg']}", "arms", name, label, path
                ) from None
    return Level(label, dict(paths), {p: v for p, v in paths.items() if p not in tuned}, label, tuned)


def _distinct(file: StudyFile, factor: FactorLevels) -> None:
    twice = _repeated(level.label for level in factor.levels)
    if twice is None:
        return
    place = [level.place for level in factor.levels if level.label == twice][-1]
    where = () if place is None else (place,)
    raise file.error(f"two levels are called {twice!r}; each needs its own", "arms", factor.name, *where)


def _disjoint(file: StudyFile, found: list[FactorLevels]) -> None:
    """No two factors set one path, or one inside another's."""
    for first, second in itertools.combinations(found, 2):
        pairs = itertools.product(paths_of(first), paths_of(second))
        shared = next((a for a, b in pairs if overlap(a, b)), None)
        if shared is not None:
            message = f"sets {shared}, and so does the factor {first.name!r}; only one of them may"
            raise file.error(message, "arms", second.name)


def paths_of(factor: FactorLevels) -> list[str]:
    """Every path that some level of the factor sets or has tuned."""
    return list(dict.fromkeys(path for level in factor.levels for path in (*level.paths, *level.tuned)))


def overlap(a: str, b: str) -> bool:
    """Whether two dotted paths are the same, or one lies inside the other."""
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")


def _repeated(labels: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            return label
        seen.add(label)
    return None


def _arm_label(levels: Mapping[str, Level]) -> str:
    if len(levels) == 1:
        return next(iter(levels.values())).label
    return ", ".join(_named_level(name, level) for name, level in levels.items())


def _named_level(factor: str, level: Level) -> str:
    """The label, after the factor's short name where the label alone says too little ("depth 3")."""
    short = factor.rpartition(".")[2].replace("_", " ")
    return f"{short} {level.label}" if says_little(level.label) else level.label
