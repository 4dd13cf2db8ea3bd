"""What a validity gate finds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple


class GateFinding(NamedTuple):
    """`passed` is None where the gate does not apply; `arms` are those that fail it."""

    passed: bool | None
    detail: str
    remedy: str = ""
    arms: tuple[str, ...] = ()

    @classmethod
    def of(cls, failing: Iterable[str], failed: str, passed: str, remedy: str) -> GateFinding:
        """A failure of the arms listed, with `failed` as its detail, or a pass where none is."""
        arms = tuple(dict.fromkeys(failing))
        return cls(False, failed, remedy, arms) if arms else cls(True, passed)


MOST_LISTED = 4  # arms that a finding names


def listed(found: Mapping[str, float], failing: Collection[str], form: str) -> str:
    """The arms that fail, or all where none does, the largest value first; of many only the first.

    `form`: how a value is written, as in a format specification.
    """
    shown = sorted(failing or found, key=lambda name: -found[name])
    parts = [f"{name} {found[name]:{form}}" for name in shown[:MOST_LISTED]]
    more = [f"{len(shown) - MOST_LISTED} more"] if len(shown) > MOST_LISTED else []
    return ", ".join([*parts, *more])


def not_applicable(detail: str) -> GateFinding:
    """A gate that has nothing to check."""
    return GateFinding(None, detail)
