"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from harness.errors import RunFailed

TEMPORARY = ".tmp"  # the ending of a file that is still being written


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that after a crash it is there whole or not at all.

    The order matters: the content must be on disk before the name is, and the name before we return.
    Raises RunFailed where the disk refuses; the old file, if there was one, is then untouched.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")  # two processes may write at once
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunFailed(
            f"could not write {path}: {error.strerror or error}. Free some space or mend the folder, and "
            "run again: what was finished is kept"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """`write_whole` of what is at hand."""
    write_whole(path, lambda file: file.write(content))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
