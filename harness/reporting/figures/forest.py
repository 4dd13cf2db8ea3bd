"""Forest plot: every effect with its interval, against no difference and the smallest that matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.reporting.style import COLOURS, GRID, INK, MUTED, new_figure, plain_axis, shown

MARKS = {"SUPPORTED": "o", "REFUTED": "s", "INCONCLUSIVE": "D", "NOT TESTABLE": "x", "": "|"}
TONES = {
    "SUPPORTED": COLOURS[0],
    "REFUTED": COLOURS[1],
    "INCONCLUSIVE": MUTED,
    "NOT TESTABLE": MUTED,
    "": INK,
}
LINEAR_TO = 12.0  # multiples of delta; beyond this the axis becomes logarithmic


def forest(rows: pd.DataFrame) -> Figure:
    """One row an effect, in multiples of its smallest effect that matters.

    `rows`: label, shown (its text), answer ("" for a part of a hypothesis), and value, low, high
    divided by delta. Intervals may be infinite. `from`, `to`: the tinted part of the row, if any.
    """
    figure = new_figure(0.75 + 0.42 * len(rows))
    axes = figure.add_subplot()
    finite = rows[["value", "low", "high"]].to_numpy(dtype=float)
    reach = max(2.0, float(np.abs(finite[np.isfinite(finite)]).max(initial=0)))
    far = reach > LINEAR_TO
    if far:
        axes.set_xscale("symlog", linthresh=2, linscale=1.2)
    bound = reach * (1.25 if far else 1.08)
    axes.axvspan(-1, 1, color=GRID, alpha=0.55, lw=0)
    axes.axvline(0, color=INK, linewidth=0.9)
    for edge in (-1, 1):
        axes.axvline(edge, color=MUTED, linewidth=0.8, linestyle="--")
    for y, row in enumerate(rows.to_dict("records")):
        _effect(axes, y, row, bound)
    axes.set(xlim=(-bound, bound), ylim=(len(rows) - 0.5, -0.75))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if far:
        ticks = [t for t in (-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100) if abs(t) <= bound]
        axes.set_xticks(ticks)
    plain_axis(axes.xaxis)
    axes.set_xlabel("effect in multiples of δ, the smallest that matters\n← against the claim | for it →")
    return figure


def _effect(axes: Any, y: int, row: dict[Any, Any], bound: float) -> None:
    colour = TONES[row["answer"]]
    if row["from"] is not None and not np.isnan(row["from"]):
        ends = np.clip([row["from"], row["to"]], -bound, bound)
        axes.fill_betweenx([y - 0.2, y + 0.2], *ends, color=COLOURS[2], alpha=0.22, lw=0)
    low, high = (float(np.clip(row[k], -bound, bound)) for k in ("low", "high"))
    axes.plot([low, high], [y, y], color=colour, linewidth=1.6 if row["answer"] else 1.0)
    for end, mark in ((row["low"], "<"), (row["high"], ">")):
        if np.isinf(end):
            axes.plot([np.sign(end) * bound * 0.99], [y], mark, color=colour, markersize=4)
    edge = "white" if MARKS[row["answer"]] in "osD" else colour
    axes.plot([row["value"]], [y], MARKS[row["answer"]], color=colour, markersize=6, markeredgecolor=edge)
    place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 7.4}
    axes.annotate(shown(row["shown"]), (1.015, y), **place)
    weight = "bold" if row["answer"] else "normal"
    behind = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.6}  # a long one meets lines
    label = axes.annotate(shown(row["label"]), (0.0, y - 0.42), **place, fontweight=weight, bbox=behind)
    label.set_in_layout(False)
