"""Checks of `for_each`: its factors are there, left free by the hypothesis, and have levels to go through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.errors import BadInput, unknown
from harness.words.design import Design
from harness.words.ensemble import ensemble_of
from harness.words.form_errors import Problem
from harness.words.hypothesis import Hypothesis, Identity
from harness.words.yaml_tree import Location

SIDES = ("a", "b", "arm")


def for_each_problems(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """What is wrong with the factors that a hypothesis is to be judged at each level of."""
    where = (*place, "for_each")
    if hypothesis.for_each and isinstance(hypothesis, Identity):
        yield Problem(where, "an identity is about no arms, so it has no settings: leave for_each out")
        return
    if hypothesis.for_each and getattr(hypothesis, "across", None) is not None:
        yield Problem(where, "stands beside across, which speaks of every level at once: give one of the two")
        return
    for factor in hypothesis.for_each:
        message = _message(design, hypothesis, factor)
        if message is not None:
            yield Problem(where, message)


def _message(design: Design, hypothesis: Hypothesis, factor: str) -> str | None:
    levels = design.levels
    if factor not in levels:
        return unknown("factor", factor, levels)
    if factor in hypothesis.at:
        return (
            f"names {factor!r}, which `at` pins to {hypothesis.at[factor]}; a factor stands in one of the "
            "two: take it out of `at` to judge every level, or out of for_each to judge that one"
        )
    if len(levels[factor]) < 2:
        return (
            f"names {factor!r}, which has the one level {levels[factor][0]}; allowed: factors of at least "
            "2 levels: leave it out, or give the factor more"
        )
    role = _role(design, hypothesis, factor)
    if role is None:
        return None
    free = [f for f in levels if f not in hypothesis.at and _role(design, hypothesis, f) is None]
    return (
        f"names {factor!r}, which is {role}; allowed: factors that the hypothesis leaves free "
        f"({', '.join(free) or 'it has none'})"
    )


def _role(design: Design, hypothesis: Hypothesis, factor: str) -> str | None:
    """What a factor is to the hypothesis itself; None where it is left free."""
    for key in ("over", "across"):
        if getattr(hypothesis, key, None) == factor:
            return f"what the hypothesis goes {key}"
    sides = {key: getattr(hypothesis, key, None) for key in SIDES}
    fixing = [key for key, side in sides.items() if _fixes(design, hypothesis, side, factor)]
    if fixing == ["a", "b"]:
        return "what tells a from b"
    return f"fixed by {fixing[0]}" if fixing else None


def _fixes(design: Design, hypothesis: Hypothesis, side: Any, factor: str) -> bool:
    """Whether a side names some levels of the factor and not others. One that names nothing fixes nothing."""
    try:
        ensemble = ensemble_of(side)
        named = side if ensemble is None else ensemble.arm
        if named is None:
            return False
        found = {arm.levels[factor] for arm in design.select_arms(named, hypothesis.at)}
    except BadInput:
        return False
    return found != set(design.levels[factor])
