"""Tuning-budget curves: what the best of k random tuning points would be expected to score."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.reporting.figures.learning import Measure
from harness.reporting.figures.lines import line_panels, name_axes, name_lines
from harness.reporting.style import ArmStyle, value_axis


def budget_curves(curves: pd.DataFrame, styles: Mapping[str, ArmStyle], measure: Measure) -> Figure:
    """Expected best after k tuning points. `curves`: arm, k, value; `measure` is what the best is of."""
    figure, panels = line_panels(map(str, curves["arm"].unique()), styles, 2.7)
    ends: dict[str, float] = {}
    for arm, curve in curves.groupby("arm", sort=False):
        style, axes = styles[str(arm)], panels[str(arm)]
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
    for axes in dict.fromkeys(panels.values()):
        axes.margins(x=0.03)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        value_axis(axes, measure.log)
    name_axes(figure, panels, "tuning points tried, k", f"expected best {measure.label}")
    name_lines(figure, panels, ends, styles)
    return figure
