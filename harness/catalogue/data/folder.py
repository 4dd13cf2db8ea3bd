"""Where data files live, and what identifies one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path


def data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of `HARNESS_DATA`; without it `harness` in the user's cache folder."""
    given = environment.get("HARNESS_DATA")
    if given:
        return Path(given).expanduser()
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "harness"


def file_hash(path: Path) -> str:
    """The SHA-256 of a file's bytes, remembered for as long as its size and time of change stay."""
    status = path.stat()
    return _file_hash(path.absolute(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, time_ns: int) -> str:  # noqa: ARG001 (part of the key)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
