"""Whether a folder can be written, found out before hours of work depend on it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from harness.errors import BadInput


def check_writable(folder: Path, what: str, option: str = "") -> None:
    """Write and remove a file in `folder`; folders made for that are removed too.

    Raises BadInput, naming the option that gives another folder: `--what` unless given.
    """
    named = option or f"--{what}"
    file = next((path for path in (folder, *folder.parents) if path.is_file()), None)
    if file is not None:
        raise BadInput(f"can't write {what} to {folder}: {file} is a file. Name a folder with {named}")
    made = [path for path in (folder, *folder.parents) if not path.exists()]  # the deepest first
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"can't write {what} to {folder}: {error.strerror or error}. Make the folder writable, or name "
            f"another with {named}"
        ) from None
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
