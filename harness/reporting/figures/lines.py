"""A line an arm: one panel with names at the ends, or a panel a group where arms are too many for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.reporting.figures.labels import label_ends
from harness.reporting.style import INK, ArmStyle, new_figure, new_grid, shown, wrapped

ROOM = 0.15  # inches of height that a name beside the axes takes
PANEL_COLUMNS = 3
LEGEND_COLUMNS = 6
LEGEND_LETTERS = 100  # of a key's line, a sample being worth some
SAMPLE_LETTERS = 7


def line_panels(
    arms: Iterable[str], styles: Mapping[str, ArmStyle], height: float
) -> tuple[Figure, dict[str, Any]]:
    """A figure, and for every arm, in the styles' order, its group's axes. `height` of a panel in inches."""
    there = set(arms)
    arms = [arm for arm in styles if arm in there]
    groups = list(dict.fromkeys(styles[arm].group for arm in arms))
    if len(groups) < 2:
        figure = new_figure(max(height, 0.5 + ROOM * len(arms)))
        axes = figure.add_subplot()
        return figure, dict.fromkeys(arms, axes)
    figure, panels = new_grid(len(groups), PANEL_COLUMNS, 0.9 * height, sharex=True, sharey=True)
    by_group = dict(zip(groups, panels, strict=True))
    for group, axes in by_group.items():
        axes.set_title(wrapped(group), color=INK)
    return figure, {arm: by_group[styles[arm].group] for arm in arms}


def name_lines(
    figure: Figure, panels: Mapping[str, Any], ends: Mapping[str, float], styles: Mapping[str, ArmStyle]
) -> None:
    """Names at the ends (arm -> last height) of one panel's lines; a common key under several panels."""
    places = list(dict.fromkeys(panels.values()))
    if len(places) == 1:
        label_ends(places[0], ends, styles)
        return
    looks = {styles[arm].name: styles[arm] for arm in panels}
    keys = [
        Line2D([], [], color=s.colour, linestyle=s.line, marker=s.marker, markersize=3.5, label=shown(name))
        for name, s in looks.items()
    ]
    widest = max(len(shown(name)) for name in looks) + SAMPLE_LETTERS
    columns = min(LEGEND_COLUMNS, len(keys), max(1, LEGEND_LETTERS // widest))
    figure.legend(handles=keys, loc="outside lower center", ncols=columns)


def name_axes(figure: Figure, panels: Mapping[str, Any], x: str, y: str) -> None:
    """What the axes show, written once."""
    places = list(dict.fromkeys(panels.values()))
    if len(places) == 1:
        places[0].set(xlabel=shown(x), ylabel=wrapped(y))
    else:
        for axes in places[-PANEL_COLUMNS:]:  # a label of the figure would lie on the key
            axes.set_xlabel(shown(x))
        figure.supylabel(wrapped(y), fontsize=8)
