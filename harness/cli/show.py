"""What the commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from harness.records.mirror_process import MirrorProcess
    from harness.reporting.build import ReportPaths
    from harness.running.cost import Plan
    from harness.words.verdict import StudyVerdict


def text(line: str) -> None:
    """Print to stdout."""
    typer.echo(line)


def json(value: Any) -> None:
    """Print JSON to stdout; NaN becomes null."""
    typer.echo(json_module.dumps(value, indent=2, default=str))


def error(line: str) -> None:
    """Print an error to stderr."""
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(line, err=True)


def warn(line: str) -> None:
    """Print a note to stderr."""
    typer.secho(f"note: {line}", fg="yellow", err=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON to a file and say so."""
    path.write_text(json_module.dumps(value, indent=2) + "\n", encoding="utf-8")
    text(f"wrote {path}")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns aligned by width."""
    cells = [list(header), *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        text("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


def studies(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of studies; verdicts on lines of their own."""
    if not rows:
        text("no studies here: a study is a file studies/NAME.yaml")
        return
    table(["study", "state", "title"], [[r["name"], r["state"], r["title"]] for r in rows])
    for row in rows:
        if row["verdict"]:
            text(f"\n{row['name']}: {row['verdict']}")


def data_sets(entries: Mapping[str, tuple[str, Any]]) -> None:
    """The data sets and their options with defaults."""
    for name, (description, options) in entries.items():
        typer.secho(name, bold=True, nl=False)
        text(f"  {description}")
        for option, field in options.model_fields.items():
            default = "required" if field.is_required() else f"default {field.default!r}"
            text(f"    data.{option}  ({default})  {field.description or ''}".rstrip())


def plan(made: Plan) -> None:
    """The plan in words."""
    table(
        ["arm", "parameters", "steps", "tuned", "tuning trials", "judged"],
        [
            [a.arm, f"{a.n_parameters:,}", f"{a.steps:,}", a.tuned, a.tuning_trials, a.judged]
            for a in made.arms
        ],
    )
    text(f"\n{made.trials:,} trials, {made.kept:,} of them there already")
    table(
        ["stacks", "trials each", "ms a step and model"],
        [[s.count, s.size, f"{s.ms:.3f}"] for s in made.stacks],
    )
    text(f"\nabout {made.minutes:.1f} minutes with {made.workers} workers, measured on a few steps")
    for line in made.detectable:
        text(line)


def done(verdict: StudyVerdict, paths: ReportPaths, time_s: float | None = None) -> None:
    """The verdict in one sentence, and where report and pages are."""
    text(f"\n{verdict.headline}\n")
    text(f"report  {paths.html}")
    text(f"        {paths.pdf}")
    text("runs    make ui")
    if time_s is not None:
        typer.echo(f"took {time_s:.0f} s", err=True)


def mirror(process: MirrorProcess, stored: str) -> None:
    """Wait for the mirror, which only reads what is kept; say so where it could not finish."""
    typer.echo("MLflow is being brought up to date ...", err=True, nl=False)
    whole = process.stop(timeout_s=120)
    state = process.state()
    if whole and not state.error:
        typer.echo(f" {state.mirrored} trials", err=True)
    else:
        typer.echo("", err=True)
        warn(f"MLflow lacks some trials ({state.error or 'it took too long'}): run `harness sync {stored}`")


@contextmanager
def download() -> Iterator[Callable[[str, int, int | None], None]]:
    """A line a file with the share that is there."""

    def on_progress(file: str, got: int, total: int | None) -> None:
        share = f"{100 * got / total:3.0f} %" if total else f"{got:,} bytes"
        typer.echo(f"\r{file}  {share}", err=True, nl=got == total)

    yield on_progress
