"""Where a figure's panels lie: what surrounds each is measured once, the rest is shared out."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

PAD = 3.0  # points around a panel with its labels, and around what all panels share
GUTTERS = 0.02  # of the figure's width and height: more between panels, in all

Lengths = NDArray[np.float64]
Sides = tuple[Lengths, Lengths]  # points before and after each column, left to right, or row, top to bottom


def lay_out(figure: Figure, renderer: Any) -> None:
    """Fit the panels, cells of one grid, with their labels, common labels and key into the figure.

    As matplotlib's constrained layout does, which measures everything twice: no label of ours depends on
    the size of its panel, and measuring texts is most of what it takes to draw a figure.
    """
    grid: Any = figure.axes[0].get_gridspec()
    width, height = figure.bbox.size
    columns, rows = _surroundings(figure, renderer, (grid.ncols, grid.nrows))
    beside, above = _shared(figure, renderer)
    x, widths = _cells(width, columns, beside, grid.get_width_ratios())
    y, heights = _cells(height, rows, above, grid.get_height_ratios())
    for axes in figure.axes:
        row, column = _cell(axes)
        bottom = height - y[row] - heights[row]
        axes.set_position((x[column] / width, bottom / height, widths[column] / width, heights[row] / height))


def _cell(axes: Any) -> tuple[int, int]:
    """Row and column."""
    spec = axes.get_subplotspec()
    return spec.rowspan.start, spec.colspan.start


def _surroundings(figure: Figure, renderer: Any, shape: tuple[int, int]) -> tuple[Sides, Sides]:
    """The most that labels take up around the panels of each column, and of each row."""
    columns, rows = (np.zeros((2, n)) for n in shape)
    for axes in figure.axes:
        row, column = _cell(axes)
        panel = axes.get_window_extent()
        whole = axes.get_tightbbox(renderer, for_layout_only=True) or panel
        beside = panel.x0 - whole.x0, whole.x1 - panel.x1
        above = whole.y1 - panel.y1, panel.y0 - whole.y0
        columns[:, column] = np.maximum(columns[:, column], beside)
        rows[:, row] = np.maximum(rows[:, row], above)
    return (columns[0], columns[1]), (rows[0], rows[1])


def _shared(figure: Figure, renderer: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Points left and right of all panels, and above and below, for labels of the figure and its key."""
    left = above = below = 0.0
    width, height = figure.bbox.size
    for label in figure.texts:
        if label.get_rotation():
            label.set_x(PAD / width)
            left = label.get_window_extent(renderer).width + 2 * PAD
        else:
            label.set_y(PAD / height)
            below = label.get_window_extent(renderer).height + 2 * PAD
    for key in figure.legends:
        box = key.get_window_extent(renderer)
        if box.y0 > height - box.y1:
            above = box.height + 2 * PAD
        else:
            below = max(below, box.height + 2 * PAD)
    return (left, 0.0), (above, below)


def _cells(
    length: float, around: Sides, ends: tuple[float, float], ratios: list[float]
) -> tuple[Lengths, Lengths]:
    """Where panels begin and how long they are, along one side of the figure; all in points."""
    before, after = (side + PAD for side in around)
    gutter = GUTTERS * length / len(before) / 2
    before[1:] += gutter
    after[:-1] += gutter
    room = length - sum(ends) - before.sum() - after.sum()
    sizes = max(room, len(before)) * np.asarray(ratios) / np.sum(ratios)
    starts = ends[0] + np.cumsum(before) + np.concatenate([[0.0], np.cumsum(sizes + after)[:-1]])
    return starts, sizes
