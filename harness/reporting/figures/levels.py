"""Outcomes over the levels of one factor: a faint line a replicate, means with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from harness.reporting.style import (
    COLOURS,
    INK,
    MUTED,
    WARNING,
    ArmStyle,
    new_figure,
    plain_axis,
    ratio_axis,
    shown,
    wrapped,
)

CLOSEST = 0.045  # levels nearer than this share of the axis are not both labelled


class LevelAxis(NamedTuple):
    """The levels, ascending, and what the outcome over them is called."""

    factor: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    outcome: str
    log: bool  # levels are set out by their logarithm
    ratio: bool = False  # outcomes are compared by their ratio


class Optimum(NamedTuple):
    """The best inner level and its contrasts with the two ends, as text."""

    x: float
    over_low: str
    over_high: str


class Critical(NamedTuple):
    """The level at which half the runs have the event, its interval, and the bound claimed."""

    value: float
    low: float
    high: float
    bound: float | None


def level_lines(
    runs: pd.DataFrame, means: pd.DataFrame, axis: LevelAxis, optimum: Optimum | None = None
) -> Figure:
    """A faint line a replicate, each level's mean with its 95 % interval, and the fitted line or the optimum.

    `runs`: replicate, x, value, lost (bool); `means`: x, mean, low, high, ascending.
    """
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    _replicates(axes, runs, MUTED)
    lost = runs[runs["lost"]]
    axes.plot(lost["x"], lost["value"], "x", color=WARNING, markersize=3.5, alpha=0.7)
    if optimum is None:
        _fitted(axes, means, axis)
    _means(axes, means, COLOURS[0], "o", joined=optimum is not None)
    _level_axis(axes, axis)
    _outcome_axis(axes, axis)
    axes.set_ylabel(wrapped(axis.outcome))
    if optimum is not None:
        _contrasts(axes, means, optimum)
    return figure


def arms_by_level(
    runs: pd.DataFrame,
    means: pd.DataFrame,
    styles: Mapping[str, ArmStyle],
    axis: LevelAxis,
    difference: str,
) -> Figure:
    """Left: the means of two sides by level. Right: their difference, a faint line a replicate.

    `runs`: side ("" for the difference), replicate, x, value, lost; `means`: side, x, mean, low, high.
    """
    figure = new_figure(3.0)
    left, right = figure.subplots(1, 2)
    for side, style in styles.items():
        mean = means[means["side"] == side]
        _replicates(left, runs[runs["side"] == side], style.colour, 0.18)
        _means(left, mean, style.colour, style.marker)
    _replicates(right, runs[runs["side"] == ""], MUTED)
    _fitted(right, means[means["side"] == ""], axis)
    _means(right, means[means["side"] == ""], COLOURS[9], "D", joined=False)
    right.axhline(1.0 if axis.ratio else 0.0, color=INK, linewidth=0.9)
    for axes in (left, right):
        _level_axis(axes, axis)
        _outcome_axis(axes, axis)
    left.set_ylabel(wrapped(axis.outcome))
    right.set_ylabel(wrapped(difference))
    keys = [
        Line2D([], [], color=s.colour, marker=s.marker, markersize=4.5, label=shown(side))
        for side, s in styles.items()
    ]
    figure.legend(handles=keys, loc="outside upper left", ncols=2)
    return figure


def event_rates(rates: pd.DataFrame, curve: pd.DataFrame, axis: LevelAxis, critical: Critical) -> Figure:
    """Rates with their Clopper–Pearson intervals, the logistic curve, the critical level and its interval.

    `rates`: x, mean, low, high (shares of runs); `curve`: x, rate.
    """
    figure = new_figure(2.9)
    axes = figure.add_subplot()
    axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle="--")
    if np.isfinite([critical.low, critical.high]).all():
        axes.axvspan(critical.low, critical.high, color=COLOURS[0], alpha=0.13, lw=0)
        axes.axvline(critical.value, color=COLOURS[0], linewidth=1.2)
    if critical.bound is not None:
        axes.axvline(critical.bound, color=INK, linewidth=1.0, linestyle=":")
    axes.plot(curve["x"], curve["rate"], color=COLOURS[0])
    _means(axes, rates, INK, "o", joined=False)
    _level_axis(axes, axis)
    axes.set(ylabel=wrapped(axis.outcome), ylim=(-0.04, 1.04))
    plain_axis(axes.yaxis)
    return figure


def isolation(points: pd.DataFrame, axis: LevelAxis) -> Figure:
    """Every tuning point at its level, the points chosen joined. `points`: x, score, diverged, chosen."""
    figure = new_figure(2.6)
    axes = figure.add_subplot()
    done = points[~points["diverged"]]
    axes.plot(done["x"], done["score"], "o", color=MUTED, markersize=3.5, alpha=0.6)
    chosen = done[done["chosen"]].sort_values("x")
    axes.plot(chosen["x"], chosen["score"], "o-", color=COLOURS[0], markersize=5)
    lost = points[points["diverged"]].drop_duplicates("x")
    if len(lost):
        axes.plot(
            lost["x"], [0.03] * len(lost), "x", color=WARNING, markersize=4.5, clip_on=False,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    _level_axis(axes, axis)
    plain_axis(axes.yaxis)
    axes.set_ylabel(wrapped(axis.outcome))
    return figure


def _replicates(axes: Any, runs: pd.DataFrame, colour: str, alpha: float = 0.35) -> None:
    lines = [g[["x", "value"]].to_numpy(dtype=float) for _, g in runs.sort_values("x").groupby("replicate")]
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.6, alpha=alpha))
    axes.autoscale_view()


def _means(axes: Any, means: pd.DataFrame, colour: str, marker: str, joined: bool = True) -> None:
    mean, low, high = (means[k].to_numpy(dtype=float) for k in ("mean", "low", "high"))
    spread = np.nan_to_num([mean - low, high - mean]).clip(min=0)
    line = "-" if joined else ""
    axes.errorbar(
        means["x"], mean, yerr=spread, color=colour, marker=marker, linestyle=line, markersize=4.5,
        markeredgecolor="white", markeredgewidth=0.6, elinewidth=1.5, capsize=2.5,
    )  # fmt: skip


def _fitted(axes: Any, means: pd.DataFrame, axis: LevelAxis) -> None:
    """The least-squares line of the means over the levels as they are set out."""
    x, y = means["x"].to_numpy(dtype=float), means["mean"].to_numpy(dtype=float)
    if len(x) < 2 or not np.isfinite(y).all():
        return
    positions, heights = np.log(x) if axis.log else x, np.log(y) if axis.ratio else y
    slope, start = np.polyfit(positions, heights, 1)
    line = start + slope * positions[[0, -1]]
    axes.plot(
        x[[0, -1]], np.exp(line) if axis.ratio else line, color=INK, linewidth=1.0, linestyle=(0, (5, 3))
    )


def _contrasts(axes: Any, means: pd.DataFrame, optimum: Optimum) -> None:
    """The best inner level ringed; from each end an arrow up or down to its height, with the contrast."""
    best = float(means.loc[means["x"] == optimum.x, "mean"].iloc[0])
    axes.plot([optimum.x], [best], "o", markersize=12, markerfacecolor="none", markeredgecolor=INK)
    axes.axhline(best, color=INK, linewidth=0.7, linestyle=":")
    for place, text, side in ((0, optimum.over_low, "left"), (-1, optimum.over_high, "right")):
        x, y = float(means["x"].iloc[place]), float(means["mean"].iloc[place])
        axes.annotate("", (x, best), (x, y), arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 1.1})
        height = 0.95 if best >= y else 0.05  # a corner that the ends leave free
        label = axes.annotate(
            shown(text), (x, height), (5 if side == "left" else -5, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha=side, va="center", fontsize=7.5, fontweight="bold",
        )  # fmt: skip
        label.set_bbox({"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8})


def _level_axis(axes: Any, axis: LevelAxis) -> None:
    """Ticks at the levels, labelled where there is room."""
    if axis.log:
        axes.set_xscale("log")
    places = np.log(axis.values) if axis.log else np.asarray(axis.values)
    share = (places - places[0]) / (places[-1] - places[0])
    labels, last = [], -np.inf
    for text, at in zip(axis.labels, share, strict=True):
        room = at - last >= max(CLOSEST, 0.012 * len(text))
        labels.append(shown(text) if room else "")
        last = at if room else last
    axes.xaxis.set_major_locator(FixedLocator(list(axis.values)))
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.05)
    axes.set_xlabel(shown(axis.factor))


def _outcome_axis(axes: Any, axis: LevelAxis) -> None:
    if axis.ratio:
        ratio_axis(axes.yaxis)
    else:
        plain_axis(axes.yaxis)
