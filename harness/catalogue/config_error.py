"""The error of a wrong value in a run's config."""

from __future__ import annotations

from harness.errors import BadInput


class ConfigError(BadInput):
    """A value of a run's config is wrong; `path` is where, dotted."""

    def __init__(self, path: str, message: str) -> None:
        self.path, self.message = path, message
        super().__init__(f"{path}: {message}")
