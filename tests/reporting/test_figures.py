import gc
import warnings
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from harness.reporting.content.learning import spans_far
from harness.reporting.figures.budget import budget_curves
from harness.reporting.figures.labels import GAP, spread
from harness.reporting.figures.learning import Measure, learning_medians, learning_panels
from harness.reporting.figures.nuisance import nuisance_panels
from harness.reporting.figures.ranks import critical_difference_diagram, performance_profile
from harness.reporting.figures.survival import sensitivity
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


@pytest.mark.parametrize(("longer", "scale"), [(1, "linear"), (10, "linear"), (11, "symlog")])
def test_steps_are_logarithmic_where_some_runs_are_far_longer(longer: int, scale: str) -> None:
    bands = _bands(["short", "long"])
    bands.loc[bands["arm"] == "long", "step"] *= longer
    with drawing():
        figure = learning_medians(bands, arm_styles(["short", "long"]), Measure("accuracy", False))
    assert {axes.get_xscale() for axes in figure.axes} == {scale}


def test_an_arm_keeps_its_style_whatever_arms_a_figure_shows() -> None:
    styles = arm_styles([f"arm {i}" for i in range(25)])
    assert len(set(styles.values())) == 25
    assert len(set(COLOURS)) == 10


def test_drawing_leaves_the_global_style_alone() -> None:
    import matplotlib as mpl  # noqa: PLC0415

    before = dict(mpl.rcParams)
    _draw(["a"])
    assert dict(mpl.rcParams) == before


def test_drawing_leaves_the_collector_as_it_was() -> None:
    assert gc.isenabled()
    with drawing():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(AttributeError), drawing():
        to_svg(None)  # type: ignore[arg-type]
    assert gc.isenabled()


@pytest.mark.parametrize("n", [1, 3, 7, 12])
def test_panels_with_their_labels_lie_apart_inside_the_figure(n: int) -> None:
    arms = [f"a long name of arm {i}" for i in range(n)]
    curves = pd.DataFrame(
        [(arm, "val", r, step, 1e3 * r) for arm in arms for r in range(2) for step in (1, 3)],
        columns=["arm", "split", "replicate", "step", "value"],
    )
    with drawing():
        figure = learning_panels(curves, _bands(arms), arm_styles(arms), Measure("loss", False))
        to_svg(figure)
        parts = [a.get_tightbbox(for_layout_only=True) for a in figure.axes]
        parts += [text.get_window_extent() for text in figure.texts]
        parts += [key.get_window_extent() for key in figure.legends]
    boxes = np.array([part.extents for part in parts])
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] <= figure.bbox.size).all()
    assert [sum(box.overlaps(other) for other in parts) for box in parts] == [1] * len(parts)
    assert len({tuple(a.get_window_extent().size.round(6)) for a in figure.axes}) == 1


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
        svg = to_svg(nuisance_panels(points, arm_styles(["a"]), ("lr", True), Measure("score", False)))
    assert svg.startswith("<svg")


@pytest.mark.parametrize(("highest", "scale"), [(10.0, "linear"), (40_000.0, "log")])
def test_scores_far_apart_are_on_a_logarithmic_axis(highest: float, scale: str) -> None:
    points = pd.DataFrame({"arm": ["a", "a", "b"], "x": [0.1, 1.0, 1.0], "value": [1.0, 2.0, highest]})
    points = points.assign(score=points["value"], round=0, diverged=False, chosen=False)
    budget = pd.DataFrame({"arm": ["a", "a"], "k": [1, 2], "value": [highest, 1.0]})
    measure, styles = Measure("loss", spans_far(points["value"])), arm_styles(["a", "b"])
    with drawing():
        figures = [
            nuisance_panels(points, styles, ("lr", True), measure),
            budget_curves(budget, styles, measure),
        ]
        assert [to_svg(figure)[:4] for figure in figures] == ["<svg", "<svg"]
    assert {axes.get_yscale() for figure in figures for axes in figure.axes} == {scale}


@pytest.mark.parametrize("values", [[0.0, 100.0], [-1.0, 100.0], [1.0, 20.0], [np.nan], []])
def test_a_linear_axis_is_kept_for_values_not_positive_or_near(values: list[float]) -> None:
    assert not spans_far(pd.Series(values, dtype=float))


def test_speed_ups_of_many_runs_that_missed_the_target_are_hollow() -> None:
    rows = pd.DataFrame({"target": [0.5, 0.6, 0.7], "ratio": 1.0, "low": 0.9, "high": 1.1})
    rows = rows.assign(a_censored=[0.0, 0.0, 0.3], b_censored=[0.2, 0.21, 0.0])
    with drawing():
        (axes,) = sensitivity(rows, 1.25, 0.6, "target", "steps").axes
    marked = {
        line.get_markerfacecolor(): list(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"
    }
    assert marked == {COLOURS[0]: [0.5], "white": [0.6, 0.7]}


def test_drawable_names_what_the_font_lacks() -> None:
    assert drawable("α → ≤ é") == "α → ≤ é"
    assert drawable("漢") == "[U+6F22]"
    assert drawable("a\x07b") == "a�b"


@pytest.mark.parametrize("k", [2, 5, 14])
def test_ranks_are_drawn_where_they_are_with_a_bar_a_group(k: int) -> None:
    arms, ranks = [f"arm {i}" for i in range(k)], np.linspace(1.2, k - 0.2, k)
    frame = pd.DataFrame({"arm": arms, "rank": ranks})
    with drawing():
        figure = critical_difference_diagram(frame, arm_styles(arms), [(0, k - 1)], 0.7)
        (axes,) = figure.axes
        assert to_svg(figure).startswith("<svg")
    stems = [float(line.get_xdata()[0]) for line in axes.lines[:k]]
    np.testing.assert_allclose(stems, ranks)
    bar, scale = (np.ptp(line.get_xdata()) for line in axes.lines[k:])
    assert bar == pytest.approx(np.ptp(ranks) + 0.02 * k)
    assert scale == pytest.approx(0.7)
    texts = {t.get_text() for t in axes.texts}
    assert {f"arm 0  {ranks[0]:.2f}", f"{ranks[-1]:.2f}  arm {k - 1}"} <= texts
    levels = [float(line.get_ydata()[1]) for line in axes.lines[:k]]
    half = -(-k // 2)
    assert len(set(levels[:half])) == half  # no two names on one side share a line
    assert len(set(levels[half:])) == k - half


@pytest.mark.parametrize(
    ("best", "far", "scale"), [(0.0, 3.0, "linear"), (1.0, 5.0, "linear"), (1.0, 500.0, "log")]
)
def test_a_profile_starts_at_the_share_of_tasks_an_arm_is_best_on(
    best: float, far: float, scale: str
) -> None:
    rows = [("a", best, 0.75), ("a", far, 1.0), ("b", best, 0.25), ("b", 2.0, 1.0), ("never", 2.0, 1.0)]
    curves = pd.DataFrame(rows, columns=["arm", "distance", "share"])
    with drawing():
        figure = performance_profile(curves, arm_styles(["a", "b", "never"]), "distance", best)
        (axes,) = figure.axes
        assert to_svg(figure).startswith("<svg")
    starts = {line.get_label(): float(line.get_ydata()[0]) for line in axes.lines}
    assert starts == {"a": 0.75, "b": 0.25, "never": 0.0}
    assert {float(line.get_ydata()[-1]) for line in axes.lines} == {1.0}
    assert axes.get_xscale() == scale
