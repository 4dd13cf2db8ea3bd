"""JSON documents, and a lock that dies with its process."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any, final

from harness.errors import HarnessError, RunFailed
from harness.files import write_bytes


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document whole or not at all. NaN and infinities are kept (as Python's json does)."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


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
