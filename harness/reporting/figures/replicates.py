"""Every replicate: pairs joined by a line with their differences, and all arms side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from harness.reporting.style import (
    COLOURS,
    GRID,
    INK,
    MUTED,
    ArmStyle,
    new_figure,
    plain_axis,
    ratio_axis,
    shown,
    wrapped,
)

STRIP = 0.28  # inches


class Effect(NamedTuple):
    """An effect on the scale of the differences plotted, oriented so that above `zero` favours a."""

    value: float
    low: float
    high: float
    delta: tuple[float, float] | None  # the band of effects too small to matter
    zero: float
    label: str
    log: bool
    estimator: str = "mean"  # what it is of the differences


def paired(
    pairs: pd.DataFrame, sides: tuple[str, str], styles: Mapping[str, ArmStyle], effect: Effect
) -> Figure:
    """Left: each replicate's two outcomes joined. Right: their differences, with the effect's interval.

    `pairs`: a, b, difference, lost (bool: either run diverged or never reached the target).
    """
    figure = new_figure(2.9)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    ends = pairs[["b", "a"]].to_numpy(dtype=float)
    slopes = np.stack([np.broadcast_to([0.0, 1.0], ends.shape), ends], axis=2)  # (pairs, 2 ends, x and y)
    for lost, dashes in ((False, "-"), (True, ":")):
        chosen = slopes[pairs["lost"].to_numpy(dtype=bool) == lost]
        left.add_collection(
            LineCollection(chosen, colors=MUTED, linewidths=0.7, alpha=0.7, linestyles=dashes)
        )
    for x, side in ((0, 1), (1, 0)):
        style = styles[sides[side]]
        left.plot([x] * len(ends), ends[:, x], style.marker, color=style.colour, markersize=4, alpha=0.85)
    left.set_xticks([0, 1], [shown(sides[1]), shown(sides[0])])
    left.set_xlim(-0.3, 1.3)
    left.set_ylabel(wrapped(effect.label.partition("\n")[2]))
    plain_axis(left.yaxis)
    _differences(right, pairs, effect)
    return figure


def _differences(axes: Any, pairs: pd.DataFrame, effect: Effect) -> None:
    if effect.delta is not None:
        axes.axhspan(*effect.delta, color=GRID, alpha=0.6, lw=0, zorder=0)
    axes.axhline(effect.zero, color=INK, linewidth=0.9)
    values = pairs["difference"].to_numpy(dtype=float)
    order = np.argsort(np.argsort(values))
    x = -0.25 + 0.5 * order / max(1, len(values) - 1)  # a rank plot: no jitter, so no chance in it
    for lost, mark in ((False, "o"), (True, "x")):
        chosen = pairs["lost"].to_numpy(dtype=bool) == lost
        axes.plot(x[chosen], values[chosen], mark, color=COLOURS[9], markersize=4, alpha=0.8, linestyle="")
    spread = [[effect.value - effect.low], [effect.high - effect.value]]
    if np.isfinite(spread).all():
        axes.errorbar(
            [0.55],
            [effect.value],
            yerr=spread,
            fmt="D",
            color=COLOURS[0],
            markersize=6,
            elinewidth=2,
            capsize=4,
        )
    axes.set_xticks([0, 0.55], ["each pair", wrapped(f"{effect.estimator}, 95 %", 20)])
    axes.set_xlim(-0.45, 0.85)
    if effect.log:
        ratio_axis(axes.yaxis)
    else:
        plain_axis(axes.yaxis)
    axes.set_ylabel(wrapped(effect.label.partition("\n")[0]))


def strip(outcomes: pd.DataFrame, means: pd.DataFrame, styles: Mapping[str, ArmStyle], label: str) -> Figure:
    """Every replicate of every arm, with each mean's interval.

    `outcomes`: arm, value, imputed (bool); `means`: arm, mean, low, high.
    """
    arms = [a for a in styles if a in set(outcomes["arm"])]
    figure = new_figure(0.7 + STRIP * len(arms))
    axes = figure.add_subplot()
    for imputed, mark in ((False, "o"), (True, "X")):
        part = outcomes[outcomes["imputed"] == imputed]
        for y, arm in enumerate(arms):
            values = part.loc[part["arm"] == arm, "value"].to_numpy(dtype=float)
            axes.plot(
                values, np.full(len(values), y), mark, color=styles[arm].colour, markersize=4,
                markeredgewidth=0, alpha=0.55,
            )  # fmt: skip
    for y, arm in enumerate(arms):
        for mean, low, high in means.loc[means["arm"] == arm, ["mean", "low", "high"]].to_numpy(dtype=float):
            axes.plot([low, high], [y + 0.26] * 2, color=INK, linewidth=1.4)
            axes.plot([mean], [y + 0.26], styles[arm].marker, color=styles[arm].colour, markersize=5.5,
                      markeredgecolor=INK, markeredgewidth=0.7)  # fmt: skip
    axes.set_yticks(range(len(arms)), [shown(a) for a in arms])
    axes.set(xlabel=shown(label), ylabel="", ylim=(len(arms) - 0.45, -0.55))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    plain_axis(axes.xaxis)
    return figure
