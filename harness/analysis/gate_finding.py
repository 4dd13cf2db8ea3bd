"""What a validity gate finds."""

from __future__ import annotations

from collections.abc import Iterable
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


def not_applicable(detail: str) -> GateFinding:
    """A gate that has nothing to check."""
    return GateFinding(None, detail)
