"""Learning curves: medians of all arms in one panel, and a panel an arm with every seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.reporting.figures.lines import line_panels, name_axes, name_lines
from harness.reporting.style import (
    INK,
    MUTED,
    ArmStyle,
    long_axis,
    new_grid,
    plain_axis,
    shown,
    value_axis,
    wrapped,
)

TITLE_WIDTH = 20  # letters over a panel
TRAIN_LINE = (0, (4, 2))
FAR_APART = 10  # times as many steps in the longest run as in the shortest: then steps are logarithmic


class Measure(NamedTuple):
    """What the vertical axis shows."""

    label: str
    log: bool
    target: float | None = None


def learning_medians(bands: pd.DataFrame, styles: Mapping[str, ArmStyle], measure: Measure) -> Figure:
    """Validation medians of every arm with their bands.

    `bands`: arm, split, step, median, low, high.
    """
    validation = bands[bands["split"] == "val"]
    figure, panels = line_panels(map(str, validation["arm"].unique()), styles, 3.1)
    ends: dict[str, float] = {}
    for arm, band in validation.groupby("arm", sort=False):
        style, axes = styles[str(arm)], panels[str(arm)]
        axes.fill_between(band["step"], band["low"], band["high"], color=style.colour, alpha=0.13, lw=0)
        axes.plot(band["step"], band["median"], color=style.colour, linestyle=style.line)
        last = band.dropna(subset=["median"]).tail(1)
        axes.plot(last["step"], last["median"], style.marker, color=style.colour, markersize=4)
        ends |= {str(arm): float(y) for y in last["median"]}
    linear_up_to = _linear_up_to(bands)
    for axes in dict.fromkeys(panels.values()):
        _finish(axes, measure, linear_up_to)
        axes.margins(x=0.01)
    name_axes(figure, panels, "optimizer steps", f"validation {measure.label}")
    name_lines(figure, panels, ends, styles)
    return figure


def learning_panels(
    curves: pd.DataFrame, bands: pd.DataFrame, styles: Mapping[str, ArmStyle], measure: Measure
) -> Figure:
    """A panel an arm: the given replicates faint, medians strong, training dashed and validation solid.

    `curves`: arm, split, replicate, step, value; `bands` as in `learning_medians`.
    """
    arms = [a for a in styles if a in set(bands["arm"])]
    figure, panels = new_grid(len(arms), 4 if len(arms) > 3 else 3, 1.7, sharex=True, sharey=True)
    for axes in panels:
        axes.autoscale(enable=False)  # else whatever is added to a panel scales all of them anew
    for axes, arm in zip(panels, arms, strict=True):
        colour = styles[arm].colour
        for split, line in (("train", MUTED), ("val", colour)):
            _seeds(axes, curves[(curves["arm"] == arm) & (curves["split"] == split)], line)
            _median(axes, bands[(bands["arm"] == arm) & (bands["split"] == split)], line, split)
        axes.set_title(wrapped(arm, TITLE_WIDTH), color=colour)
    linear_up_to = _linear_up_to(bands)
    for axes in panels:
        axes.autoscale()
    for axes in panels:
        _finish(axes, measure, linear_up_to)
    figure.supxlabel("optimizer steps", fontsize=8)
    figure.supylabel(shown(measure.label), fontsize=8)
    splits = set(bands["split"])
    keys = [
        Line2D([], [], color=INK, label="validation"),
        Line2D([], [], color=MUTED, linestyle=TRAIN_LINE, label="training"),
    ]
    there = [k for k, s in zip(keys, ("val", "train"), strict=True) if s in splits]
    figure.legend(handles=there, loc="outside upper right", ncols=2)
    return figure


def _seeds(axes: Any, curves: pd.DataFrame, colour: str) -> None:
    finite = curves[np.isfinite(curves["value"])].sort_values("replicate", kind="stable")
    starts = np.flatnonzero(np.diff(finite["replicate"])) + 1
    lines = np.split(finite[["step", "value"]].to_numpy(dtype=float), starts)
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.4, alpha=0.28))


def _median(axes: Any, band: pd.DataFrame, colour: str, split: str) -> None:
    axes.fill_between(band["step"], band["low"], band["high"], color=colour, alpha=0.15, lw=0)
    axes.plot(band["step"], band["median"], color=colour, linestyle=TRAIN_LINE if split == "train" else "-")


def _linear_up_to(bands: pd.DataFrame) -> float | None:
    """The first step after which anybody was evaluated, where some runs are far longer than others."""
    lengths = bands.groupby("arm", sort=False)["step"].max()
    if lengths.max() <= FAR_APART * lengths.min():
        return None
    return float(bands.loc[bands["step"] > 0, "step"].min())


def _finish(axes: Any, measure: Measure, linear_up_to: float | None) -> None:
    value_axis(axes, measure.log)
    if linear_up_to is None:
        plain_axis(axes.xaxis)
    else:
        long_axis(axes, linear_up_to)
    if measure.target is not None:
        axes.axhline(measure.target, color=INK, linewidth=0.8, linestyle=":")
