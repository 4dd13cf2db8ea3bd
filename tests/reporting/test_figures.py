import warnings
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from harness.reporting.figures.labels import GAP, spread
from harness.reporting.figures.learning import Measure, learning_medians
from harness.reporting.figures.nuisance import nuisance_panels
from harness.reporting.glyphs import drawable
from harness.reporting.style import COLOURS, arm_styles, drawing, to_svg

ODD = ["$x^2$", "_hidden", "<script>", "漢字", "a\x00b"]


def _bands(arms: list[str]) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                "arm": arm,
                "split": split,
                "step": [1, 2, 3],
                "median": i + np.arange(3),
                "low": i,
                "high": i + 3,
            }
        )
        for i, arm in enumerate(arms)
        for split in ("train", "val")
    ]
    return pd.concat(frames)


def _draw(arms: list[str]) -> str:
    with drawing():
        return to_svg(learning_medians(_bands(arms), arm_styles(arms), Measure("accuracy", False)))


def test_the_same_figure_is_the_same_text() -> None:
    assert _draw(["a", "b"]) == _draw(["a", "b"])


def test_odd_names_are_drawn_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = _draw(ODD)
    ElementTree.fromstring(svg)
    assert "script" not in svg


def test_an_arm_keeps_its_style_whatever_arms_a_figure_shows() -> None:
    styles = arm_styles([f"arm {i}" for i in range(25)])
    assert len(set(styles.values())) == 25
    assert len(set(COLOURS)) == 10


def test_drawing_leaves_the_global_style_alone() -> None:
    import matplotlib as mpl  # noqa: PLC0415

    before = dict(mpl.rcParams)
    _draw(["a"])
    assert dict(mpl.rcParams) == before


def test_labels_keep_order_and_distance() -> None:
    placed = spread({"a": 0.5, "b": 0.5, "c": 0.51, "d": 1.0, "e": 1.0})
    heights = sorted(placed.values())
    assert min(np.diff(heights)) >= GAP - 1e-12
    assert max(heights) <= 1.02 + 1e-12
    assert placed["a"] < placed["b"] < placed["c"] < placed["d"] < placed["e"]


@pytest.mark.parametrize("diverged", [False, True])
def test_tuning_figure_with_extensions_and_with_every_point_diverged(diverged: bool) -> None:
    points = pd.DataFrame(
        {
            "arm": "a",
            "x": [0.1, 0.1, 1.0, 10.0],
            "value": np.nan if diverged else [1.0, 1.1, 2.0, 3.0],
            "score": np.nan if diverged else [1.05, 1.05, 2.0, 3.0],
            "round": [0, 0, 0, 1],
            "diverged": diverged,
            "chosen": False if diverged else [True, True, False, False],
        }
    )
    with drawing():
        svg = to_svg(nuisance_panels(points, arm_styles(["a"]), ("lr", True), "score"))
    assert svg.startswith("<svg")


def test_drawable_names_what_the_font_lacks() -> None:
    assert drawable("α → ≤ é") == "α → ≤ é"
    assert drawable("漢") == "[U+6F22]"
    assert drawable("a\x07b") == "a�b"
