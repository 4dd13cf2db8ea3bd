"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Worker processes; one a core if not given.")
]
Replicates = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Judge this many replicates instead of the study's number."),
]

Budget = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES", min=0, help="Judge as many replicates as fit into so many minutes, 8 or more."
    ),
]

Device = Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda, or auto: cuda where there is a GPU.")]
LargestStack = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, help="Most trials trained together as one stack; fewer where that is faster."
    ),
]
Amend = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Why the design changed after judging; the report discloses it."),
]
Mlflow = Annotated[bool, typer.Option(help="Mirror everything to MLflow.")]

RESULTS, REPORTS = Path("results"), Path("reports")
