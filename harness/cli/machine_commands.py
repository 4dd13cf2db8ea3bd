"""Commands about single trials, MLflow, the catalogue, data sets and the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import show
from harness.cli.folders import check_writable
from harness.cli.options import REPORTS, RESULTS, Json, Name, Reports, Results, Tier, checked
from harness.errors import RunFailed

app = typer.Typer()
data_app = typer.Typer(help="Data sets: what there is, and fetching what is missing.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command()
def reproduce(
    trial: Annotated[str, typer.Argument(help="A trial's id, or how it begins.", show_default=False)],
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="cpu, cuda, or auto: the device of the record.")
    ] = "auto",
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Run one recorded trial again, alone, and compare every metric.

    On a CPU every one must be the same bit for bit, on a GPU to within rounding.
    """
    from harness.cli.running import device_of
    from harness.running.reruns import reproduce as rerun

    found = rerun(results, trial, None if device == "auto" else device_of(device))
    show.json(found) if as_json else show.reproduced(found)
    if not found["same"]:
        raise RunFailed(f"trial {found['trial']} did not come out the same")


@app.command()
def sync(name: Name, tier: Tier = None, results: Results = RESULTS, reports: Reports = REPORTS) -> None:
    """Bring MLflow up to date with a study's records."""
    from harness.cli.reports import known_results
    from harness.records.mirror import places
    from harness.records.mirror import sync as synchronise
    from harness.records.tracking import without_password

    where = places(results, known_results(name, tier, results), reports_root=reports)
    done = synchronise(where)
    to = without_password(where.uri)
    show.text(f"MLflow at {to}: {done.created:,} trials added, {done.skipped:,} were there already")
    if done.failed:
        raise RunFailed(f"{done.failed:,} trials could not be mirrored: {done.error}")


@app.command()
def ui(
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT",
            callback=checked("1 to 65535", lambda port: 1 <= port <= 65535),
            help="The port, or the next free one.",
        ),
    ] = 5000,
    results: Results = RESULTS,
) -> None:
    """Serve the MLflow pages of all studies on 127.0.0.1."""
    from harness.cli.serving import serve

    check_writable(results, "results")
    serve(results, port)


@app.command("doctor")
def examine_machine(results: Results = RESULTS, as_json: Json = False) -> None:
    """What this machine has for running studies.

    Python, packages against the tested versions, cores, memory, device, folders, MLflow and data, with
    what to do about what is missing. Ends with 1 where something keeps studies from running.
    """
    from harness.cli.doctor import examine, show_findings

    findings = examine(results)
    show.json([f._asdict() for f in findings]) if as_json else show_findings(findings)
    wrong = [f.what for f in findings if f.state == "wrong"]
    if wrong:
        raise RunFailed(f"studies can't run here: {', '.join(wrong)}")


@app.command()
def schema(
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to this file instead of printing it.")
    ] = None,
) -> None:
    """The JSON Schema of study files, for editors."""
    from harness.planning.schema import study_schema

    if write is None:
        show.json(study_schema())
    else:
        show.write_json(write, study_schema())


@app.command("catalogue")
def show_catalogue(
    family: Annotated[
        str | None,
        typer.Argument(metavar="FAMILY", help="One kind, such as optimizers; all of them if not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """What a study can name: formula, source, search ranges.

    Networks, activations, inits, normalisations, optimizers, schedules, losses, regularisers and
    augmentations. `own_range` in a study stands for the range shown. For data sets: harness data list.
    """
    from harness.cli.catalogue import entries, show_entries

    found = entries(family)
    show.json(found) if as_json else show_entries(found)


@app.command("bench")
def time_claims(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A benchmark, such as cost_activations; all of them if not given."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(metavar="N", help="How often every arm is timed, 8 or more.")] = 30,
    delta: Annotated[
        float, typer.Option(metavar="RATIO", help="The smallest ratio of times that matters.")
    ] = 1.25,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Judge what textbooks say about cost, by the clock.

    Each benchmark runs alone in a process with one thread, its arms in turns, and ends in a verdict:
    cost_activations, cost_matrix_form, cost_device, cost_batch. Leave the machine alone meanwhile.
    Every time is kept in bench/NAME.json in the results folder.
    """
    from harness.cli.bench import bench, show_timed

    found = bench(name, rounds, delta, results)
    show.json([f.model_dump(mode="json") for f in found]) if as_json else show_timed(found, results)


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """The data sets a study can name, with their options."""
    from harness.catalogue.data import DATASETS

    entries = {name: (entry.description, entry.options) for name, entry in DATASETS.items()}
    if as_json:
        show.json({n: {"description": d, "options": o.model_json_schema()} for n, (d, o) in entries.items()})
    else:
        show.data_sets(entries)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The data set, such as mnist.", show_default=False)
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", envvar="HARNESS_DATA", help="The data folder; ~/.cache/harness if not given."
        ),
    ] = None,
) -> None:
    """Download a data set, checked, into the data folder.

    A download that was interrupted goes on where it stopped.
    """
    from harness.catalogue.data.fetch import fetch
    from harness.catalogue.data.folder import data_dir

    folder = to or data_dir()
    check_writable(folder, "data", "--to")
    paths = fetch(name, folder, on_progress=show.download())
    show.text("\n".join(str(path) for path in paths))
