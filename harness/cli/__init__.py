"""Typer commands, a few lines each; the only place that prints or exits.

Heavy modules are imported inside the command that needs them, so that `--help` and `list` start at
once: the one place in the project where imports stand in functions.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.cli import show
from harness.cli.folders import check_writable
from harness.errors import HarnessError, RunFailed

app = typer.Typer(
    name="harness",
    help="Does X help, by how much, and how sure are we? Studies of neural networks, from YAML to a verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Data sets: what there is, and fetching what is missing.", no_args_is_help=True)
app.add_typer(data_app, name="data")

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

RESULTS, REPORTS = Path("results"), Path("reports")
INTERRUPTED = 130  # 128 + SIGINT


def main() -> None:
    """Run the command line; an error raised on purpose becomes one message and its exit code."""
    try:
        app()
    except HarnessError as error:
        show.error(str(error))
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what Typer makes of Ctrl-C
            show.error("interrupted; everything finished is kept. The same command goes on from there.")
        raise


@app.callback(invoke_without_command=True)
def version(
    wanted: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Print the version where it is asked for."""
    if wanted:
        typer.echo(f"harness {__version__}")
        raise typer.Exit()


@app.command("list")
def list_studies(results: Results = RESULTS, reports: Reports = REPORTS, as_json: Json = False) -> None:
    """The studies there are, and where each stands."""
    from harness.cli.listing import listing

    rows = listing(results, reports)
    show.json(rows) if as_json else show.studies(rows)


@app.command("show")
def show_study(name: Name, as_json: Json = False) -> None:
    """A study's file: its claim, arms, tuning and hypotheses."""
    from harness.planning.studies import find
    from harness.words.study_file import load_study

    path = find(name)
    study = load_study(path).study
    show.json(study.model_dump(mode="json")) if as_json else show.text(path.read_text(encoding="utf-8"))


@app.command()
def validate(file: Name) -> None:
    """Check a study file's form and meaning without running anything."""
    from harness.planning.design import validate_study
    from harness.planning.studies import find
    from harness.words.study_file import load_study

    path = find(file)
    for note in validate_study(load_study(path)):
        show.warn(note)
    show.text(f"{path}: valid")


@app.command()
def plan(
    name: Name,
    tier: Tier = None,
    replicates: Replicates = None,
    budget: Budget = None,
    workers: Workers = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """What a run would do, detect and cost, before it runs.

    Arms, trials, stacks, the smallest difference the design can detect, and the minutes it takes,
    from timing a few steps of every program.
    """
    from harness.cli.asked import Asked, check_asked

    check_asked([name], everything=False, changes={"replicates": replicates, "budget": budget})
    asked = Asked(name, tier, replicates)
    asked.file()  # what is wrong there is said before seconds of imports
    check_writable(results, "results")
    from harness.cli.running import device_of, load_design
    from harness.running.cost import make_plan
    from harness.running.executors import cores
    from harness.running.search_plan import make_search_plan

    n_workers, device = workers or cores(), device_of("auto")
    if budget is not None:
        from harness.cli.budget import within

        asked = within(asked, budget, results, n_workers, device)
    design = load_design(asked)
    planned = make_search_plan if design.study.kind == "search" else make_plan
    made = planned(design, results, n_workers, device)
    show.json(made.model_dump(mode="json")) if as_json else show.plan(design, made)


@app.command()
def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", help="Studies' names, or paths of .yaml files.", show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run all studies, one after the other.")] = False,
    tier: Tier = None,
    replicates: Replicates = None,
    budget: Budget = None,
    workers: Workers = None,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="cpu, cuda, or auto: cuda where there is a GPU.")
    ] = "auto",
    stack: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Most trials trained together as one stack; fewer where that is faster."
        ),
    ] = 256,
    amend: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Why the design changed after judging; the report discloses it."),
    ] = None,
    mlflow: Annotated[bool, typer.Option(help="Mirror everything to MLflow.")] = True,
    results: Results = RESULTS,
    reports: Reports = REPORTS,
    as_json: Json = False,
) -> None:
    """Run a study to its verdict and report. A run that was stopped goes on where it was.

    Several studies run one after the other, controls first: what is done is passed over, what fails is
    told at the end, and the ledger is written.
    """
    from harness.cli.asked import Asked, check_asked

    named = names or []
    check_asked(named, everything, {"amend": amend, "replicates": replicates, "budget": budget})
    if not everything:
        Asked(named[0], tier, replicates).file()  # what is wrong there is said before seconds of imports
    from harness.running.executors import WorkerProcesses, cores

    with WorkerProcesses(1) as executor:  # it imports what training needs while this process does
        from harness.cli.running import Settings, device_of, run_one

        found = device_of(device)
        executor.grow(workers or (1 if found == "cuda" else cores()))
        settings = Settings(results, reports, executor, found, stack, amend, mlflow)
        if not everything and len(named) == 1:
            run_one(Asked(named[0], tier, replicates), budget, settings, as_json)
            return
        from harness.cli.many import run_many

        run_many(named, tier, settings, as_json)


@app.command()
def report(
    name: Name,
    tier: Tier = None,
    results: Results = RESULTS,
    reports: Reports = REPORTS,
    keep: Annotated[bool, typer.Option("--gallery", help="Put PDF and picture into the gallery.")] = False,
    as_json: Json = False,
) -> None:
    """Rebuild a study's report from its records alone."""
    from harness.cli.reports import gallery, known_results, rebuild

    if keep:
        for path in gallery(known_results(name, tier, results), results, reports):
            show.text(str(path))
        return
    verdict, paths = rebuild(known_results(name, tier, results), results, reports)
    show.json(verdict.model_dump(mode="json")) if as_json else show.done(verdict, paths, results)


@app.command("ledger")
def list_claims(
    write: Annotated[
        bool, typer.Option("--write", help="Write the page index.html and ledger.json into the reports.")
    ] = False,
    tier: Tier = None,
    results: Results = RESULTS,
    reports: Reports = REPORTS,
    as_json: Json = False,
) -> None:
    """Every claim, its verdict, and what becomes of the notes.

    Controls first; p values corrected for all claims together; studies that have not run are listed
    too. With a tier, those studies that have it are shown in it.
    """
    from harness.cli.ledger import ledger_of, show_ledger, write_ledger

    if write:
        check_writable(reports, "reports")
    found = ledger_of(results, reports, tier)
    show.json(found.model_dump(mode="json")) if as_json else show_ledger(found)
    if write:
        write_ledger(found, reports)


@app.command("compare")
def compare_studies(
    names: Annotated[
        list[str],
        typer.Argument(metavar="STUDY...", help="Judged studies; a tier is NAME-TIER.", show_default=False),
    ],
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Studies, or tiers of one, side by side.

    Verdicts, effects and arms of two or more judged studies, from their records alone. Hypotheses
    that are written alike share a row, and so do arms of the same label.
    """
    from harness.cli.compare import compared, show_compared

    found = compared(names, results)
    show.json(found) if as_json else show_compared(found)


@app.command()
def reproduce(
    trial: Annotated[str, typer.Argument(help="A trial's id, or how it begins.", show_default=False)],
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda where there is one.")] = "auto",
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Run one recorded trial again, alone, and compare every metric."""
    from harness.cli.running import device_of
    from harness.running.reruns import reproduce as rerun

    found = rerun(results, trial, device_of(device))
    show.json(found) if as_json else show.reproduced(found)
    if not found["same"]:
        raise RunFailed(f"trial {found['trial']} did not come out the same")


@app.command()
def sync(name: Name, tier: Tier = None, results: Results = RESULTS, reports: Reports = REPORTS) -> None:
    """Bring MLflow up to date with a study's records."""
    from harness.cli.reports import known_results
    from harness.records.mirror import places
    from harness.records.mirror import sync as synchronise

    where = places(results, known_results(name, tier, results), reports_root=reports)
    done = synchronise(where)
    show.text(f"MLflow at {where.uri}: {done.created:,} trials added, {done.skipped:,} were there already")
    if done.failed:
        raise RunFailed(f"{done.failed:,} trials could not be mirrored: {done.error}")


@app.command()
def ui(
    port: Annotated[
        int, typer.Option(metavar="PORT", min=1, max=65535, help="The port, or the next free one.")
    ] = 5000,
    results: Results = RESULTS,
) -> None:
    """Serve the MLflow pages of all studies on 127.0.0.1."""
    from harness.cli.serving import serve

    check_writable(results, "results")
    serve(results, port)


@app.command("new")
def new_study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new study's name.", show_default=False)],
) -> None:
    """Write a study file to begin with, studies/NAME.yaml.

    It is whole, commented and valid; a file that is there already is left alone.
    """
    from harness.cli.new import write_study

    path = write_study(name)
    show.text(f"wrote {path}. Edit it, then: harness validate {name}")


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


__all__ = ["app", "main"]
