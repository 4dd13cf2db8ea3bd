"""What hidden layers do: a probe by layer or by step, and how activations are spread over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.reporting.figures.learning import Measure
from harness.reporting.figures.lines import line_panels, name_axes, name_lines
from harness.reporting.style import (
    MUTED,
    ArmStyle,
    log_axis,
    new_figure,
    plain_axis,
    shown,
    value_axis,
    wrapped,
)

CELL = 0.5  # inches: a histogram's height
CUT = 5  # times the next highest bar: a higher one is cut to one part of so many


class Row(NamedTuple):
    """An arm's row of histograms: its name there, and its colour."""

    arm: str
    name: str
    colour: str


def probe_lines(
    bands: pd.DataFrame, styles: Mapping[str, ArmStyle], measure: Measure, by_step: bool
) -> Figure:
    """A line an arm: the median over replicates and their band. `bands`: arm, x, median, low, high.

    `x` is a hidden layer, counted from the input, or an optimizer step.
    """
    figure, panels = line_panels(map(str, bands["arm"].unique()), styles, 3.0)
    ends: dict[str, float] = {}
    for arm, band in bands.groupby("arm", sort=False):
        style, axes = styles[str(arm)], panels[str(arm)]
        axes.fill_between(band["x"], band["low"], band["high"], color=style.colour, alpha=0.13, lw=0)
        axes.plot(
            band["x"],
            band["median"],
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markersize=3.5,
        )
        ends |= {str(arm): float(y) for y in band.dropna(subset=["median"]).tail(1)["median"]}
    for axes in dict.fromkeys(panels.values()):
        _scales(axes, measure, by_step)
        axes.margins(x=0.02)
    name_axes(figure, panels, "optimizer steps" if by_step else "hidden layer", measure.label)
    name_lines(figure, panels, ends, styles)
    return figure


def _scales(axes: Any, measure: Measure, by_step: bool) -> None:
    value_axis(axes, measure.log)
    if by_step:
        axes.set_xscale("log")
        log_axis(axes.xaxis)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def activation_histograms(shares: pd.DataFrame, rows: Sequence[Row]) -> Figure:
    """A row an arm, a column a layer: the share of activations in each bin.

    `shares`: arm, layer, left, width, share. Heights are each panel's own; a bar far above the others is
    cut, under an arrowhead.
    """
    layers = sorted(shares["layer"].unique())
    figure = new_figure(CELL * len(rows) + 0.5)
    panels = figure.subplots(len(rows), len(layers), squeeze=False, sharex=True)
    width = shares["width"].max()
    low, high = shares["left"].min(), shares["left"].max() + width
    edges = np.linspace(low, high, round((high - low) / width) + 1).tolist()
    cells = dict(list(shares.groupby(["arm", "layer"])))
    for line, row in zip(panels, rows, strict=True):
        for axes, layer in zip(line, layers, strict=True):
            _histogram(axes, cells.get((row.arm, layer)), edges, row.colour)
        name = wrapped(row.name, 14)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", color=row.colour, fontsize=7.5)
    panels[0, 0].set_xlim(low, high)
    panels[0, 0].xaxis.set_major_locator(MaxNLocator(3, integer=True))
    for axes, layer in zip(panels[0], layers, strict=True):
        axes.set_title(shown(f"layer {layer}"), color=MUTED)
    figure.supxlabel("activation", fontsize=8)
    return figure


def _histogram(axes: Any, cell: pd.DataFrame | None, edges: Sequence[float], colour: str) -> None:
    """One panel, its bars one path; grey where there is nothing."""
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    plain_axis(axes.xaxis)
    if cell is None:
        axes.set_facecolor("#f5f7fa")
        return
    middles, heights = (cell["left"] + cell["width"] / 2).to_numpy(), cell["share"].to_numpy()
    axes.hist(middles, edges, weights=heights, histtype="stepfilled", color=colour)
    *others, top = sorted(heights)
    if others and top > CUT * others[-1]:  # as the zeros of a ReLU, beside which nothing else would be seen
        axes.set_ylim(0, top / CUT)
        axes.plot(middles[heights.argmax()], top / CUT, "^", color=colour, markersize=3, clip_on=False)
