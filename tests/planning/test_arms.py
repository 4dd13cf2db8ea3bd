"""Factors crossed to arms, tiers."""

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StudyError, UnknownName
from harness.planning.arms import combinations, label_of, overlap, spaced
from harness.planning.tiers import apply_tier
from harness.words.ranges import LinearRange, LogRange
from harness.words.study_file import study_of
from tests.words.sketches import SKETCHES

BASE = "base: {data: {name: mnist1d}, train: {epochs: 30}}\n"
LEVELS = {
    "model.activation": ["relu", "tanh", "gelu", "sigmoid"],
    "model.depth": [1, 2, 3, 8],
    "model.skip": [True, False],
    "optimizer.lr": [1e-4, 1e-3, 0.1, 1.0],
    "model.widths": [[], [4], [100, 100]],
}
FACTORS = st.lists(st.sampled_from(sorted(LEVELS)), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries(
        {n: st.lists(st.sampled_from(LEVELS[n]), min_size=1, unique_by=repr) for n in names}
    )
)


@given(FACTORS)
def test_the_crossing_is_full_and_labels_are_unique(arms):
    file = study_of(Path("study.yaml"), {"arms": arms}, {})
    crossed = combinations(file)
    assert len(crossed) == math.prod(len(levels) for levels in arms.values())
    assert len({c.label for c in crossed}) == len(crossed)
    assert len({repr(c.paths) for c in crossed}) == len(crossed)
    assert all(c.paths.keys() == arms.keys() for c in crossed)


@pytest.mark.parametrize(
    ("arms", "labels"),
    [
        ("{optimizer.name: [sgd, adam]}", ["sgd", "adam"]),
        ("{model.dropout: [0, 0.1]}", ["0", "0.1"]),
        ("{model.activation: [relu], model.depth: [1, 3]}", ["relu, depth 1", "relu, depth 3"]),
        (
            "{model.skip: [true, false], optimizer.lr: [1e-3]}",
            ["skip true, lr 0.001", "skip false, lr 0.001"],
        ),
        ("{model.widths: {perceptron: [], mlp: [4]}, data.gate: [and]}", ["perceptron, and", "mlp, and"]),
        ("{model.widths: [[100, 100], []], data.name: [x]}", ["widths 100-100, x", "widths none, x"]),
        ("{data.label_noise: [0.5], data.name: [x]}", ["label noise 0.5, x"]),
        ("{optimizer.lr: {log_range: [0.001, 10], points: 5}}", ["0.001", "0.01", "0.1", "1", "10"]),
        ("{model.dropout: {range: [0, 0.5], points: 3}}", ["0", "0.25", "0.5"]),
        ("{model.width: {log_range: [16, 128], points: 4}}", ["16", "32", "64", "128"]),
        ("{size: {small: {model.width: 8}, base: {}}}", ["small", "base"]),
    ],
)
def test_labels(load, arms, labels):
    assert [c.label for c in combinations(load(f"{BASE}arms: {arms}"))] == labels


def test_a_level_sets_several_paths(load):
    crossed = combinations(load(SKETCHES["activations"]))
    assert len(crossed) == 9
    assert crossed[0].paths == {
        "model.activation": "sigmoid",
        "model.init": "xavier_normal",
        "model.depth": 1,
    }


def test_a_range_of_whole_numbers_has_whole_levels(load):
    crossed = combinations(load(BASE + "arms: {model.width: {log_range: [3, 100], points: 5}}"))
    values = [c.paths["model.width"] for c in crossed]
    assert all(isinstance(v, int) for v in values)
    assert (values[0], values[-1]) == (3, 100)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ("{model.depth: [1, 2,\n  1]}", ":3: arms.model.depth.2: two levels are called '1'"),
        (
            "{optimizer: [sgd]}",
            ":2: arms.optimizer: found levels without labels; the factor 'optimizer' is no dotted",
        ),
        (
            "{optimizer.lr: {log_range: [1, 2]}}",
            ":2: arms.optimizer.lr: a range of levels needs points: 2 or more",
        ),
        ("{act: {relu: relu}}", ":2: arms.act.relu: found 'relu'; allowed: the dotted paths this level sets"),
        ("{act: {relu: {modl.activation: relu}}}", "arms.act.relu.modl.activation: unknown path"),
        (
            "{modle.depth: [1]}",
            "unknown section of a config 'modle'. Did you mean 'model'? Allowed: data, model",
        ),
        (
            "{model.depth: [{a: 1}]}",
            "arms.model.depth.0: found {'a': 1}; a level that is a mapping needs a label",
        ),
        (
            "{act: {a: {model.depth: 1}},\n  model.depth: [1, 2]}",
            ":3: arms.model.depth: sets model.depth, and so does the factor 'act'",
        ),
        (
            "{f: {'a, b': {model.depth: 1}, a: {model.depth: 2}},\n"
            "  g: {c: {model.width: 1}, 'b, c': {model.width: 2}}}",
            ":2: arms: two arms are called 'a, b, c'",
        ),
        (
            "{model.depth: {range: [1, 100], points: 100}, model.dropout: {range: [0, 0.9], points: 11}}",
            "arms: the factors cross to 1,100 arms; allowed: at most 1,000",
        ),
    ],
)
def test_factors_that_can_not_be(load, arms, message):
    with pytest.raises(StudyError) as caught:
        combinations(load(f"{BASE}arms: {arms}"))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_labels_of_values():
    assert [label_of(v) for v in (None, True, 3, 0.1, 1e-5, "x", [2, 3], [])] == [
        "none", "true", "3", "0.1", "1e-05", "x", "2-3", "none",
    ]  # fmt: skip


@given(st.floats(1e-8, 1e3), st.floats(1.001, 1e6), st.integers(2, 40))
def test_spaced_values_ascend_from_end_to_end(low, factor, points):
    high = low * factor
    for values in (
        spaced(LogRange(log_range=(low, high)), points),
        spaced(LinearRange(range=(low, high)), points),
    ):
        assert (len(values), values[0], values[-1]) == (points, low, high)
        assert all(b > a for a, b in itertools.pairwise(values))


def test_log_spaced_values_have_one_ratio():
    values = spaced(LogRange(log_range=(1e-5, 0.1)), 9)
    ratios = [b / a for a, b in itertools.pairwise(values)]
    assert all(r == pytest.approx(10**0.5, rel=1e-3) for r in ratios)


def test_overlap():
    assert overlap("model.width", "model.width")
    assert overlap("model", "model.width")
    assert not overlap("model.width", "model.widths")


# tiers


TIERED = """\
base: {data: {name: mnist1d}, train: {epochs: 30}}
arms: {model.depth: [1, 2], optimizer.name: [sgd]}
tune: {optimizer.lr: own_range, points: 9}
tiers:
  full:
    data.n_train: 40000
    judge.replicates: 50
    arms.model.depth: [1, 2, 3]
    tune.points: 12
    tune.optimizer.lr: [0.1, 0.2]
    target.value: 0.9
"""


def test_a_tier_reaches_the_study_and_the_base(load):
    study = apply_tier(load(TIERED), "full").study
    assert study.base["data"] == {"name": "mnist1d", "n_train": 40000}
    assert (study.judge.replicates, study.tune.points, study.target.value) == (50, 12, 0.9)
    assert study.arms["model.depth"] == [1, 2, 3]
    assert study.tune.parameters == {"optimizer.lr": [0.1, 0.2]}


def test_no_tier_is_the_file_itself(load):
    file = load(TIERED)
    assert apply_tier(file, None) is file
    with pytest.raises(UnknownName, match=r"unknown tier 'ful'\. Did you mean 'full'"):
        apply_tier(file, "ful")


def test_errors_of_a_tier_name_its_own_lines(load):
    file = load(TIERED.replace("judge.replicates: 50", "judge.replicates: many"))
    with pytest.raises(StudyError, match=r"study\.yaml:7: judge\.replicates: found 'many'; allowed: a whole"):
        apply_tier(file, "full")


@pytest.mark.parametrize("path", ["hypotheses.0", "claim.says", "epochs", "trian.epochs"])
def test_a_tier_leaves_the_question_alone(load, path):
    file = load(TIERED + f"    {path}: 3\n")
    with pytest.raises(StudyError, match=rf"study\.yaml:12: tiers\.full\.{path}: unknown path"):
        apply_tier(file, "full")
