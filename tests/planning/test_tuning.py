"""Tuning an arm by ask and tell: budgets, determinism, extension, the choice, and Optuna's journal."""

import math
from itertools import chain, pairwise

import optuna
import pytest
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from harness.planning.design import make_design
from harness.planning.tuning import ArmTuner, Scores, open_journal
from harness.words.choosing import place

TEXT = """\
base:
  data: {{name: mnist1d}}
  model: {{name: mlp, width: 16, depth: 1, dropout: 0.1}}
  optimizer: {{name: momentum}}
  train: {{epochs: 3}}
arms: {{model.activation: [relu, tanh]}}
tune: {tune}
"""
LR = "{optimizer.lr: own_range, points: 9}"
TWO = "{optimizer.lr: own_range, model.dropout: {range: [0, 0.8]}}"


@pytest.fixture
def tuner(load):
    def _tuner(tune=LR, arm="relu", better="higher", storage=None, name="study"):
        design = make_design(load(TEXT.format(tune=tune), name))
        return ArmTuner(design, design.arm(arm), better, storage or InMemoryStorage())

    return _tuner


def tell(tuner, asked, value):
    """Every seed of a point gives `value(params)`; None diverges."""
    scores = {}
    for point in asked:
        found = value(point.params)
        scores[point.index] = Scores([], 2) if found is None else Scores([found, found], 0)
    tuner.tell(scores)


def run(tuner, value):
    """All rounds; the points asked in each."""
    rounds = []
    while asked := tuner.ask():
        rounds.append([p.params for p in asked])
        tell(tuner, asked, value)
    return rounds


def rates(points):
    return [p["optimizer.lr"] for p in points]


def peak_at(best):
    """An outcome highest at a rate of `best`."""
    return lambda params: -abs(params["optimizer.lr"] / best - 1)


def test_an_inner_winner_needs_one_round(tuner):
    t = tuner()
    (first,) = run(t, peak_at(0.01))
    assert len(first) == 9
    choice = t.choice("final val/accuracy")
    assert choice.params == {"optimizer.lr": 0.01}
    assert (choice.on_edge, choice.extensions, choice.reason) == ([], 0, "best mean")
    assert [p.round for p in choice.points] == [0] * 9


def test_asking_again_before_telling_gives_the_same_points(tuner):
    t = tuner()
    assert t.ask() == t.ask()


@pytest.mark.parametrize("side", ["low", "high"])
def test_a_winner_on_the_edge_is_extended_twice_at_most(tuner, side):
    t = tuner()
    sign = 1 if side == "high" else -1
    rounds = run(t, lambda p: sign * p["optimizer.lr"])
    assert [len(r) for r in rounds] == [9, 2, 2]
    everything = sorted(rates(chain(*rounds)))
    ratios = [b / a for a, b in pairwise(everything)]
    assert ratios == pytest.approx([10**0.5] * 12, rel=2e-3)  # one even grid of 13
    choice = t.choice("final val/accuracy")
    assert choice.params["optimizer.lr"] == (everything[-1] if side == "high" else everything[0])
    assert choice.on_edge == ["optimizer.lr"]
    assert choice.extensions == 2
    assert [p.index for p in choice.points] == list(range(13))


def test_extension_ends_where_the_winner_is_inside(tuner):
    t = tuner()
    rounds = run(t, peak_at(3.162))  # one step beyond the declared end
    assert [len(r) for r in rounds] == [9, 2]
    assert t.choice("x").on_edge == []


def test_the_study_may_forbid_extension(tuner):
    t = tuner("{optimizer.lr: own_range, points: 9, extend: 0}")
    assert [len(r) for r in run(t, lambda p: p["optimizer.lr"])] == [9]
    assert t.choice("x").on_edge == ["optimizer.lr"]


@pytest.mark.parametrize(
    ("tune", "path", "sign"),
    [
        ("{model.dropout: {range: [0, 0.9]}, points: 4}", "model.dropout", -1),
        ("{optimizer.momentum: {range: [0.5, 0.99]}, points: 4}", "optimizer.momentum", 1),
    ],
)
def test_a_range_that_ends_by_nature_is_neither_extended_nor_an_edge(tuner, tune, path, sign):
    """No rate below 0, no momentum from 1 up: what config refuses is never asked."""
    t = tuner(tune)
    assert [len(r) for r in run(t, lambda p: sign * p[path])] == [4]
    assert t.choice("x").on_edge == []


def test_what_config_refuses_is_dropped_from_an_extension(tuner):
    t = tuner("{model.dropout: {range: [0, 0.8]}, points: 9}")
    rounds = run(t, lambda p: p["model.dropout"])
    assert [p["model.dropout"] for p in rounds[1]] == [0.9]  # 1.0 is no rate
    assert all(p["model.dropout"] < 1 for points in rounds for p in points)


def test_what_diverged_is_not_chosen(tuner):
    t = tuner()
    run(t, lambda p: None if p["optimizer.lr"] > 0.02 else p["optimizer.lr"])
    choice = t.choice("x")
    assert choice.params == {"optimizer.lr": 0.01}
    assert [p.score is None for p in choice.points] == [
        r > 0.02 for r in rates(p.params for p in choice.points)
    ]


def test_one_diverged_seed_is_enough(tuner):
    t = tuner()
    scores = {p.index: Scores([1.0, 1.0], 0) if p.index else Scores([99.0], 1) for p in t.ask()}
    t.tell(scores)
    choice = t.choice("x")
    assert choice.points[0].score is None
    assert choice.points[0].diverged == 1
    assert choice.chosen != 0


def test_all_diverged_has_no_choice(tuner):
    t = tuner()
    assert [len(r) for r in run(t, lambda p: None)] == [9]
    choice = t.choice("x")
    assert (choice.chosen, choice.params, choice.on_edge) == (None, {}, [])
    assert choice.reason == "every point diverged"


def test_lower_may_be_better(tuner):
    t = tuner(better="lower")
    run(t, lambda p: -peak_at(0.01)(p))
    choice = t.choice("x")
    assert (choice.direction, choice.params) == ("lower", {"optimizer.lr": 0.01})


def test_scores_carry_mean_and_standard_error(tuner):
    t = tuner()
    t.tell({p.index: Scores([1.0, 2.0, 6.0], 0) for p in t.ask()})
    point = t.choice("x").points[0]
    assert (point.score, point.values) == (3.0, [1.0, 2.0, 6.0])


def test_rescoring_moves_the_choice(tuner):
    """The target of a race may move when the reference arm is extended."""
    t = tuner()
    run(t, peak_at(0.01))
    middle = t.choice("x").chosen
    t.rescore({middle: Scores([-99.0, -99.0], 0)})
    assert t.choice("x").chosen != middle
    assert t.choice("x").points[middle].score == -99.0


def test_two_dimensions_are_quasi_random_and_cover_the_ranges(tuner):
    t = tuner(TWO)
    (points,) = [[p.params for p in t.ask()]]
    assert len(points) == 16
    for path, low, high in (("optimizer.lr", 1e-4, 1.0), ("model.dropout", 0.0, 0.8)):
        assert all(low <= p[path] <= high for p in points)
        # Optuna draws the first point at random; the others are the start of a Sobol sequence,
        # of which no two share a sixteenth of the range
        shares = [place(d, p[path]) for p in points[1:] for d in t.arm.tuned if d.path == path]
        assert len({int(16 * share) for share in shares}) == 15


def test_points_depend_on_study_and_arm_alone(tuner):
    def asked(**options):
        return [p.params for p in tuner(TWO, **options).ask()]

    first = asked()
    assert asked() == first
    assert asked(arm="tanh") != first
    assert asked(name="another") != first


def test_a_run_that_goes_on_asks_for_the_same_points(tuner, tmp_path):
    """Each execution starts its journal anew and replays: also through the extension."""

    def value(p):
        return p["optimizer.lr"]

    path = tmp_path / "optuna.journal"
    first = run(tuner(TWO, storage=open_journal(path)), value)
    cut_off = tuner(TWO, storage=open_journal(path))
    tell(cut_off, cut_off.ask(), value)
    again = run(tuner(TWO, storage=open_journal(path)), value)
    assert again == first


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp"])
def test_other_samplers_keep_the_budget(tuner, sampler):
    if sampler == "gp":
        pytest.importorskip("torch")
    tune = f"{{optimizer.lr: own_range, points: 6, sampler: {sampler}, extend: 0}}"
    points = [[p.params for p in tuner(tune).ask()] for _ in range(2)]
    assert points[0] == points[1]
    assert len(set(rates(points[0]))) == 6


def test_whole_numbers(tuner):
    t = tuner("{model.width: {log_range: [4, 64]}, points: 5}")
    rounds = run(t, lambda p: p["model.width"])
    assert [p["model.width"] for p in rounds[0]] == [4, 8, 16, 32, 64]
    assert [p["model.width"] for p in rounds[1]] == [128, 256]
    t = tuner("{model.width: {log_range: [4, 64]}, model.depth: {range: [1, 4]}}")
    assert all(isinstance(v, int) for p in t.ask() for v in p.params.values())


def test_listed_values(tuner):
    t = tuner("{model.init: [he_normal, xavier_normal, orthogonal]}")
    (points,) = run(t, lambda p: len(p["model.init"]))
    assert [p["model.init"] for p in points] == ["he_normal", "xavier_normal", "orthogonal"]
    assert t.choice("x").on_edge == []


def test_the_journal_is_a_study_optuna_loads(tuner, tmp_path):
    path = tmp_path / "deep" / "optuna.journal"
    storage = open_journal(path)
    t = tuner(storage=storage)
    run(t, lambda p: None if p["optimizer.lr"] < 1e-3 else peak_at(0.01)(p))
    loaded = optuna.load_study(
        study_name="study: relu", storage=JournalStorage(JournalFileBackend(str(path)))
    )
    assert len(loaded.trials) == 9
    assert loaded.best_params == {"optimizer.lr": 0.01}
    states = [trial.state for trial in loaded.trials]
    assert states == [TrialState.FAIL] * 2 + [TrialState.COMPLETE] * 7
    assert [trial.user_attrs["index"] for trial in loaded.trials] == list(range(9))
    assert loaded.trials[4].user_attrs["values"] == [0.0, 0.0]
    assert {trial.user_attrs["round"] for trial in loaded.trials} == {0}


def test_an_old_journal_is_replaced(tuner, tmp_path):
    path = tmp_path / "optuna.journal"
    for _ in range(2):
        run(tuner(storage=open_journal(path)), peak_at(0.01))
    storage = JournalStorage(JournalFileBackend(str(path)))
    assert len(optuna.load_study(study_name="study: relu", storage=storage).trials) == 9


def test_nothing_to_tune(tuner):
    t = tuner("{}")
    assert t.ask() == []
    choice = t.choice("x")
    assert (choice.chosen, choice.params, choice.on_edge) == (0, {}, [])


LEVELS = """\
base: {data: {name: mnist1d}, model: {width: 8, depth: 1}, train: {epochs: 3}}
arms:
  penalty:
    none: {train.l1: 0, train.l2: 0}
    l1: {train.l1: {tune: [0, 0.001, 0.01]}}
    l2: {train.l2: {tune: {log_range: [1.0e-5, 0.1]}}}
tune: {optimizer.lr: own_range, points: 9, sampler: grid}
"""


def test_a_level_has_its_own_paths_tuned(load):
    """In its arms alone, with as many points as every other arm's."""
    design = make_design(load(LEVELS))
    tuned = {arm.label: [d.path for d in arm.tuned] for arm in design.arms}
    assert tuned == {
        "none": ["optimizer.lr"],
        "l1": ["optimizer.lr", "train.l1"],
        "l2": ["optimizer.lr", "train.l2"],
    }
    points = {a.label: ArmTuner(design, a, "higher", InMemoryStorage()).ask() for a in design.arms}
    assert {label: len(asked) for label, asked in points.items()} == {"none": 9, "l1": 9, "l2": 9}
    assert {p.params["train.l1"] for p in points["l1"]} == {0, 0.001, 0.01}
    assert {arm.config["train"]["l1"] for arm in design.arms} == {0}


@pytest.mark.parametrize(("best", "on_edge"), [(0, []), (0.001, []), (0.01, ["train.l1"])])
def test_a_listed_value_that_nothing_lies_beyond_is_no_edge(load, best, on_edge):
    """A penalty of 0 can't be lowered; the largest of the list could have been larger."""
    design = make_design(load(LEVELS))
    tuner = ArmTuner(design, design.arm("l1"), "higher", InMemoryStorage())
    run(tuner, lambda params: -abs(params["train.l1"] - best) - abs(math.log10(params["optimizer.lr"]) + 1))
    assert tuner.choice("test").on_edge == on_edge


def test_what_a_level_has_tuned_is_checked_at_its_place(complaint):
    assert complaint(LEVELS.replace("[0, 0.001, 0.01]", "[0, -1]")) == [
        "study.yaml:5: arms.penalty.l1.train.l1: in arm 'l1': train.l1: found -1; "
        "allowed: a number of at least 0"
    ]
    (found,) = complaint(LEVELS.replace("[0, 0.001, 0.01]", "3"))
    assert found.startswith("study.yaml:5: arms.penalty.l1.train.l1: is no range to tune")
    (found,) = complaint(LEVELS.replace("optimizer.lr: own_range", "train.l1: [0, 1]"))
    assert "is tuned, and set by the factor 'penalty' too" in found
