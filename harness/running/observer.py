"""What a run tells whoever watches: the CLI draws it, a program may ignore it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from harness.words.design import Choice, Design


class Observer(Protocol):
    """Hears how a run goes on. Called from the driver's own thread, but for `share`."""

    def planned(self, design: Design, trials: int) -> None:
        """The study is planned: that many trials at least."""

    def phase(self, name: str, trials: int, kept: int) -> None:
        """A batch of trials begins, of which `kept` have run before."""

    def share(self, done: float, trials: int) -> None:
        """That many of the batch's trials are done, counting parts of those under way."""

    def standing(self, choices: Mapping[str, Choice]) -> None:
        """Tuning has got so far."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Silent:
    """Hears everything, says nothing."""

    def planned(self, design: Design, trials: int) -> None:
        """Ignore."""

    def phase(self, name: str, trials: int, kept: int) -> None:
        """Ignore."""

    def share(self, done: float, trials: int) -> None:
        """Ignore."""

    def standing(self, choices: Mapping[str, Choice]) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
