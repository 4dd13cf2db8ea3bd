"""Labels at the ends of curves, moved apart so that none covers another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.collections import LineCollection

from harness.reporting.style import ArmStyle, shown

LEADER, NAME = (1.003, 1.033), 1.04  # where leaders run and names begin, as shares of the axis's width
GAP = 0.055  # least distance of two labels, as a share of the axis's height


def label_ends(axes: Any, ends: Mapping[str, float], styles: Mapping[str, ArmStyle]) -> None:
    """Write each arm's name to the right of the axes at its curve's last height (data units)."""
    if not ends:
        return
    to_share = axes.transData + axes.transAxes.inverted()
    right = axes.get_xlim()[1]
    heights = {arm: float(to_share.transform((right, y))[1]) for arm, y in ends.items()}
    placed = spread(heights, min(GAP, 1.04 / max(1, len(heights) - 1)))
    for arm, height in placed.items():
        axes.text(
            NAME,
            height,
            shown(styles[arm].name or arm),
            transform=axes.transAxes,
            color=styles[arm].colour,
            fontsize=7.5,
            fontweight="bold",
            va="center",
        )
    leaders = LineCollection(  # an arrow an arm would be most of the time it takes to draw the figure
        [((LEADER[0], heights[arm]), (LEADER[1], height)) for arm, height in placed.items()],
        colors=[styles[arm].colour for arm in placed],
        linewidths=0.6,
        transform=axes.transAxes,
        clip_on=False,
    )
    leaders.set_in_layout(False)
    axes.add_collection(leaders, autolim=False)


def spread(heights: Mapping[str, float], gap: float = GAP) -> dict[str, float]:
    """Heights at least `gap` apart, order kept, moved as little as one pass up and one down allows."""
    order = sorted(heights, key=lambda name: heights[name])
    placed: list[float] = []
    for name in order:
        placed.append(max(heights[name], placed[-1] + gap if placed else -0.02))
    over = max(0.0, placed[-1] - 1.02) if placed else 0.0
    lowered = [p - over for p in placed] if over else placed
    for i in range(len(lowered) - 2, -1, -1):
        lowered[i] = min(lowered[i], lowered[i + 1] - gap) if over else lowered[i]
    return dict(zip(order, lowered, strict=True))
