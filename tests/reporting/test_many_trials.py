"""A report of thousands of trials: as small and as honest as one of dozens."""

import sys
import unicodedata

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from harness.reporting.content.learning import _which
from harness.reporting.figures.learning import Measure, learning_panels
from harness.reporting.figures.replicates import Effect, paired, strip
from harness.reporting.frames import DRAWN_REPLICATES, drawn_replicates
from harness.reporting.glyphs import printable
from harness.reporting.style import arm_styles, drawing, to_svg


def curves(replicates: int) -> pd.DataFrame:
    rows = [
        (arm, "val", r, step, float(r + step))
        for arm in ("a", "b")
        for r in range(replicates)
        for step in (0, 10)
    ]
    return pd.DataFrame(rows, columns=["arm", "split", "replicate", "step", "value"])


def test_few_replicates_are_all_drawn() -> None:
    few = curves(DRAWN_REPLICATES)
    pd.testing.assert_frame_equal(drawn_replicates(few), few)
    assert _which(few, few) == "every replicate"


def test_many_are_thinned_evenly_and_the_caption_says_so() -> None:
    many = curves(5_001)
    drawn = drawn_replicates(many)
    shown = drawn["replicate"].unique()
    assert len(shown) == DRAWN_REPLICATES
    assert (shown[0], shown[-1]) == (0, 5_000)
    assert np.ptp(np.diff(shown)) <= 1
    assert len(drawn) == 2 * 2 * DRAWN_REPLICATES  # the same replicates of both arms, whole
    assert _which(many, drawn) == "each of 100 replicates, evenly chosen from 5,001,"


def test_a_replicate_is_one_line_without_its_missing_values() -> None:
    frame = curves(3)
    frame.loc[(frame["replicate"] == 1) & (frame["step"] == 10), "value"] = np.nan
    bands = pd.DataFrame(columns=["arm", "split", "step", "median", "low", "high"], data=[
        (arm, "val", step, 1.0, 0.0, 2.0) for arm in ("a", "b") for step in (0, 10)
    ])  # fmt: skip
    figure = learning_panels(
        frame.sort_values("step", kind="stable"), bands, arm_styles(["a", "b"]), Measure("loss", False)
    )
    drawn = [c.get_segments() for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert [[tuple(point) for point in line] for lines in drawn for line in lines if len(line)] == [
        [(0, 0), (10, 10)],
        [(0, 1)],
        [(0, 2), (10, 12)],
    ]


def test_what_is_unprintable_is_what_unicode_calls_controls_and_surrogates() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    expected = "".join(
        c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") else "\N{REPLACEMENT CHARACTER}"
        for c in everything
    )
    assert printable(everything) == expected


@pytest.mark.parametrize("figure", ["strip", "paired"])
def test_marks_of_thousands_of_runs_are_pixels_those_of_a_few_shapes(figure: str) -> None:
    few, many = (_replicates_drawn(figure, n) for n in (20, 4_000))
    assert "data:image/png" not in few
    assert "data:image/png" in many
    assert len(many) < 20 * len(few)  # the runs are 200 times as many


def _replicates_drawn(figure: str, n: int) -> str:
    values = np.linspace(1, 2, n)
    styles = arm_styles(["a", "b"])
    with drawing():
        if figure == "strip":
            runs = pd.DataFrame({"arm": "a", "value": values, "imputed": False})
            means = pd.DataFrame([("a", 1.5, 1.4, 1.6)], columns=["arm", "mean", "low", "high"])
            return to_svg(strip(runs, means, styles, "loss"))
        pairs = pd.DataFrame({"a": values, "b": values[::-1], "difference": values, "lost": False})
        return to_svg(paired(pairs, ("a", "b"), styles, Effect(1.5, 1.4, 1.6, None, 0.0, "a\nloss", False)))
