"""A grid that doesn't come out at the budget is refused before anything runs, with what would fit."""

import re

import pytest

from harness.errors import StudyError
from harness.planning.design import make_design
from harness.planning.points import grid

TEXT = """\
base:
  data: {name: mnist1d, n_train: 200, n_val: 60, n_test: 60}
  model: {name: mlp, widths: [8]}
  optimizer: {name: adam}
  train: {batch_size: 50, epochs: 2}
arms: {model.activation: [relu, tanh]}
tune: {TUNE}
judge: {replicates: 8}
hypotheses:
  - {kind: superiority, a: relu, b: tanh, outcome: {final: test/accuracy}, delta: 0.01}
"""
LISTED = "optimizer.lr: [0.1, 0.01, 0.001]"
RANGED = "optimizer.weight_decay: {log_range: [1.0e-5, 0.1]}"


def text(tune):
    return TEXT.replace("TUNE", tune)


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        (f"{LISTED}, points: 9", "tune.optimizer.lr: in arm 'relu' the grid has 3 points, tune.points is 9"),
        (f"{LISTED}, {RANGED}, sampler: grid, points: 16", "has 12 points (3 x 4), tune.points is 16"),
        (f"{LISTED}, {RANGED}, sampler: grid", "has 12 points (3 x 4), every arm's budget is 16"),
        (f"optimizer.lr: own_range, {RANGED}, sampler: grid, points: 10", "has 9 points (3 x 3)"),
        ("optimizer.lr: own_range, model.widths: {range: [1, 2]}", "widths"),
    ],
)
def test_a_grid_of_another_size_is_refused(complaint, tune, said):
    assert said in " ".join(complaint(text(tune)))


def test_the_line_is_that_of_the_list(complaint):
    block = "tune:\n  points: 9\n  optimizer.lr: [0.1, 0.01]"
    (line,) = complaint(TEXT.replace("tune: {TUNE}", block))
    assert line.startswith("study.yaml:9: tune.optimizer.lr: ")
    assert line.endswith("allowed: 2. Set tune.points to one of these, or change the list")


@pytest.mark.parametrize("tune", [LISTED, f"{LISTED}, {RANGED}, sampler: grid"])
def test_every_number_of_points_is_kept_or_refused(load, complaint, tune):
    """What passes has exactly so many points in every arm, and what is said to be allowed passes."""
    passing, allowed = set(), set()
    for points in range(2, 21):
        file = load(text(f"{tune}, points: {points}"))
        try:
            design = make_design(file)
        except StudyError as error:
            allowed |= {int(n) for n in re.search(r"allowed: ([\d, ]+)\.", str(error))[1].split(",")}
        else:
            assert {len(grid(arm.tuned, points)) for arm in design.arms} == {design.points} == {points}
            passing.add(points)
    assert passing
    assert allowed == passing


def test_a_list_by_itself_is_its_own_budget(load):
    assert make_design(load(text(LISTED))).points == 3


def test_arms_that_tune_other_things_need_lists_that_fit(load, complaint):
    arms = "arms: {l2: {none: {train.l2: 0}, l2: {train.l2: {tune: LIST}}}}"
    study = text("optimizer.lr: own_range, sampler: grid, points: 9").replace(
        "arms: {model.activation: [relu, tanh]}", arms
    )
    study = study.replace("a: relu, b: tanh", "a: l2, b: none")
    made = make_design(load(study.replace("LIST", "[0.001, 0.01, 0.1]")))
    assert [len(grid(arm.tuned, made.points)) for arm in made.arms] == [9, 9]
    (line,) = complaint(study.replace("LIST", "[0.001, 0.01]"))
    assert "arms.l2.l2.train.l2: in arm 'l2' the grid has 6 points (3 x 2), tune.points is 9" in line


def test_numbers_that_round_to_the_same_are_fewer_points(complaint):
    said = complaint(text("train.batch_size: {range: [10, 14]}, points: 9"))
    assert "the grid has 5 points, tune.points is 9; allowed: 3, 4, 5." in said[0]


def test_points_of_a_range_count_only_where_it_is_alone(load, complaint):
    alone = "optimizer.lr: {log_range: [0.001, 0.1], points: 5}"
    assert make_design(load(text(alone))).points == 5
    assert "give one of the two" in complaint(text(f"{alone}, points: 7"))[0]
    assert "tune.points, the points of the whole design" in complaint(text(f"{alone}, {RANGED}"))[0]


@pytest.mark.parametrize(
    "key", ["points: 9", "seeds: 3", "select: {final: val/loss}", "sampler: qmc", "extend: 1"]
)
def test_how_to_tune_needs_something_tuned(complaint, key):
    said = " ".join(complaint(text(key)))
    assert f"tune.{key.split(':')[0]}" in said
    assert "nothing is tuned" in said
