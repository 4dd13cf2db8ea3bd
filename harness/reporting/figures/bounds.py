"""Means with their intervals against what was claimed of them: a bound, or two."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.reporting.style import COLOURS, INK, MUTED, new_figure, plain_axis, shown, wrapped

ROW = 0.3  # inches


def against_bounds(
    rows: pd.DataFrame, runs: pd.DataFrame, claimed: tuple[float | None, float | None], label: str
) -> Figure:
    """A row a mean: its runs, its 95 % interval, and the tinted side where the claim says that it lies.

    `rows`: label, value, low, high, and low_90, high_90 (NaN where there is none); `runs`: label,
    value. `claimed` are the ends of what is claimed, None where it is open.
    """
    figure = new_figure(0.95 + ROW * len(rows))
    axes = figure.add_subplot()
    for y, row in enumerate(rows.to_dict("records")):
        values = runs.loc[runs["label"] == row["label"], "value"].to_numpy(dtype=float)
        axes.plot(values, np.full(len(values), y), "o", color=MUTED, markersize=3, alpha=0.35)
        axes.plot([row["low"], row["high"]], [y, y], color=COLOURS[0], linewidth=1.6)
        axes.plot([row["low_90"], row["high_90"]], [y, y], color=COLOURS[0], linewidth=4.5)
        axes.plot([row["value"]], [y], "D", color=COLOURS[0], markersize=6, markeredgecolor="white")
    low, high = axes.get_xlim()
    inside = [end for end in claimed if end is not None]
    low, high = min([low, *inside]), max([high, *inside])
    space = 0.06 * (high - low)
    left, right = low - space, high + space
    tinted = (left if claimed[0] is None else claimed[0], right if claimed[1] is None else claimed[1])
    axes.axvspan(*tinted, color=COLOURS[2], alpha=0.1, lw=0)
    for end in inside:
        axes.axvline(end, color=INK, linewidth=1.0, linestyle="--")
    axes.set(xlim=(left, right), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [wrapped(str(text), 30) for text in rows["label"]])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(shown(label))
    plain_axis(axes.xaxis)
    return figure
