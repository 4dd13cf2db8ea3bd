"""`python -m tests.benchmarks`: the harness measured against its peers on this machine."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import UnknownName
from tests.benchmarks.cases import CASES
from tests.benchmarks.machine import machine
from tests.benchmarks.page import COLUMNS, cells, write_page
from tests.benchmarks.session import Result, Row, Session, Skipped

FORMAT = 1
PAGE = Path("reports/bench/index.html")


def main(
    cases: Annotated[list[str] | None, typer.Argument(help="Cases; all where none is named.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 2,
    scale: Annotated[float, typer.Option(min=0.001, max=1, help="Share of the trials peers run.")] = 0.05,
    full: Annotated[bool, typer.Option(help="Peers run every trial (hours).")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the record goes.")] = None,
    page: Annotated[Path, typer.Option(help="Where the HTML page goes.")] = PAGE,
    list_cases: Annotated[bool, typer.Option("--list", help="Say what cases there are.")] = False,
) -> None:
    """Run cases and write the record, a table and a page. Ends with 1 where a case failed."""
    if list_cases:
        typer.echo("\n".join(f"{name:<12} {case.description}" for name, case in CASES.items()))
        return
    wanted = _wanted(cases or list(CASES))
    facts = machine()
    begun = time.perf_counter()
    options = {"rounds": rounds, "scale": scale, "full": full, "cases": wanted}
    target = json_path or Path("results/bench") / f"{datetime.now(UTC):%Y-%m-%d}.json"
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        session = Session(Path(folder), rounds, scale, full, lambda line: typer.echo(line, err=True))
        for name in wanted:
            results[name] = _run(name, session)
            took_s = round(time.perf_counter() - begun, 1)
            session.say(f"  {name} done, {took_s:.0f} s since the start")
            # After every case: hours of measuring survive whatever ends the next one.
            _write(target, page, results, facts, {**options, "took_s": took_s})
    rows, notes = flat(results)
    _print(rows, notes)
    typer.echo(f"\nrecord  {target}\npage    {page}")
    if any(result.failed for result in results.values()):
        raise typer.Exit(1)


def _wanted(names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in CASES:
            typer.echo(f"error: {UnknownName('case', name, CASES)}", err=True)
            raise typer.Exit(2)
    return list(dict.fromkeys(names))


def _run(name: str, session: Session) -> Result:
    """A case's result; one that is skipped or fails says so, and the others go on."""
    session.say(f"{name}: {CASES[name].description}")
    try:
        return CASES[name].run(session)
    except Skipped as why:
        result = Result(notes=[f"skipped: {why}"])
    except Exception as error:
        result = Result(notes=[f"failed: {type(error).__name__}: {error}"], failed=True)
    session.say(f"  {result.notes[0]}")
    return result


def flat(results: Mapping[str, Result]) -> tuple[list[Row], list[str]]:
    """The rows of all cases, and their notes with the case named."""
    rows = [row for result in results.values() for row in result.rows]
    return rows, [f"{name}: {note}" for name, result in results.items() for note in result.notes]


def _write(
    target: Path, page: Path, results: Mapping[str, Result], facts: dict[str, Any], options: dict[str, Any]
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    record = to_record(results, facts, options)
    target.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_page(page, *flat(results), facts)


def to_record(
    results: Mapping[str, Result], facts: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Everything a session found, as JSON."""
    return {
        "format": FORMAT,
        "machine": facts,
        "options": options,
        "results": [row.as_json() for result in results.values() for row in result.rows],
        "failed": [name for name, result in results.items() if result.failed],
        "notes": {name: result.notes for name, result in results.items() if result.notes},
        "runs": [run for result in results.values() for run in result.runs],
    }


def _print(rows: Sequence[Row], notes: Sequence[str]) -> None:
    table = [tuple(c.title for c in COLUMNS), *(cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        typer.echo("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())
    for note in notes:
        typer.echo(f"note: {note}")


if __name__ == "__main__":
    typer.run(main)
