"""An ensemble as a side of a hypothesis: what an arm's nets of one replicate make together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from harness.errors import BadInput, UnknownName, unknown
from harness.words.base import Word

Method = Literal["vote", "mean", "stacking", "member_mean", "best_by_validation"]
METHODS: tuple[Method, ...] = get_args(Method)


class Ensemble(Word):
    """What is made of the first `members` of a replicate's nets.

    vote: most votes; mean: mean probability; stacking: a last layer learned on the validation split;
    member_mean: no ensemble, the mean of the members' own outcomes; best_by_validation: no ensemble,
    the one member that does best on the validation split.
    """

    ensemble: Method
    members: int | None = None  # default: all that are judged
    arm: str | dict[str, Any] | None = None  # default: the study's first, as far as `at` goes


def ensemble_of(side: str | Mapping[str, Any] | None) -> Ensemble | None:
    """The ensemble a side asks for, None where it names an arm. Raises BadInput where it is malformed.

    >>> ensemble_of({"ensemble": "mean", "members": 5}).members
    5
    """
    if not isinstance(side, Mapping) or "ensemble" not in side:
        return None
    keys = tuple(Ensemble.model_fields)
    strange = [key for key in side if key not in keys]
    if strange:
        raise BadInput(unknown("key of an ensemble", strange[0], keys))
    if side["ensemble"] not in METHODS:
        raise UnknownName("ensemble", str(side["ensemble"]), METHODS)
    members = side.get("members")
    if members is not None and (type(members) is not int or members < 1):
        raise BadInput(f"members of an ensemble: found {members!r}; allowed: a whole number from 1 on")
    arm = side.get("arm")
    if arm is not None and not isinstance(arm, (str, dict)):
        raise BadInput(f"arm of an ensemble: found {arm!r}; allowed: an arm's label, or {{factor: level}}")
    return Ensemble(ensemble=side["ensemble"], members=members, arm=arm)
