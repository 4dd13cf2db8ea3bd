"""What the README shows works as it stands there: its entries and its study, in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(?:python|yaml)\n(.*?)^```$", re.M | re.S)
PART = re.compile(r"^# (?P<path>[\w/]+\.(?:py|yaml))(?:, (?P<place>above|in|at) (?P<name>\w+).*)?\n", re.M)
NEW = ("softsign", "signum", "spirals")
TABLE_TESTS = (
    "catalogue/test_activations",
    "catalogue/test_optimizers",
    "catalogue/data/test_cache",
    "catalogue/data/test_drawn",
    "planning/test_schema",
)


def parts(section: str) -> Iterator[tuple[re.Match[str], str]]:
    """Every part of a section's blocks: the comment that says where it goes, and the lines.

    A whole file keeps that comment, and what stands above it.
    """
    for block in BLOCK.findall(section):
        found = list(PART.finditer(block))
        ends = [m.start() for m in found[1:]] + [len(block)]
        for part, end in zip(found, ends, strict=True):
            start = part.end() if part["place"] else 0 if part is found[0] else part.start()
            yield part, block[start:end].strip("\n") + "\n"


def added(text: str, lines: str, place: str, name: str) -> str:
    """A file's text with these lines above a table, in it, or at the end."""
    if place == "at":
        return f"{text}\n\n{lines}"
    table = re.search(rf"^{name}\b", text, re.M)
    assert table, name
    if place == "above":
        return f"{text[: table.start()]}{lines}\n\n{text[table.start() :]}"
    indent = len(lines) - len(lines.lstrip()) - 4  # of the bracket that ends the table's lines
    end = re.compile(rf"^ {{{indent}}}[)}}\]]", re.M).search(text, table.start())
    assert end, name
    return text[: end.start()] + lines + text[end.start() :]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which somebody has done all that "Adding to it" shows."""
    there = tmp_path_factory.mktemp("copy")
    for name in ("harness", "tests"):
        shutil.copytree(PROJECT / name, there / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", there)
    (there / "studies").mkdir()
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for part, lines in parts(readme.partition("## Adding to it")[2].partition("\n## ")[0]):
        path = there / part["path"]
        if part["place"]:
            path.write_text(added(path.read_text(), lines, part["place"], part["name"]))
        else:
            assert not path.exists()
            path.write_text(lines)
    return there


def run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_study_is_valid(copy: Path) -> None:
    ran = run(copy, "-m", "harness.cli", "validate", "spirals")
    assert (ran.returncode, ran.stdout) == (0, "studies/spirals.yaml: valid\n"), ran.stderr


@pytest.mark.slow
def test_the_tests_that_run_over_the_tables_take_the_new_entries(copy: Path) -> None:
    tests = [f"tests/{name}.py" for name in TABLE_TESTS]
    chosen = " or ".join([*NEW, "studies_that_come_with_it"])
    ran = run(copy, "-m", "pytest", *tests, "-p", "no:cacheprovider", "-vv", "-k", chosen)
    assert ran.returncode == 0, ran.stdout[-3000:]
    for name in NEW:
        assert len(re.findall(rf"\[.*{name}.*\] PASSED", ran.stdout)) >= 3, ran.stdout
