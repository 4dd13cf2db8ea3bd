"""make's targets: names reach the command as they are, never the shell; an old Python is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


@pytest.fixture
def checkout(project: Path) -> Path:
    """A project with our Makefile whose environment stands already."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, project)
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").symlink_to(sys.executable)
    command = project / ".venv/bin/harness"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness.cli "$@"\n')
    command.chmod(0o755)
    for stamp in (".run", ".dev"):
        (project / ".venv" / stamp).touch()
    return project


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    everything = {k: v for k, v in os.environ.items() if k not in ("NAME", "TIER", "MAKEFLAGS")}
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        env=everything | environment,
        capture_output=True,
        text=True,
        check=False,
    )


NAMES = ["../x; touch pwned", "$(shell touch pwned)", "`touch pwned`", "$$(touch pwned)"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_run(name: str, checkout: Path) -> None:
    ended = make(checkout, "study", f"NAME={name}")
    assert ended.returncode == 2
    assert f"error: {name!r} is no study's name" in ended.stderr
    assert not list(checkout.rglob("pwned"))


@pytest.mark.parametrize("name", ["$(shell touch pwned)", '"; touch pwned; "'])
def test_a_name_in_the_environment_is_never_run(name: str, checkout: Path) -> None:
    ended = make(checkout, "study", NAME=name, TIER=name)
    assert ended.returncode == 2
    assert not list(checkout.rglob("pwned"))


def test_a_tier_is_never_run(checkout: Path) -> None:
    ended = make(checkout, "study", "NAME=tiny", "TIER=$(shell touch pwned)`touch pwned`;touch pwned")
    assert ended.returncode == 2
    assert "error: unknown tier '$(shell" in ended.stderr
    assert not list(checkout.rglob("pwned"))


def test_no_name_says_what_to_give(checkout: Path) -> None:
    ended = make(checkout, "study")
    assert ended.returncode == 2
    assert "make study NAME=" in ended.stderr


def test_list_runs_in_the_environment(checkout: Path) -> None:
    ended = make(checkout, "list")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "tiny" in ended.stdout


def test_help_names_every_target(checkout: Path) -> None:
    shown = make(checkout, "help").stdout
    phony = (ROOT / "Makefile").read_text().partition(".PHONY:")[2].splitlines()[0].split()
    assert [target for target in phony if f"make {target} " not in shown] == []


def test_benchmarks_have_ray_where_it_installs(checkout: Path) -> None:
    """And run without it elsewhere."""
    steps = make(checkout, "bench", "--dry-run").stdout.splitlines()
    (place,) = [i for i, step in enumerate(steps) if "'.[bench]'" in step]
    assert "|| echo" in steps[place]
    assert any("-m tests.benchmarks" in step for step in steps[place:])
    assert not any("[bench]" in step for step in make(checkout, "test", "--dry-run").stdout.splitlines())


def test_an_old_python_is_refused(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    old = checkout / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")  # what the check of the version ends with
    old.chmod(0o755)
    ended = make(checkout, "list", f"PYTHON={old}")
    assert ended.returncode == 2
    assert "Python 3.11 or newer" in ended.stderr
    assert not (checkout / ".venv").exists()
