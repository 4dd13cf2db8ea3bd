"""Labels at the ends of curves, moved apart so that none covers another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.reporting.style import ArmStyle, shown

LEADER = {"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
GAP = 0.055  # least distance of two labels, as a share of the axis's height


def label_ends(axes: Any, ends: Mapping[str, float], styles: Mapping[str, ArmStyle]) -> None:
    """Write each arm's name to the right of the axes at its curve's last height (data units)."""
    if not ends:
        return
    to_share = axes.transData + axes.transAxes.inverted()
    right = axes.get_xlim()[1]
    heights = {arm: float(to_share.transform((right, y))[1]) for arm, y in ends.items()}
    for arm, height in spread(heights, min(GAP, 1.04 / max(1, len(heights) - 1))).items():
        style = styles[arm]
        axes.annotate(
            shown(style.name or arm),
            (1.003, heights[arm]),
            (1.04, height),
            xycoords="axes fraction",
            arrowprops=LEADER | {"color": style.colour},
            color=style.colour,
            fontsize=7.5,
            fontweight="bold",
            va="center",
            annotation_clip=False,
        )


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
