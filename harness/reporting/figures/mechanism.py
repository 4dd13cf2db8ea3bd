"""What hidden layers do: a probe by layer or by step, and how activations are spread over layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.reporting.figures.learning import Measure
from harness.reporting.figures.lines import line_panels, name_axes, name_lines
from harness.reporting.style import MUTED, ArmStyle, log_axis, new_figure, plain_axis, shown, wrapped

CELL = 0.62  # inches: a histogram's height
MANY_ROWS = 14  # arms beyond which a page is full


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
    if measure.log:
        axes.set_yscale("log")
        log_axis(axes.yaxis)
    else:
        plain_axis(axes.yaxis)
    if by_step:
        axes.set_xscale("log")
        log_axis(axes.xaxis)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def activation_histograms(shares: pd.DataFrame, styles: Mapping[str, ArmStyle]) -> Figure:
    """A row an arm, a column a layer: the share of activations in each bin.

    `shares`: arm, layer, left, width, share. Heights are each panel's own.
    """
    arms = [arm for arm in styles if arm in set(shares["arm"])][:MANY_ROWS]
    layers = sorted(shares["layer"].unique())
    figure = new_figure(CELL * len(arms) + 0.6)
    panels = figure.subplots(len(arms), len(layers), squeeze=False, sharex=True)
    for row, arm in zip(panels, arms, strict=True):
        for axes, layer in zip(row, layers, strict=True):
            cell = shares[(shares["arm"] == arm) & (shares["layer"] == layer)]
            axes.bar(cell["left"], cell["share"], cell["width"], align="edge", color=styles[arm].colour)
            axes.set_yticks([])
            axes.grid(visible=False)
            plain_axis(axes.xaxis)
            if cell.empty:
                axes.set_facecolor("#f5f7fa")
        row[0].set_ylabel(
            wrapped(arm, 14), rotation=0, ha="right", va="center", color=styles[arm].colour, fontsize=7.5
        )
    for axes, layer in zip(panels[0], layers, strict=True):
        axes.set_title(shown(f"layer {layer}"), color=MUTED)
    figure.supxlabel("activation", fontsize=8)
    return figure
