"""Tuning points: the grid, edges, extension, and which point wins."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.planning.points import axis, edges, extended, grid, is_grid, spacings
from harness.words.choosing import choose, place
from harness.words.design import Dimension, PointResult
from harness.words.study import Tune

LR = Dimension(path="optimizer.lr", low=1e-4, high=1.0, log=True)
DROPOUT = Dimension(path="model.dropout", low=0.0, high=0.8)
WIDTH = Dimension(path="model.width", low=4, high=64, log=True, whole=True)
INIT = Dimension(path="model.init", values=["he_normal", "orthogonal", "zeros"])
SIZES = Dimension(path="train.batch_size", values=[8, 32, 128])


def stretch(dims, winner, points, valid):
    return extended(dims, winner, spacings(dims, points), valid)


def anything(point):
    return True


def results(scores, path="optimizer.lr", values=None, errors=None):
    """One result a score, of two seeds that differ from it by +-error in turns; None diverged."""
    values = values or [10.0 ** (k - 4) for k in range(len(scores))]
    errors = [e * (-1) ** i for i, e in enumerate(errors or [0.0] * len(scores))]
    return [
        PointResult(
            index=i,
            params={path: v},
            values=[] if s is None else [s - e, s + e],
            score=s,
            diverged=2 * (s is None),
        )
        for i, (s, v, e) in enumerate(zip(scores, values, errors, strict=True))
    ]


def test_a_grid_is_evenly_spaced_with_its_ends():
    values = axis(LR, 9)
    assert (values[0], values[-1], len(values)) == (1e-4, 1.0, 9)
    steps = [math.log(b / a) for a, b in pairwise(values)]
    assert steps == pytest.approx([math.log(1e4) / 8] * 8, rel=1e-3)
    assert axis(DROPOUT, 5) == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert axis(INIT, 99) == ["he_normal", "orthogonal", "zeros"]


def test_whole_numbers_are_whole_and_never_twice():
    assert axis(WIDTH, 5) == [4, 8, 16, 32, 64]
    crowded = axis(Dimension(path="model.depth", low=1, high=3, whole=True), 9)
    assert crowded == [1, 2, 3]
    assert all(isinstance(v, int) for v in crowded)


def test_a_grid_of_two_dimensions_is_their_product():
    rows = grid([LR, DROPOUT], 16)
    assert len(rows) == 16
    assert len({tuple(r.values()) for r in rows}) == 16
    assert {r["model.dropout"] for r in rows} == set(axis(DROPOUT, 4))
    assert len(grid([LR, INIT], 16)) == 12  # four rates times the three listed


@pytest.mark.parametrize(
    ("sampler", "dims", "expected"),
    [
        ("auto", [], True),
        ("auto", [LR], True),
        ("auto", [LR, DROPOUT], False),
        ("grid", [LR, DROPOUT], True),
        ("qmc", [LR], False),
        ("tpe", [LR], False),
    ],
)
def test_one_dimension_is_a_grid_more_are_quasi_random(sampler, dims, expected):
    assert is_grid(Tune(sampler=sampler), dims) is expected


@given(st.floats(0, 1))
def test_place_is_the_share_of_the_range(share):
    assert place(DROPOUT, 0.8 * share) == pytest.approx(share)
    assert place(LR, 10 ** (-4 + 4 * share)) == pytest.approx(share, abs=1e-12)


def test_place_of_listed_values():
    assert [place(SIZES, v) for v in SIZES.values] == [0, 0.5, 1]
    assert place(Dimension(path="x.y", values=["one"]), "one") == 0


def test_edges():
    assert edges([LR], {"optimizer.lr": 1e-4}) == {"optimizer.lr": -1}
    assert edges([LR], {"optimizer.lr": 1.0}) == {"optimizer.lr": 1}
    assert edges([LR], {"optimizer.lr": 0.01}) == {}
    assert edges([LR], {"optimizer.lr": 0.75}) == {"optimizer.lr": 1}  # within 5 % of the range in logs
    assert edges([LR], {"optimizer.lr": 0.6}) == {}
    assert edges([LR, DROPOUT], {"optimizer.lr": 1e-4, "model.dropout": 0.79}) == {
        "optimizer.lr": -1,
        "model.dropout": 1,
    }


def test_words_and_lists_of_one_have_no_edge():
    assert edges([INIT], {"model.init": "he_normal"}) == {}
    assert edges([Dimension(path="x.y", values=[3])], {"x.y": 3}) == {}
    assert edges([Dimension(path="x.y", values=[False, True])], {"x.y": True}) == {}
    assert edges([SIZES], {"train.batch_size": 128}) == {"train.batch_size": 1}


@pytest.mark.parametrize(("winner", "expected"), [(1e-4, [3.162e-5, 1e-5]), (1.0, [3.162, 10.0])])
def test_extension_is_two_points_at_the_designs_spacing(winner, expected):
    wider, new = stretch([LR], {"optimizer.lr": winner}, 9, anything)
    assert [p["optimizer.lr"] for p in new] == pytest.approx(expected, rel=1e-3)
    assert (wider[0].low, wider[0].high) == (min(1e-4, *expected), max(1.0, *expected))


def test_no_edge_no_extension():
    assert stretch([LR], {"optimizer.lr": 0.01}, 9, anything) == ([LR], [])


def test_a_second_extension_goes_on_at_the_same_spacing():
    spacing = spacings([LR], 9)
    wider, first = extended([LR], {"optimizer.lr": 1.0}, spacing, anything)
    _, second = extended(wider, first[-1], spacing, anything)
    assert [p["optimizer.lr"] for p in second] == pytest.approx([31.62, 100], rel=1e-3)


def test_extension_keeps_the_winners_other_values():
    _, new = stretch([LR, DROPOUT], {"optimizer.lr": 1.0, "model.dropout": 0.4}, 16, anything)
    assert len(new) == 2
    assert {p["model.dropout"] for p in new} == {0.4}


def test_what_is_no_value_is_left_out():
    """A dropout rate beyond 1: one of two new points stays; at 0 the range ends by nature."""
    wider, new = stretch([DROPOUT], {"model.dropout": 0.8}, 9, lambda p: 0 <= p["model.dropout"] < 1)
    assert [p["model.dropout"] for p in new] == [0.9]
    assert wider[0].high == 0.9
    wider, new = stretch([DROPOUT], {"model.dropout": 0.0}, 9, lambda p: 0 <= p["model.dropout"] < 1)
    assert (wider, new) == ([DROPOUT], [])


def test_listed_values_are_never_extended():
    assert stretch([SIZES], {"train.batch_size": 128}, 3, anything) == ([SIZES], [])


def test_whole_numbers_stay_whole_beyond_the_edge():
    _, new = stretch([WIDTH], {"model.width": 64}, 5, anything)
    assert [p["model.width"] for p in new] == [128, 256]
    assert all(isinstance(p["model.width"], int) for p in new)


def test_the_best_mean_wins():
    assert choose([LR], results([0.5, 0.9, 0.7, 0.6, 0.2]), "higher") == (1, "best mean")
    assert choose([LR], results([0.5, 0.9, 0.7, 0.6, 0.2]), "lower") == (4, "best mean")


def test_a_more_central_point_within_one_standard_error_wins():
    scores, errors = [0.5, 0.90, 0.88, 0.6, 0.2], [0.009] * 5
    assert choose([LR], results(scores, errors=errors), "higher")[0] == 1
    index, reason = choose([LR], results(scores, errors=[0.03] * 5), "higher")
    assert index == 2
    assert "central" in reason
    lower = [1 - s for s in scores]
    assert choose([LR], results(lower, errors=[0.03] * 5), "lower")[0] == 2


def test_what_seeds_do_to_both_points_alike_is_no_error():
    """Harder data in the second seed: the better point is better on both, far apart as the seeds are."""
    points = [
        PointResult(index=0, params={"optimizer.lr": 1e-3}, values=[0.958, 0.914], score=0.936),
        PointResult(index=1, params={"optimizer.lr": 1e-2}, values=[0.942, 0.888], score=0.915),
    ]
    assert choose([LR], points, "higher") == (0, "best mean")
    won_once = points[1].model_copy(update={"values": [0.96, 0.888], "score": 0.924})
    assert choose([LR], [points[0], won_once], "higher")[0] == 1


def test_a_less_central_point_within_one_standard_error_does_not_win():
    assert choose([LR], results([0.89, 0.5, 0.9, 0.6, 0.2], errors=[0.05] * 5), "higher") == (2, "best mean")


def test_of_equally_central_points_the_better_wins():
    """0.001 and 0.1 lie equally far from the middle."""
    scores = results([0.86, 0.9], values=[0.001, 0.1], errors=[0.5] * 2)
    assert choose([LR], scores, "higher") == (1, "best mean")
    assert choose([LR], scores[::-1], "higher")[0] == 0


def test_what_diverged_cannot_win():
    assert choose([LR], results([None, 0.3, None, 0.2, None]), "higher")[0] == 1
    assert choose([LR], results([None, None]), "higher") == (None, "every point diverged")
    assert choose([LR], [], "higher") == (None, "every point diverged")


def test_one_seed_has_no_standard_error():
    one = [
        PointResult(index=i, params={"optimizer.lr": v}, values=[s], score=s)
        for i, (v, s) in enumerate([(1e-4, 0.9), (1e-2, 0.8)])
    ]
    assert choose([LR], one, "higher") == (0, "best mean")


@given(
    scores=st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=9),
    error=st.floats(0, 0.3),
    better=st.sampled_from(["higher", "lower"]),
)
def test_the_choice_is_always_within_one_standard_error_of_the_best(scores, error, better):
    index, _ = choose([LR], results(scores, errors=[error] * len(scores)), better)
    whole = [s for s in scores if s is not None]
    if not whole:
        assert index is None
        return
    best = max(whole) if better == "higher" else min(whole)
    assert scores[index] is not None
    assert abs(scores[index] - best) <= 2 * error + 1e-12  # of a difference of two such points
