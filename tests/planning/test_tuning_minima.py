"""What tuning falls short of is said, and refused by nobody."""

import pytest

from harness.planning.design import make_design
from harness.words.tuning_minima import tuning_caveats
from tests.planning.test_tuning_checks import RANGED, text

OWN = "optimizer.lr: own_range"
LEAST = "; the method asks for at least "


def caveats(load, written):
    return tuning_caveats(make_design(load(written)))


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        (f"{OWN}", []),
        (f"{OWN}, points: 3", [f"tuned at 3 points{LEAST}9"]),
        (f"{OWN}, points: 1, sampler: qmc", [f"tuned at 1 point{LEAST}9"]),
        (f"{OWN}, {RANGED}", []),
        (f"{OWN}, {RANGED}, points: 9", [f"tuned at 9 points of 2 dimensions{LEAST}16"]),
        ("optimizer.lr: [0.1, 0.01, 0.001], points: 3", []),  # there are no others to try
    ],
)
def test_too_few_points(load, tune, said):
    assert caveats(load, text(tune)) == said


def test_one_seed_and_points_chosen_by_scores(load):
    seed, sampler = caveats(load, text(f"{OWN}, seeds: 1, sampler: tpe"))
    assert seed.startswith("tuned on 1 seed a point; the method asks for 2 or 3")
    assert sampler.startswith("tuned at points that tpe chose by the scores of others")


def test_arms_are_named_where_others_have_enough(load):
    arms = "{rate: {one: {optimizer.lr: {tune: own_range}}, both: {optimizer.lr: {tune: own_range}, "
    arms += "optimizer.weight_decay: {tune: {log_range: [1.0e-5, 0.1]}}}}}"
    written = text("points: 9").replace("{model.activation: [relu, tanh]}", arms)
    written = written.replace("a: relu, b: tanh", "a: one, b: both")
    assert caveats(load, written) == [f"tuned at 9 points of 2 dimensions (both){LEAST}16"]


def test_nothing_tuned_falls_short_of_nothing(load):
    assert caveats(load, text("").replace("tune: {}\n", "")) == []
