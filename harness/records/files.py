"""Files written whole or not at all, and a lock that dies with its process."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, final

from harness.errors import HarnessError, RunFailed

TEMPORARY = ".tmp"  # the ending of a file that is still being written


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that after a crash it is there whole or not at all.

    The order matters: the content must be on disk before the name is, and the name before we return.
    Raises RunFailed where the disk refuses; the old file, if there was one, is then untouched.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFailed(
            f"could not write {path}: {error.strerror or error}. Free some space or mend the folder, and "
            "run again: what was finished is kept"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document whole or not at all. NaN and infinities are kept (as Python's json does)."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def read_json(path: Path) -> Any:
    """The document, or None where there is no such file. Raises HarnessError where it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise damaged(path, error, "remove it and run the study again; records are kept") from error


def damaged(path: Path, error: Exception, remedy: str) -> HarnessError:
    """The error for a file that can't be read: where it lies, what is wrong, what to do."""
    first_line = str(error).strip().partition("\n")[0] or type(error).__name__
    return HarnessError(f"{path} is damaged ({first_line}): {remedy}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@final
class Lock:
    """An exclusive lock on a file, held by one process at a time and freed by the system when it ends.

    The file stays; only the lock on it counts, so a killed process leaves nothing to clean up.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock; nothing happens where it is held already. Raises RunFailed where another has it."""
        if self._file is not None:
            return
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise RunFailed(
                f"another {self.what} is going on (pid {holder}): wait for its end, or stop it"
            ) from None
        except OSError as error:
            file.close()
            raise RunFailed(
                f"can't lock {self.path}: {error.strerror}. Put the results on a file system with locks"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back, if held."""
        if self._file is not None:
            self._file.close()
            self._file = None
