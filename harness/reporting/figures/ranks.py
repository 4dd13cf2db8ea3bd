"""Arms over several tasks: the critical-difference diagram of mean ranks, and the performance profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from harness.reporting.style import INK, MUTED, ArmStyle, log_axis, new_figure, plain_axis, shown

STEP = 0.3  # inches between bars, and between names
BAR_STEP = 0.5  # of the bars, in steps of the names
LEGEND_ROWS = 8
DECADE = 10.0  # ratios beyond this are drawn on a logarithmic axis


def critical_difference_diagram(
    ranks: pd.DataFrame, styles: Mapping[str, ArmStyle], groups: Sequence[tuple[int, int]], scale: float
) -> Figure:
    """Mean ranks on a line, the best at the left; a bar joins arms that are not told apart.

    `ranks`: arm, rank, ascending; `groups`: first and last row of every bar; `scale`: Nemenyi's critical
    difference, drawn as a measure above the line. Source: Demsar 2006, figure 1.
    """
    k, below = len(ranks), 0.45 + BAR_STEP * len(groups)
    half = -(-k // 2)
    depth = below + half - 0.6
    figure = new_figure(0.75 + STEP * (depth + 0.9))
    axes = figure.add_subplot()
    for place, (arm, rank) in enumerate(zip(ranks["arm"], ranks["rank"], strict=True)):
        level = below + (place if place < half else k - 1 - place)
        _stem(axes, (float(rank), level), styles[str(arm)], 0.0 if place < half else 1.0)
    for i, (first, last) in enumerate(groups):
        ends = [float(ranks["rank"].iloc[first]) - 0.01 * k, float(ranks["rank"].iloc[last]) + 0.01 * k]
        axes.plot(ends, [0.35 + BAR_STEP * i] * 2, color=INK, linewidth=3.5, solid_capstyle="butt")
    _scale(axes, scale)
    axes.set(xlim=(0.9, k + 0.1), ylim=(depth, -0.9))
    axes.set_xticks(range(1, k + 1))
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["top"].set(visible=True, position=("data", 0.0))
    return figure


def _stem(axes: Any, end: tuple[float, float], style: ArmStyle, side: float) -> None:
    """From the rank down and out to its name, at the left (0) or at the right (1) of the axes."""
    rank, level = end
    edge = axes.get_yaxis_transform()
    axes.plot([rank] * 2, [0, level], color=style.colour, linewidth=1.0)
    axes.annotate(
        f"{shown(style.name)}  {rank:.2f}" if side == 0 else f"{rank:.2f}  {shown(style.name)}",
        (rank, level),
        (side, level),
        xycoords="data",
        textcoords=edge,
        arrowprops={"arrowstyle": "-", "linewidth": 1.0, "color": style.colour, "shrinkA": 2, "shrinkB": 0},
        color=style.colour,
        fontsize=7.5,
        fontweight="bold",
        ha="right" if side == 0 else "left",
        va="center",
        annotation_clip=False,
    )


def _scale(axes: Any, width: float) -> None:
    """The critical difference as a bar of its length, from rank 1."""
    axes.plot([1, 1 + width], [-0.75] * 2, color=MUTED, linewidth=1.4, marker="|", markersize=5)
    axes.annotate(
        f"Nemenyi's critical difference {width:.2f}",
        (1 + width, -0.75),
        (5, 0),
        textcoords="offset points",
        fontsize=7.2,
        color=MUTED,
        va="center",
        annotation_clip=False,
    )


def performance_profile(
    curves: pd.DataFrame, styles: Mapping[str, ArmStyle], distance: str, best: float
) -> Figure:
    """The share of tasks on which an arm comes within a distance of the best one.

    `curves`: arm, distance, share, a row a step. `best`: the distance of the best arm itself, 1 for ratios
    and 0 for differences. Source: Dolan and More 2002.
    """
    figure = new_figure(2.9)
    axes = figure.add_subplot()
    far = float(curves["distance"].max())
    log = best > 0 and far > DECADE
    end = far * 1.3 if log else far + 0.06 * (far - best or 1.0)
    for arm, curve in curves.groupby("arm", sort=False):
        style = styles[str(arm)]
        x = [best, *curve["distance"], end]
        y = [float(curve["share"].where(curve["distance"] <= best, 0.0).max()), *curve["share"]]
        look: dict[str, Any] = {
            "color": style.colour,
            "marker": style.marker,
            "markersize": 4.5,
            "markevery": [0],
        }
        axes.step(
            x, [*y, y[-1]], where="post", linestyle=style.line, label=shown(style.name), clip_on=False, **look
        )
    axes.set_xscale("log" if log else "linear")
    axes.set(ylim=(-0.02, 1.03), xlim=(best, end), xlabel=shown(distance), ylabel="share of tasks")
    plain_axis(axes.yaxis)
    (log_axis if log else plain_axis)(axes.xaxis)
    axes.legend(loc="lower right", ncols=-(-len(axes.lines) // LEGEND_ROWS))  # all curves end at the top
    return figure
