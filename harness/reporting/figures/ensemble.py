"""The size of an ensemble: what each way of putting nets together makes of 1, 2, ... of them."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.reporting.figures.labels import label_ends
from harness.reporting.style import arm_styles, new_figure, plain_axis, wrapped


def ensemble_sizes(curves: pd.DataFrame, metric: str) -> Figure:
    """Mean and 95 % interval over replicates. `curves`: method, members, mean, low, high."""
    figure = new_figure(2.7)
    axes = figure.add_subplot()
    styles = arm_styles(curves["method"].unique())
    for method, curve in curves.groupby("method", sort=False):
        style = styles[str(method)]
        axes.fill_between(curve["members"], curve["low"], curve["high"], color=style.colour, alpha=0.12)
        axes.plot(
            curve["members"],
            curve["mean"],
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markersize=3.5,
        )
    axes.set(xlabel="nets in the ensemble", ylabel=wrapped(metric))
    axes.margins(x=0.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain_axis(axes.yaxis)
    last = curves[curves["members"] == curves["members"].max()].set_index("method")["mean"]
    label_ends(axes, {str(method): float(value) for method, value in last.items()}, styles)
    return figure
