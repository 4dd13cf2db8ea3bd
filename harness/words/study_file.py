"""A study file: the study, and the line of everything in it, so that every later error can name it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import StudyError
from harness.words.form_errors import Problem, form_problems, shown
from harness.words.study import Study
from harness.words.yaml_tree import Location, YamlProblem, read_yaml

Options = dict[Location, str]  # a place in the study -> the option of the command line that set it
MAX_BYTES = 1_000_000
MAX_PROBLEMS = 10


@dataclass(frozen=True)
class StudyFile:
    """A study as its file says it. `tree` is the file's own content; lines count from 1.

    `options`: what was given on the command line instead, by the option's name.
    """

    study: Study
    path: Path
    tree: dict[str, Any] = field(repr=False)
    lines: dict[Location, int] = field(repr=False)
    options: Options = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The study's name: the file's, without its suffix."""
        return self.path.stem

    def line(self, *location: str | int) -> int:
        """The line of a key or list item, or of the nearest thing around it."""
        return line_of(self.lines, location)

    def error(self, message: str, *location: str | int) -> StudyError:
        """An error that names this file, the line and the location."""
        return self.report([Problem(location, message)])

    def report(self, problems: list[Problem]) -> StudyError:
        """One error of several problems, in the file's order, at most ten."""
        return StudyError(_report(self.path, self.lines, problems, self.options))


def check_asks(file: StudyFile) -> None:
    """Refuse a comparison that asks nothing: it would run whole and end without a verdict."""
    if file.study.kind != "search" and not file.study.hypotheses:
        message = "missing; a comparison needs one at least, such as {kind: best_of, outcome: test/accuracy}"
        raise file.error(message, "hypotheses")


def load_study(path: Path) -> StudyFile:
    """Read and check the form of a study file. Raises StudyError, one line a problem."""
    text = _read_text(path)
    try:
        tree, lines = read_yaml(text)
    except YamlProblem as problem:
        raise StudyError(f"{path}:{problem.line}: {problem.message}") from None
    if tree is None:
        raise StudyError(f"{path}:1: the file is empty; a study needs at least arms and a base")
    if not isinstance(tree, dict):
        raise StudyError(
            f"{path}:1: found {shown(tree)} at the top; allowed: the keys of a study "
            f"({', '.join(Study.model_fields)})"
        )
    return study_of(path, tree, lines)


def study_of(
    path: Path, tree: dict[str, Any], lines: dict[Location, int], options: Options | None = None
) -> StudyFile:
    """The study of a file's content. Raises StudyError with every problem, at most ten."""
    given = options or {}
    try:
        study = Study.model_validate(tree)
    except ValidationError as error:
        raise StudyError(_report(path, lines, form_problems(error, tree), given)) from None
    return StudyFile(study, path, tree, lines, given)


def line_of(lines: dict[Location, int], location: Location) -> int:
    """The line at `location`, or of the nearest known place around it; 1 where there is none."""
    prefixes = (location[:end] for end in range(len(location), -1, -1))
    return next((lines[p] for p in prefixes if p in lines), 1)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise StudyError(f"{path} is a directory; give the path of a study's .yaml file") from None
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise StudyError(f"{path} is larger than {MAX_BYTES:,} bytes; a study is a small file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise StudyError(
            f"{path}:{line}: not UTF-8 text (byte {raw[error.start]:#04x}); save it as UTF-8"
        ) from None


def _report(path: Path, lines: dict[Location, int], problems: list[Problem], options: Options) -> str:
    ordered = sorted(problems, key=lambda p: line_of(lines, p.location))
    told = [_one_line(path, lines, p, options.get(p.location)) for p in ordered[:MAX_PROBLEMS]]
    more = len(ordered) - MAX_PROBLEMS
    return "\n".join([*told, f"{path}: and {more} more"] if more > 0 else told)


def _one_line(path: Path, lines: dict[Location, int], problem: Problem, option: str | None) -> str:
    if option is not None:
        return f"{option}: {problem.message}"
    dotted = ".".join(str(part) for part in problem.location)
    where = f"{dotted}: " if dotted else ""
    return f"{path}:{line_of(lines, problem.location)}: {where}{problem.message}"
