"""Typer commands, a few lines each; the only place that prints or exits.

Heavy modules are imported inside the command that needs them, so that `--help` and `list` start at
once: the one place in the project where imports stand in functions.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Annotated

import typer

from harness import __version__
from harness.cli import machine_commands, show, study_commands
from harness.errors import HarnessError
from harness.garbage import collect_seldom

app = typer.Typer(
    name="harness",
    help="Does X help, by how much, and how sure are we? Studies of neural networks, from YAML to a verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(study_commands.app)
app.add_typer(machine_commands.app)

INTERRUPTED = 130  # 128 + SIGINT


def main() -> None:
    """Run the command line; an error raised on purpose becomes one message and its exit code."""
    collect_seldom()
    with _interruptions() as interrupted:
        try:
            app()
        except HarnessError as error:
            show.error(str(error))
            sys.exit(error.exit_code)
        except BaseException as end:  # of Ctrl-C Typer makes a code; a command may take it for its end
            if end.code == INTERRUPTED if isinstance(end, SystemExit) else interrupted:
                show.error("interrupted; everything finished is kept. The same command goes on from there.")
                sys.exit(INTERRUPTED)
            raise


@contextlib.contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Those by Ctrl-C meanwhile: in a library's import, or in a user's code, one can end as any error."""
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        signal.default_int_handler(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


@app.callback(invoke_without_command=True)
def version(
    wanted: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Print the version where it is asked for."""
    if wanted:
        typer.echo(f"harness {__version__}")
        raise typer.Exit()


__all__ = ["app", "main"]
