"""The figures of a search: its best value by trial, what mattered, slices, what was judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.reporting.glyphs import drawable
from harness.reporting.numbers import setting
from harness.reporting.style import (
    COLOURS,
    INK,
    MUTED,
    WARNING,
    log_axis,
    new_figure,
    new_grid,
    plain_axis,
    wrapped,
)

MAIN, SECOND = COLOURS[0], COLOURS[1]
SPREAD = 0.5  # of the points of a listed value, as a share of the distance to the next
TURN = 0.618034  # golden section: successive points lie apart


class Axis(NamedTuple):
    """A parameter's axis: `values` where it is listed, else a range."""

    path: str
    values: Sequence[Any] | None = None
    log: bool = False


def best_so_far(trials: pd.DataFrame, score: str) -> Figure:
    """Every trial's value, and the best until then. `trials`: trial, value, best, diverged (bool)."""
    figure = new_figure(2.6)
    axes = figure.add_subplot()
    lost = trials["diverged"]
    axes.plot(trials.loc[~lost, "trial"], trials.loc[~lost, "value"], ".", color=MUTED, markersize=3.5)
    _crosses(axes, trials.loc[lost, "trial"])
    axes.step(trials["trial"], trials["best"], where="post", color=MAIN)
    axes.set(xlabel="configs tried", ylabel=wrapped(score))
    axes.margins(x=0.02)
    plain_axis(axes.yaxis)
    keys = [
        Line2D([], [], color=MAIN, label="best so far"),
        Line2D([], [], marker=".", color=MUTED, linestyle="", label="a config"),
    ]
    figure.legend(handles=[*keys, *_lost_key(trials)], loc="outside upper right", ncols=3)
    return figure


def importance_bars(importances: pd.DataFrame) -> Figure:
    """Each parameter's share of the variance. `importances`: path, mean, low, high; the largest first."""
    figure = new_figure(0.6 + 0.24 * len(importances))
    axes = figure.add_subplot()
    rows = np.arange(len(importances))[::-1]
    axes.barh(rows, importances["mean"], height=0.62, color=MAIN)
    axes.hlines(rows, importances["low"], importances["high"], color=INK, linewidth=1.6)
    axes.set_yticks(rows, [drawable(str(p)) for p in importances["path"]])
    axes.set_xlabel("share of the variance that the parameter explains by itself, relative to all")
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    plain_axis(axes.xaxis)
    return figure


def slices(trials: pd.DataFrame, parameters: Sequence[Axis], score: str) -> Figure:
    """A panel a parameter: the value of every config against its setting, darker the later it was tried.

    `trials`: trial, value, diverged (bool), chosen (bool), and a column a parameter's path, missing where
    a config has none.
    """
    figure, panels = new_grid(len(parameters), 4 if len(parameters) > 3 else 3, 1.55, sharey=True)
    for axes, parameter in zip(panels, parameters, strict=True):
        _slice(axes, trials[trials[parameter.path].notna()], parameter)
        axes.set_title(drawable(parameter.path))
        plain_axis(axes.yaxis)
    figure.supylabel(wrapped(score), fontsize=8)
    ring = Line2D(
        [], [], marker="o", color=INK, markerfacecolor="none", markersize=7, linestyle="", label="best"
    )
    figure.legend(handles=[ring, *_lost_key(trials)], loc="outside upper right", ncols=2)
    return figure


def searched_and_judged(configs: pd.DataFrame, score: str) -> Figure:
    """What each config scored in the search, and on fresh seeds.

    `configs`: config, searched, and mean, low, high on fresh seeds.
    """
    figure = new_figure(0.9 + 0.28 * len(configs))
    axes = figure.add_subplot()
    rows = np.arange(len(configs))[::-1]
    axes.hlines(rows, configs["low"], configs["high"], color=MAIN, linewidth=2.4)
    axes.plot(configs["mean"], rows, "o", color=MAIN, markersize=5)
    axes.plot(configs["searched"], rows, "D", color=SECOND, markerfacecolor="white", markersize=5)
    axes.set_yticks(rows, [drawable(str(c)) for c in configs["config"]])
    axes.set_ylim(-0.6, len(configs) - 0.4)
    axes.set_xlabel(wrapped(score, 90))
    plain_axis(axes.xaxis)
    keys = [
        Line2D(
            [], [], marker="D", color=SECOND, markerfacecolor="white", linestyle="", label="in the search"
        ),
        Line2D([], [], marker="o", color=MAIN, linewidth=2.4, label="on fresh seeds, mean and 95 % interval"),
    ]
    figure.legend(handles=keys, loc="outside upper right", ncols=2)
    return figure


def _slice(axes: Any, trials: pd.DataFrame, axis: Axis) -> None:
    x = _positions(trials, axis)
    lost = trials["diverged"].to_numpy(dtype=bool)
    shade = 0.25 + 0.75 * (trials["trial"] / max(1, trials["trial"].max())).to_numpy(dtype=float)
    axes.scatter(
        x[~lost], trials["value"][~lost], s=7, color=MAIN, alpha=shade[~lost] if (~lost).any() else None,
        linewidths=0,
    )  # fmt: skip
    _crosses(axes, x[lost])
    best = trials["chosen"].to_numpy(dtype=bool)
    axes.plot(x[best], trials["value"][best], "o", markersize=7, markerfacecolor="none", color=INK)
    if axis.values is not None:
        labels = [drawable(setting(v)) for v in axis.values]
        turned = sum(map(len, labels)) > 16
        axes.set_xticks(
            range(len(labels)), labels, rotation=40 if turned else 0, ha="right" if turned else "center"
        )
        axes.set_xlim(-0.6, len(labels) - 0.4)
    elif axis.log:
        axes.set_xscale("log")
        log_axis(axes.xaxis)
    else:
        plain_axis(axes.xaxis)


def _positions(trials: pd.DataFrame, axis: Axis) -> Any:
    """(n,) places on the axis; the points of a listed value lie side by side."""
    if axis.values is None:
        return trials[axis.path].to_numpy(dtype=float)
    places = [list(axis.values).index(v) for v in trials[axis.path]]
    aside = (trials["trial"].to_numpy(dtype=float) * TURN) % 1 - 0.5
    return np.asarray(places, dtype=float) + SPREAD * aside


def _crosses(axes: Any, x: Any) -> None:
    """Diverged configs, at the foot of the axes: their value is only the worst there is."""
    if len(x):
        axes.plot(x, [0.03] * len(x), "x", color=WARNING, markersize=4, transform=axes.get_xaxis_transform())


def _lost_key(trials: pd.DataFrame) -> list[Line2D]:
    if not trials["diverged"].any():
        return []
    return [Line2D([], [], marker="x", color=WARNING, markersize=5, linestyle="", label="diverged")]
