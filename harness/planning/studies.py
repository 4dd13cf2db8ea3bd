"""Where studies are: the files of `studies/` in the project, or one named by its path."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import BadInput, UnknownName

FOLDER = Path("studies")
SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[a-z0-9_]+")


def all_studies(folder: Path = FOLDER) -> list[Path]:
    """The study files of a folder, by name. A file whose name is no study's name is left out."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.suffix in SUFFIXES and _NAME.fullmatch(p.stem) and p.is_file()]
    return sorted(found, key=lambda p: p.name)


def find(name: str, folder: Path = FOLDER) -> Path:
    """The file of a study: its name in `studies/`, or the path of a .yaml file.

    Raises BadInput for a name of other letters than a-z, 0-9 and _, UnknownName for a study that isn't there.
    """
    if name.endswith(SUFFIXES):
        return _by_path(Path(name))
    check_name(name, ", or the path of a .yaml file")
    studies = {p.stem: p for p in reversed(all_studies(folder))}
    if name not in studies:
        raise UnknownName("study", name, studies)
    return studies[name]


def check_name(name: str, or_else: str = "") -> None:
    """Raise BadInput where this can't be a study's name."""
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no study's name; allowed: letters a-z, digits and _{or_else}")


def _by_path(path: Path) -> Path:
    if not _NAME.fullmatch(path.stem):
        raise BadInput(
            f"{path.name!r} can't name a study; rename the file: letters a-z, digits and _, then .yaml"
        )
    if not path.is_file():
        raise BadInput(f"no file {str(path)!r}; give a study's name or the path of its .yaml file")
    return path
