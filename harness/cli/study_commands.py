"""Commands about studies: what there is, what it would take, running, reports, the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import show
from harness.cli.folders import check_writable
from harness.cli.options import (
    REPORTS,
    RESULTS,
    Amend,
    Budget,
    Device,
    Json,
    LargestStack,
    Mlflow,
    Name,
    Pilot,
    Replicates,
    Reports,
    Results,
    Tier,
    Workers,
)
from harness.errors import RunFailed

app = typer.Typer()


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
    from harness.words.study_file import check_asks, load_study

    path = find(file)
    study = load_study(path)
    validate_study(study)
    check_asks(study)
    show.text(f"{path}: valid")


@app.command()
def plan(
    name: Name,
    tier: Tier = None,
    replicates: Replicates = None,
    budget: Budget = None,
    pilot: Pilot = None,
    workers: Workers = None,
    device: Device = "auto",
    stack: LargestStack = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """What a run would do, detect and cost, before it runs.

    Arms, trials, stacks, the smallest effect that each hypothesis can detect, and the minutes it takes,
    from timing a few steps of every program. How much outcomes vary is known from earlier records; before
    there are any, --pilot trains a few replicates that are never judged.
    """
    from harness.cli.asked import Asked, check_asked

    check_asked([name], everything=False, changes={"replicates": replicates, "budget": budget})
    asked = Asked(name, tier, replicates)
    asked.check(budget, pilot)
    check_writable(results, "results")
    from harness.cli.budget import Means, within
    from harness.cli.pilot import take_pilot
    from harness.cli.running import device_of, load_design
    from harness.running.cores import workers_on
    from harness.running.cost import make_plan
    from harness.running.job import largest_on
    from harness.running.search_plan import make_search_plan
    from harness.words.tuning_minima import tuning_caveats

    found = device_of(device)
    means = Means(workers or workers_on(found), found, stack or largest_on(found))
    if pilot is not None:
        take_pilot(asked, pilot, results, means)
    if budget is not None:
        asked = within(asked, budget, results, means)
    design = load_design(asked)
    if design.study.kind == "search":
        made = make_search_plan(design, results, means.workers, means.device)
    else:
        made = make_plan(design, results, *means)
    if as_json:
        show.json(made.model_dump(mode="json") | {"caveats": tuning_caveats(design)})
    else:
        show.plan(design, made)


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
    device: Device = "auto",
    stack: LargestStack = None,
    amend: Amend = None,
    mlflow: Mlflow = True,
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
        Asked(named[0], tier, replicates).check(budget)
    from harness.running.cores import workers_on
    from harness.running.executors import WorkerProcesses

    with WorkerProcesses(1) as executor:  # it imports what training needs while this process does
        from harness.cli.running import Settings, device_of, run_one
        from harness.running.job import largest_on

        found = device_of(device)
        executor.grow(workers or workers_on(found))
        largest = stack or largest_on(found)
        settings = Settings(results, reports, executor, found, largest, amend, mlflow)
        if everything or len(named) > 1:
            from harness.cli.many import run_many

            run_many(named, tier, settings, as_json)
            return
        asked = Asked(named[0], tier, replicates)
        if budget is not None:
            from harness.cli.budget import Means, tell_detectable, within

            asked = within(asked, budget, results, Means(executor.workers, found, largest))
            tell_detectable(asked, results)
        run_one(asked, settings, as_json)


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
    controls: Annotated[
        bool, typer.Option(help="Run the control studies that have no verdict, where a claim has one.")
    ] = True,
    tier: Tier = None,
    results: Results = RESULTS,
    reports: Reports = REPORTS,
    as_json: Json = False,
) -> None:
    """Every claim, its verdict, and what becomes of the notes.

    Controls first: one that has no verdict yet is run now (a minute), as no claim is guarded without;
    p values corrected for all claims together; studies that have not run are listed too. With a tier,
    those studies that have it are shown in it.
    """
    from harness.cli.ledger import check_tier, ledger_of, open_controls, show_ledger, write_ledger

    check_tier(tier)
    if write:
        check_writable(reports, "reports")
    found, failed = ledger_of(results, reports, tier), []
    waiting = open_controls(found) if controls else []
    if waiting:
        failed = _run_controls(waiting, tier, results, reports)
        found = ledger_of(results, reports, tier)
    show.json(found.model_dump(mode="json")) if as_json else show_ledger(found)
    if write:
        write_ledger(found, reports)
    if failed:
        raise RunFailed(f"controls failed to run: {', '.join(failed)}; --no-controls leaves them alone")


def _run_controls(names: list[str], tier: str | None, results: Path, reports: Path) -> list[str]:
    """Run them as `harness run` does unless told otherwise; those that failed."""
    from harness.running.cores import workers_on
    from harness.running.executors import WorkerProcesses

    with WorkerProcesses(1) as executor:
        from harness.cli.many import run_controls
        from harness.cli.running import Settings, device_of
        from harness.running.job import largest_on

        found = device_of("auto")
        executor.grow(workers_on(found))
        settings = Settings(results, reports, executor, found, largest_on(found), None, mlflow=True)
        return run_controls(names, tier, settings)


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
