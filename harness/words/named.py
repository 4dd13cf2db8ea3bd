"""What a hypothesis speaks of: arms, ensembles of an arm, and the levels of the factor it goes over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.errors import BadInput, UnknownName
from harness.words.design import Arm, Design
from harness.words.ensemble import Ensemble, ensemble_of
from harness.words.hypothesis import (
    BestOf,
    Dose,
    Hypothesis,
    Identity,
    Impossibility,
    Interaction,
    InteriorOptimum,
    Mechanism,
    Side,
    Threshold,
)

LEAST_LEVELS = {"dose": 2, "interior_optimum": 3, "interaction": 2, "threshold": 2}


class Column(NamedTuple):
    """One thing compared: an arm, or an ensemble of an arm's nets. The label is unique in a hypothesis."""

    label: str
    arm: str
    ensemble: Ensemble | None = None


class Sweep(NamedTuple):
    """The levels of one factor, ascending."""

    factor: str
    labels: tuple[str, ...]
    values: tuple[float, ...]

    def positions(self) -> tuple[float, ...]:
        """The logarithms of the levels, or the levels where one is 0 or negative."""
        if min(self.values) <= 0:
            return self.values
        return tuple(math.log(v) for v in self.values)


def sweep(design: Design, hypothesis: Dose | InteriorOptimum | Interaction | Threshold) -> Sweep:
    """The levels a hypothesis goes over, ascending.

    `over`, by default the only factor that `at` leaves free and whose levels are numbers. Two levels
    that are no numbers are 0 and 1 in the study's order. Raises BadInput where that is no sweep.
    """
    factors = list(design.study.arms)
    if hypothesis.over is not None and hypothesis.over not in factors:
        raise UnknownName("factor", hypothesis.over, factors)
    factor = hypothesis.over or _only_numeric(design, hypothesis.at)
    arms = {a.levels[factor]: a for a in design.select_arms({}, hypothesis.at)}
    numbers = {label: level_number(arm, factor) for label, arm in arms.items()}
    if None in numbers.values() and len(numbers) == 2:
        numbers = dict(zip(numbers, (0.0, 1.0), strict=True))
    found = sorted((v, label) for label, v in numbers.items() if v is not None)
    least = LEAST_LEVELS[hypothesis.kind]
    if len(found) < len(numbers) or len(found) < least:
        raise BadInput(
            f"the factor {factor!r} has the levels {', '.join(numbers)}; "
            f"{hypothesis.kind} goes over at least {least} levels that are numbers"
        )
    return Sweep(factor, tuple(label for _, label in found), tuple(v for v, _ in found))


def named_columns(design: Design, hypothesis: Hypothesis) -> tuple[Column, ...]:
    """What a hypothesis speaks of, in its order: a then b, levels ascending, an interaction's a before b.

    Of one with `for_each` those of all its settings. Empty for an identity. Raises BadInput where a side
    names no arm or several, or a comparison has fewer than two different sides.
    """
    if hypothesis.for_each:
        return tuple(c for s in design.settings(hypothesis) for c in named_columns(design, s.hypothesis))
    if isinstance(hypothesis, Identity):
        return ()
    if isinstance(hypothesis, (Mechanism, Impossibility)):
        return tuple(Column(a.label, a.label) for a in design.select_arms(hypothesis.arm, hypothesis.at))
    if isinstance(hypothesis, (Dose, InteriorOptimum, Threshold)):
        return _along(design, sweep(design, hypothesis), {}, hypothesis.at)
    if isinstance(hypothesis, Interaction):
        levels = sweep(design, hypothesis)
        a, b = (_along(design, levels, side, hypothesis.at) for side in (hypothesis.a, hypothesis.b))
        columns = a + b
    elif isinstance(hypothesis, BestOf):
        columns = tuple(Column(a.label, a.label) for a in design.select_arms({}, hypothesis.at))
    else:
        columns = tuple(_column(design, side, hypothesis.at) for side in (hypothesis.a, hypothesis.b))
    labels = [c.label for c in columns]
    if len(labels) < 2:
        raise BadInput(f"the best of {len(labels)} arm is no question; it needs at least 2 arms")
    if len(set(labels)) < len(labels):
        raise BadInput(f"compares the arm {labels[0]!r} with itself; name two arms")
    return columns


def chosen_by_tuning(design: Design, hypothesis: InteriorOptimum) -> bool:
    """Whether every level inside the range is tuned: else every other replicate chooses the optimum."""
    return all(design.arm(c.arm).tuned for c in named_columns(design, hypothesis)[1:-1])


def level_number(arm: Arm, factor: str) -> float | None:
    """An arm's level of a factor as a number; of a level that sets one path, that path's value."""
    value = arm.values[factor]
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _only_numeric(design: Design, at: Mapping[str, Any]) -> str:
    free = [f for f in design.study.arms if f not in at]
    numeric = [f for f in free if _varies(design, f)]
    if len(numeric) != 1:
        listed = ", ".join(numeric) or "none"
        raise BadInput(f"give `over`: the factors whose levels are numbers are {listed}, not one")
    return numeric[0]


def _varies(design: Design, factor: str) -> bool:
    numbers = {level_number(a, factor) for a in design.arms}
    return None not in numbers and len(numbers) > 1


def _along(design: Design, levels: Sweep, side: Side, at: Mapping[str, Any]) -> tuple[Column, ...]:
    return tuple(_column(design, side, {**at, levels.factor: label}) for label in levels.labels)


def _column(design: Design, side: Side, at: Mapping[str, Any]) -> Column:
    arm, ensemble = design.select_arm(side, at).label, ensemble_of(side)
    if ensemble is None:
        return Column(arm, arm)
    size = "" if ensemble.members is None else f" of {ensemble.members}"
    return Column(f"{ensemble.ensemble.replace('_', ' ')}{size} ({arm})", arm, ensemble)
