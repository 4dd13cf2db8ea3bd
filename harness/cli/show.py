"""What the commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import json as json_module
import math
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from harness.errors import BadInput
from harness.words.tolerance import in_words

if TYPE_CHECKING:
    from harness.reporting.build import ReportPaths
    from harness.running.cost import Plan
    from harness.words.design import Design
    from harness.words.verdict import StudyVerdict


_kept: list[TextIO] = []  # stdout, while it is kept for JSON
NOTHING_TO_DETECT = "no hypothesis: there is nothing to detect"


def text(line: str) -> None:
    """Print to stdout."""
    typer.echo(line)


def json(value: Any) -> None:
    """Print JSON to stdout; it has no NaN, so such a number becomes null."""
    printed = json_module.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    typer.echo(printed, file=_kept[-1] if _kept else None)


@contextlib.contextmanager
def stdout_for_json() -> Iterator[None]:
    """Keep stdout for JSON alone: what else is printed meanwhile, by a user's network say, goes to stderr."""
    _kept.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _kept.pop()


def progress(line: str, end: str = "\n") -> None:
    """Print to stderr how it goes on."""
    typer.echo(line + end, err=True, nl=False)


def error(line: str) -> None:
    """Print an error to stderr."""
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(line, err=True)


def warn(line: str) -> None:
    """Print a note to stderr."""
    typer.secho(f"note: {line}", fg="yellow", err=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON to a file and say so. Raises BadInput where it can't be written."""
    try:
        path.write_text(json_module.dumps(value, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"can't write {path}: {error.strerror}; name a file in a folder that is there"
        ) from None
    text(f"wrote {path}")


def table(header: Sequence[str], rows: Sequence[Sequence[object]], below: Sequence[str] = ()) -> None:
    """Print columns aligned by width; `below`: what stands wrapped under each row, if anything."""
    cells = [list(header), *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row, told in zip_longest(cells, ("", *below), fillvalue=""):
        text("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
        if told:
            paragraph(told)


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


def plan(design: Design, made: Plan) -> None:
    """The plan in words; arms and stacks that are alike share a row."""
    from harness.words.tuning_minima import tuning_caveats

    text(design.study.title or design.name)
    text(f"{design.study.claim.says}\n")
    like: dict[tuple[str, ...], list[str]] = {}
    for arm in made.arms:
        row = (f"{arm.n_parameters:,}", f"{arm.steps:,}", arm.tuned, str(arm.tuning_trials), str(arm.judged))
        like.setdefault(row, []).append(arm.arm)
    header = ["arms", "parameters", "steps a trial", "tuned", "tuning trials", "judged trials"]
    table(header, [[len(arms), *row] for row, arms in like.items()])
    for arms in like.values():
        paragraph(f"{len(arms)} arm{'s' if len(arms) > 1 else ''}: {'; '.join(arms)}")
    for arm in made.arms:
        if arm.tuned_with is not None:
            paragraph(f"{arm.arm}: its tuning trials are those of {arm.tuned_with}, run and counted once")
    text("")
    sizes = sorted({s.size for s in made.stacks}, reverse=True)
    header = ["stacks", "trials each", "ms a step and trial", "ms trained alone"]
    table(header, [_stacks(made, size) for size in sizes])
    kept = f", {made.kept:,} of them done already" if made.kept else ""
    workers = f"{made.workers} worker{'s' if made.workers > 1 else ''}"
    text(f"\n{made.trials:,} trials in all{kept}: about {minutes(made.minutes)} with {workers}")
    text("\nThe smallest effect it can detect:")
    for line in made.detectable or [NOTHING_TO_DETECT]:
        paragraph(line)
    _caveats(tuning_caveats(design))


def _caveats(found: Sequence[str]) -> None:
    if found:
        text("\nCaveats, which the report will repeat:")
    for line in found:
        paragraph(line)


def _stacks(made: Plan, size: int) -> list[object]:
    alike = [s for s in made.stacks if s.size == size]
    together, alone = _range([s.ms for s in alike]), _range([s.alone_ms for s in alike])
    return [sum(s.count for s in alike), size, together, alone]


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"


def minutes(value: float) -> str:
    """A length of time in minutes, as people say it."""
    if value < 1.5:
        return f"{60 * value:.0f} seconds"
    return f"{value:.0f} minutes" if value < 90 else f"{value / 60:.1f} hours"


def done(verdict: StudyVerdict, paths: ReportPaths, mirrored: Path | None) -> None:
    """The verdict in one sentence, where the report is, and how MLflow's pages of `mirrored` open."""
    text(f"\n{verdict.headline}\n")
    text(f"report  {paths.html}")
    text(f"        {paths.pdf}")
    if mirrored is not None:
        elsewhere = f"harness ui --results {shlex.quote(str(mirrored))}"
        text(f"UI      {'make ui' if mirrored == Path('results') else elsewhere}")


def download() -> Callable[[str, int, int | None], None]:
    """What draws a download: the share that is there on a terminal, else a line a file."""
    terminal = sys.stderr.isatty()

    def on_progress(file: str, got: int, total: int | None) -> None:
        share = f"{100 * got / total:3.0f} %" if total else f"{got:,} bytes"
        if terminal or got == total:
            progress(f"{chr(13) if terminal else ''}{file}  {share}", end="\n" if got == total else "")

    return on_progress


def paragraph(line: str) -> None:
    """Print to stdout, indented and wrapped at 96 columns."""
    text(indented(line))


def indented(line: str) -> str:
    """A line indented and wrapped at 96 columns."""
    return textwrap.fill(line, 96, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def reproduced(found: Mapping[str, Any]) -> None:
    """What a trial's rerun found."""
    within = in_words(found["tolerance"])
    same = f"the same, {within}" if found["same"] else f"different by up to {found['max_difference']:g}"
    text(
        f"trial {found['trial']} of {found['study']}, replicate {found['replicate']}: "
        f"{found['compared']} values, {same}"
    )
    text(
        f"recorded in a stack of {found['stack_size']} on {found['recorded_on']}, "
        f"now alone on {found['device']}"
    )
    if found["device"] != found["recorded_on"]:
        warn(f"not run on the record's own device, {found['recorded_on']}: compared {within}")
    if not found["data_same"]:
        warn("the data are not those of the record")
    for name, change in found["versions_changed"].items():
        warn(f"{name}: {change}")
