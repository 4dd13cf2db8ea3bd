"""The document both renderers print: sections of small frozen blocks, plain text in all of them.

No block carries markup: whatever a study's author wrote is text, and each renderer escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from harness.reporting.numbers import readable

AS_THEY_ARE = ("svg", "id", "name", "kind", "tone")
Tone = Literal["supported", "refuted", "inconclusive", "note", "warning"]


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str
    kind: str = field(default="paragraph", init=False)


@dataclass(frozen=True)
class Subheading:
    """A heading inside a section."""

    text: str
    kind: str = field(default="subheading", init=False)


@dataclass(frozen=True)
class Facts:
    """Terms, each with its value."""

    items: tuple[tuple[str, str], ...]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Banner:
    """The answer on top: what was claimed, by whom, and what came out. `mark` says it without colour."""

    tone: Tone
    mark: str
    answer: str
    grade: str
    statement: str
    reason: str
    facts: tuple[tuple[str, str], ...]
    kind: str = field(default="banner", init=False)


@dataclass(frozen=True)
class Callout:
    """Something the reader must not miss."""

    tone: Tone
    title: str
    items: tuple[str, ...]
    kind: str = field(default="callout", init=False)


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers are set flush right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: str = field(default="table", init=False)

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"a row of {len(wrong[0])} cells in a table of {len(self.columns)} columns")


@dataclass(frozen=True)
class Figure:
    """A drawing. `alt` says what it shows to those who can't see it; `caption` how to read it.

    `data` is what was drawn, by column: it goes to verdict.json, not into the page.
    """

    name: str
    svg: str
    alt: str
    caption: str
    data: Mapping[str, list[Any]] = field(default_factory=dict, repr=False, compare=False)
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True)
class Code:
    """Commands, one a line."""

    text: str
    kind: str = field(default="code", init=False)


Block = Paragraph | Subheading | Facts | Banner | Callout | Table | Figure | Code


@dataclass(frozen=True)
class Section:
    """A titled part; `id` is its anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report. `headline` is the verdict in one sentence, for whoever lists reports."""

    title: str
    subtitle: str
    headline: str
    sections: tuple[Section, ...]


def plain(value: Any) -> Any:
    """The document as dicts, lists and strings: all that a renderer's template reads.

    Numbers in sentences are made readable, and "%" sticks to its number; commands and drawings stay.
    """
    if is_dataclass(value):
        texts = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "data"}
        return {k: v if k in AS_THEY_ARE or isinstance(value, Code) else plain(v) for k, v in texts.items()}
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return readable(value).replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(value, str) else value


def blocks_of(document: Document, kind: type[Any]) -> list[Any]:
    """Every block of one kind, in order."""
    return [b for section in document.sections for b in section.blocks if isinstance(b, kind)]
