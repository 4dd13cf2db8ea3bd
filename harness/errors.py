"""Every error harness raises on purpose.

HarnessError
├── BadInput         what the user gave can't be used; exit code 2
│   ├── StudyError       a study file: says the file, the line, what was found and what is allowed
│   ├── UnknownName      a name that stands in no table; says the nearest ones
│   └── DataMissing      a data set that isn't there; says the command that fetches it
└── RunFailed        the run itself went wrong; exit code 1
"""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Iterable
from typing import Any


class HarnessError(Exception):
    """Base of every error raised on purpose; its text is what the user reads."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by text and attributes, whatever a class's __init__ takes: workers send errors home."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class BadInput(HarnessError):
    """What the user gave can't be used."""

    exit_code = 2


class StudyError(BadInput):
    """A study file is malformed or asks for something impossible."""


class UnknownName(BadInput):
    """A name that stands in no table."""

    def __init__(self, kind: str, name: object, allowed: Iterable[str]) -> None:
        self.kind, self.name, self.allowed = kind, name, sorted(allowed)
        super().__init__(unknown(kind, name, self.allowed))


class DataMissing(BadInput):
    """A data set isn't in the data directory."""


class RunFailed(HarnessError):
    """The run itself went wrong; what was finished is kept."""


def unknown(kind: str, name: object, allowed: Iterable[str]) -> str:
    """Say that `name` is no known `kind`, which names come nearest, and what is allowed."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Allowed: {', '.join(names) or 'none'}."
