"""Every command says what it does, starts fast, and is named in the README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from harness import __version__
from harness.cli import app
from tests.cli.conftest import Harness, imported

README = Path(__file__).parents[2] / "README.md"
HEAVY = ("torch", "numpy", "scipy", "pandas", "optuna", "mlflow", "matplotlib", "sklearn", "rich")


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_commands_are_the_designs() -> None:
    wanted = {"list", "show", "validate", "plan", "run", "report", "compare", "ledger", "reproduce", "sync"}
    wanted |= {"new", "bench", "ui", "doctor", "schema", "catalogue"}
    assert wanted | {"data list", "data fetch"} <= {" ".join(words) for words in COMMANDS}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_and_option_has_help(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    assert command.help
    assert len(command.help.strip()) > 10
    assert [p.name for p in command.params if not p.help] == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_list_of_commands_cuts_no_sentence(words: tuple[str, ...]) -> None:
    assert not COMMANDS[words].get_short_help_str(65).endswith("...")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_readme_names_every_command(words: tuple[str, ...]) -> None:
    assert f"harness {' '.join(words)}" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_printed(words: tuple[str, ...], harness: Harness) -> None:
    shown = harness(*words, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("Usage: ")


def test_version(harness: Harness) -> None:
    assert harness("--version").out == f"harness {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["list"], ["show", "tiny"]], ids=" ".join)
def test_light_commands_import_nothing_heavy(words: list[str], project: Path) -> None:
    assert imported(words, HEAVY) == []
