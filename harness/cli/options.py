"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import show


def checked(allowed: str, fits: Callable[[float], bool]) -> Callable[[float | None], float | None]:
    """A check of an option's number, which quotes what it refuses: Typer's own bounds don't."""

    def check(value: float | None) -> float | None:
        if value is not None and not fits(value):
            raise typer.BadParameter(f"found {value}; allowed: {allowed}")
        return value

    return check


MOST_WORKERS = 1_000
FROM_ONE = checked("a whole number from 1 on", lambda n: n >= 1)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A study's name, or the path of its .yaml file.", show_default=False),
]
Tier = Annotated[str | None, typer.Option(metavar="TIER", help="A tier of the study, for a bigger machine.")]
Results = Annotated[
    Path, typer.Option(metavar="FOLDER", envvar="HARNESS_RESULTS", help="Where records are kept.")
]
Reports = Annotated[
    Path, typer.Option(metavar="FOLDER", envvar="HARNESS_REPORTS", help="Where reports are written.")
]


def _stdout_for_json(context: typer.Context, wanted: bool) -> bool:
    if wanted:
        context.with_resource(show.stdout_for_json())
    return wanted


Json = Annotated[
    bool, typer.Option("--json", callback=_stdout_for_json, help="Print JSON for a program to read.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=checked(f"1 to {MOST_WORKERS:,}", lambda n: 1 <= n <= MOST_WORKERS),
        help="Worker processes; one a core if not given, and one on a GPU.",
    ),
]
Replicates = Annotated[
    int | None,
    typer.Option(
        metavar="N", callback=FROM_ONE, help="Judge this many replicates instead of the study's number."
    ),
]

Budget = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES",
        callback=checked("minutes, a finite number above 0", lambda minutes: 0 < minutes < math.inf),
        help="Judge as many replicates of a comparison as fit into so many minutes, from 8 to 200.",
    ),
]

Pilot = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=checked("3 to 50 replicates, such as 5", lambda n: 3 <= n <= 50),
        help="First train this many replicates (5, say) on seeds of their own, to see how much they vary.",
    ),
]

Device = Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda, or auto: cuda where there is a GPU.")]
LargestStack = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=FROM_ONE,
        help="Most trials trained together as one stack: 256 if not given, 4096 on a GPU. "
        "Fewer where that is faster.",
    ),
]
Amend = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Why the design changed after judging; the report discloses it."),
]
Mlflow = Annotated[bool, typer.Option(help="Mirror everything to MLflow.")]

RESULTS, REPORTS = Path("results"), Path("reports")
