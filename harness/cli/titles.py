"""What the list shows of a study file, kept between calls: reading YAML is most of the time it takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, final

import harness.words
from harness.errors import RunFailed
from harness.records.files import write_json

FILE = Path(".cache", "titles.json")  # in the results folder; safe to remove
# Whose code decides what a study file may say, by the file that tells one version from another.
READERS = {"ruamel.yaml": "__init__.py", "pydantic": "version.py"}


class Title(NamedTuple):
    """A study's title, what it claims, and its tiers."""

    title: str
    claim: str
    tiers: list[str]


@final
class Titles:
    """The titles of study files by the content of the file and of the code that reads it.

    Only files found whole are kept: a broken one is read, and tells what is wrong with it, every time.
    What can't be read here or written here is as if it had never been kept.
    """

    def __init__(self, results: Path) -> None:
        self._path = results / FILE
        self._code = _hash(_code())
        self._kept = self._read()
        self._asked: dict[str, Title] = {}

    def title(self, path: Path) -> Title:
        """The title of a study file. Raises StudyError where the file is broken."""
        key = _key(path)
        title = self._kept.get(key) or _load(path)
        if key and key == _key(path):  # else the file was written in between
            self._asked[key] = title
        return title

    def keep(self) -> None:
        """Keep the titles that were asked for and no others; makes no results folder."""
        folder = self._path.parent
        if self._asked == self._kept or not folder.parent.is_dir():
            return
        with suppress(OSError, RunFailed):
            folder.mkdir(exist_ok=True)
            write_json(self._path, {"code": self._code, "titles": self._asked})

    def _read(self) -> dict[str, Title]:
        try:
            found = json.loads(self._path.read_bytes())
            return {k: Title(*v) for k, v in found["titles"].items()} if found["code"] == self._code else {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}


def _load(path: Path) -> Title:
    from harness.words.study_file import load_study  # takes as long as all the rest of the list

    study = load_study(path).study
    return Title(study.title, study.claim.says, list(study.tiers))


def _code() -> Iterable[Path]:
    for folder in harness.words.__path__:
        yield from sorted(Path(folder).glob("*.py"))
    for package, file in READERS.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).with_name(file)


def _key(path: Path) -> str:
    """The hash of the file's content; empty where it can't be read."""
    try:
        return _hash([path])
    except OSError:
        return ""


def _hash(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()
