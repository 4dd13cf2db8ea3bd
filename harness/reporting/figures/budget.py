"""Tuning-budget curves: what the best of k random tuning points would be expected to score."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.reporting.figures.labels import label_ends
from harness.reporting.style import ArmStyle, new_figure, plain_axis, wrapped


def budget_curves(curves: pd.DataFrame, styles: Mapping[str, ArmStyle], score: str) -> Figure:
    """Expected best after k tuning points. `curves`: arm, k, value."""
    figure = new_figure(2.7)
    axes = figure.add_subplot()
    ends: dict[str, float] = {}
    for arm, curve in curves.groupby("arm", sort=False):
        style = styles[str(arm)]
        axes.plot(
            curve["k"],
            curve["value"],
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markersize=3.5,
        )
        last = curve["value"].dropna()
        if len(last):
            ends[str(arm)] = float(last.iloc[-1])
    axes.set(xlabel="tuning points tried, k", ylabel=wrapped(score))
    axes.margins(x=0.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain_axis(axes.yaxis)
    label_ends(axes, ends, styles)
    return figure
