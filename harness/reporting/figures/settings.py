"""The map of a universal claim: a cell a setting, with its verdict, its effect and the interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure

from harness.reporting.figures.forest import TONES
from harness.reporting.style import INK, WIDTH, new_figure, shown, wrapped

ANSWERS = ("SUPPORTED", "REFUTED", "INCONCLUSIVE", "NOT TESTABLE")
TINT = 0.24  # of a tone under black text
ROW = 0.7  # inches
POINTS_A_LETTER = 0.72  # width of a bold letter as a share of its size
LARGEST, SMALLEST = 7.4, 4.5  # points


def settings_map(cells: pd.DataFrame, factors: tuple[str, str]) -> Figure:
    """A heatmap by verdict, every cell with its text, so that it reads in black and white too.

    `cells`: row, column (labels, in order; one row named "" for a single factor), answer, and text, its
    lines, the first of which is set in bold. `factors` name the rows and the columns.
    """
    import seaborn as sns  # noqa: PLC0415 - as long to import as five figures take, and few reports have a map

    rows, columns = (list(dict.fromkeys(cells[k])) for k in ("row", "column"))
    codes = cells.assign(code=[ANSWERS.index(a) for a in cells["answer"]])
    grid = codes.pivot(index="row", columns="column", values="code").loc[rows, columns]
    figure = new_figure(0.75 + ROW * len(rows), WIDTH)
    axes = figure.add_subplot()
    tints = ListedColormap([tuple(1 - TINT * (1 - c) for c in to_rgb(TONES[a])) for a in ANSWERS])
    sns.heatmap(
        grid.astype(float), cmap=tints, vmin=0, vmax=len(ANSWERS), cbar=False, ax=axes,
        linewidths=1.5, linecolor="white", xticklabels=False, yticklabels=False,
    )  # fmt: skip
    size = _size(cells["text"], len(columns))
    for cell in cells.to_dict("records"):
        _text(axes, columns.index(cell["column"]) + 0.5, rows.index(cell["row"]) + 0.5, cell["text"], size)
    _ticks(axes, rows, columns)
    axes.set_xlabel(shown(factors[1]))
    axes.set_ylabel(shown(factors[0]))
    return figure


def _size(texts: Iterable[str], columns: int) -> float:
    """The font size, in points, at which the longest line fits its cell."""
    longest = max(len(line) for text in texts for line in text.split("\n"))
    room = 72 * 0.84 * WIDTH / columns
    return float(np.clip(room / (POINTS_A_LETTER * longest), SMALLEST, LARGEST))


def _text(axes: Any, x: float, y: float, text: str, size: float) -> None:
    first, _, rest = shown(text).partition("\n")
    style = {"ha": "center", "color": INK, "fontsize": size}
    axes.text(x, y - 0.17, first, va="bottom", fontweight="bold", **style)
    axes.text(x, y - 0.1, rest, va="top", linespacing=1.3, **style)


def _ticks(axes: Any, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set_xticks(np.arange(len(columns)) + 0.5, [wrapped(c, 18) for c in columns], rotation=0)
    if rows == [""]:
        axes.set_yticks([])
    else:
        axes.set_yticks(np.arange(len(rows)) + 0.5, [wrapped(r, 18) for r in rows], rotation=0)
    axes.tick_params(length=0)
    axes.grid(visible=False)
