"""What the `catalogue` command shows: every entry with its formula, its source and its search ranges."""

from __future__ import annotations

from typing import Any

import typer

from harness.catalogue.families import FAMILIES, ranges_of
from harness.cli import show
from harness.errors import UnknownName
from harness.words.ranges import OwnRange


def entries(family: str | None) -> dict[str, list[dict[str, Any]]]:
    """Family -> its entries: name, formula, source, ranges. Raises UnknownName for a family there isn't."""
    if family is not None and family not in FAMILIES:
        raise UnknownName("family", family, FAMILIES)
    return {
        name: [
            {
                "name": entry,
                "formula": own.formula,
                "source": own.source,
                "ranges": {path: r._asdict() for path, r in ranges_of(own).items()},
            }
            for entry, own in table.items()
        ]
        for name, (_, table) in FAMILIES.items()
        if family in (None, name)
    }


def show_entries(found: dict[str, list[dict[str, Any]]]) -> None:
    """A paragraph a family: an entry a line, its ranges below."""
    for number, (family, own) in enumerate(found.items()):
        typer.secho(f"{'' if number == 0 else chr(10)}{family}", bold=True, nl=False)
        show.text(f" ({FAMILIES[family].option})")
        width = max(len(entry["name"]) for entry in own)
        for entry in own:
            show.text(f"  {entry['name']:{width}}  {entry['formula']}  ({entry['source']})")
            for path, limits in entry["ranges"].items():
                show.text(f"  {'':{width}}    {path} {in_words(OwnRange(**limits))}")


def in_words(own: OwnRange) -> str:
    """A search range in words."""
    return f"{own.low:g} to {own.high:g}{', log' if own.log else ''}"
