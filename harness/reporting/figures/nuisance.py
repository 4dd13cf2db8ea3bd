"""The nuisance axis: what each arm scored at each tuned value (the U-curve of the learning rate)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.reporting.figures.learning import TITLE_WIDTH, Measure
from harness.reporting.style import (
    INK,
    WARNING,
    ArmStyle,
    log_axis,
    new_grid,
    plain_axis,
    shown,
    value_axis,
    wrapped,
)

ROUND_MARKS = ("o", "^", "s", "D", "v")  # declared points, then each extension


def nuisance_panels(
    points: pd.DataFrame,
    styles: Mapping[str, ArmStyle],
    axis: tuple[str, bool],
    measure: Measure,
    line: bool = True,
) -> Figure:
    """A panel an arm. Small dots are tuning seeds, the line their mean, the ring what was chosen.

    `points`: arm, x, value (one a tuning seed; NaN where it diverged), score (their mean, NaN where
    any diverged), round, diverged (bool), chosen (bool). `axis`: the parameter's name, and whether
    it is logarithmic. `measure`: the vertical axis, that of all panels. `line`: whether points make one
    curve.
    """
    arms = [a for a in styles if a in set(points["arm"])]
    figure, panels = new_grid(len(arms), 4 if len(arms) > 3 else 3, 1.5, sharey=True)
    for axes, arm in zip(panels, arms, strict=True):
        _arm(axes, points[points["arm"] == arm].sort_values("x"), styles[arm].colour, line)
        axes.set_title(wrapped(arm, TITLE_WIDTH), color=styles[arm].colour)
        if axis[1]:
            axes.set_xscale("log")
            log_axis(axes.xaxis)
        else:
            plain_axis(axes.xaxis)
        axes.margins(x=0.06, y=0.08)
    for axes in panels:  # once all have their data: they share the axis
        value_axis(axes, measure.log)
    figure.supxlabel(shown(axis[0]), fontsize=8)
    figure.supylabel(wrapped(measure.label), fontsize=8)
    figure.legend(handles=_keys(points), loc="outside upper right", ncols=5)
    return figure


def _arm(axes: Any, points: pd.DataFrame, colour: str, line: bool) -> None:
    means = points.drop_duplicates("x").dropna(subset=["score"])
    if line:
        axes.plot(means["x"], means["score"], color=colour, linewidth=1.1, alpha=0.85)
    for number in sorted(set(means["round"])):
        group = means[means["round"] == number]
        mark = ROUND_MARKS[int(number) % len(ROUND_MARKS)]
        face = colour if number == 0 else "white"
        axes.plot(
            group["x"], group["score"], mark, color=colour, markersize=4, markerfacecolor=face, linestyle=""
        )
    axes.plot(points["x"], points["value"], ".", color=colour, markersize=2.2, alpha=0.6)
    lost = points[points["diverged"]].drop_duplicates("x")
    if len(lost):  # an empty line that isn't clipped would upset the layout
        axes.plot(
            lost["x"], [0.04] * len(lost), "x", color=WARNING, markersize=4.5, markeredgewidth=1.2,
            transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip
    for x, y in means.loc[means["chosen"], ["x", "score"]].to_numpy():
        axes.plot([x], [y], "o", markersize=9.5, markerfacecolor="none", markeredgecolor=INK)
        axes.axvline(x, color=INK, linewidth=0.7, linestyle=":")


def _keys(points: pd.DataFrame) -> list[Line2D]:
    keys = [
        Line2D([], [], marker="o", color=INK, markersize=4, linewidth=1, label="mean of the tuning seeds"),
        Line2D(
            [], [], marker="o", color=INK, markersize=8, markerfacecolor="none", linestyle="", label="chosen"
        ),
    ]
    for number in sorted(set(points["round"]) - {0}):
        look: dict[str, Any] = {
            "marker": ROUND_MARKS[int(number) % len(ROUND_MARKS)],
            "markerfacecolor": "white",
        }
        keys.append(
            Line2D([], [], color=INK, markersize=4, linestyle="", label=f"extension {number}", **look)
        )
    if points["diverged"].any():
        keys.append(Line2D([], [], marker="x", color=WARNING, markersize=5, linestyle="", label="diverged"))
    return keys
