"""Time to a target: the share of runs that reached it, and how the answer depends on the target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.reporting.figures.lines import line_panels, name_axes, name_lines
from harness.reporting.style import COLOURS, GRID, INK, ArmStyle, new_figure, plain_axis, ratio_axis, shown

MANY_CENSORED = 0.2  # share of an arm's runs: beyond it the ratio is drawn hollow


def survival(times: pd.DataFrame, styles: Mapping[str, ArmStyle], budget: float, unit: str) -> Figure:
    """Share of an arm's runs that reached the target by each time (one minus Kaplan–Meier).

    `times`: arm, time, reached (bool); time and the budget in `unit`, "optimizer steps" say. Runs that
    never reach it are censored at the budget, the same for all, so the share is plain counting.
    """
    figure, panels = line_panels(map(str, times["arm"].unique()), styles, 2.7)
    ends: dict[str, float] = {}
    for arm, group in times.groupby("arm", sort=False):
        style, axes = styles[str(arm)], panels[str(arm)]
        reached = np.sort(group.loc[group["reached"], "time"].to_numpy(dtype=float))
        share = np.arange(len(reached) + 1) / len(group)
        x, y = np.r_[0, reached, budget], np.r_[share, share[-1]]
        axes.step(x, y, where="post", color=style.colour, linestyle=style.line)
        ends[str(arm)] = float(share[-1])
    for axes in dict.fromkeys(panels.values()):
        axes.set(ylim=(-0.02, 1.03), xlim=(0, budget))
        plain_axis(axes.xaxis)
        plain_axis(axes.yaxis)
    name_axes(figure, panels, unit, "share of runs at the target")
    name_lines(figure, panels, ends, styles)
    return figure


def sensitivity(
    rows: pd.DataFrame, delta: float | None, target: float | None, label: str, unit: str
) -> Figure:
    """The speed-up for a grid of targets, a ratio of times in `unit`, as `delta` is.

    `rows`: target, ratio, low, high, a_censored, b_censored (shares of runs that missed the target). A
    point is hollow where many did in either arm: cut at the budget, they pull the ratio towards 1.
    """
    figure = new_figure(2.5)
    axes = figure.add_subplot()
    axes.fill_between(rows["target"], rows["low"], rows["high"], color=COLOURS[0], alpha=0.15, lw=0)
    axes.plot(rows["target"], rows["ratio"], "-", color=COLOURS[0])
    many = many_censored(rows)
    for chosen, face in ((~many, COLOURS[0]), (many, "white")):
        points = rows[chosen]
        axes.plot(
            points["target"], points["ratio"], "o", color=COLOURS[0], markersize=4, markerfacecolor=face
        )
    if delta is not None:
        axes.axhspan(1 / delta, delta, color=GRID, alpha=0.6, lw=0, zorder=0)
    axes.axhline(1, color=INK, linewidth=0.9)
    if target is not None:
        axes.axvline(target, color=INK, linewidth=0.8, linestyle=":")
    axes.margins(y=0.15)
    ratio_axis(axes.yaxis)
    plain_axis(axes.xaxis)
    axes.set(xlabel=shown(label), ylabel=f"ratio of {unit} (log scale)")
    return figure


def many_censored(rows: pd.DataFrame) -> pd.Series[bool]:
    """At which targets more than `MANY_CENSORED` of either arm's runs missed it."""
    return rows[["a_censored", "b_censored"]].max(axis=1) > MANY_CENSORED
