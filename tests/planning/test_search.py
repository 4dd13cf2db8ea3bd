"""The space of a search, Optuna's part of it, and what fANOVA makes of the trials."""

import math
import random

import pytest

from harness.catalogue.optimizers import OPTIMIZERS
from harness.catalogue.resolve import resolved_with
from harness.planning.design import make_design, validate_study
from harness.planning.search import FOREST_SEEDS, Searcher, Told, importances
from harness.planning.search_design import REPLICATES, objective_of, space_hash
from harness.planning.space import assign, default_params, parameters, value_of
from harness.planning.tuning import open_journal
from harness.words.search import Parameter, Search, SearchTrial

TEXT = """\
kind: search
base: {data: {name: mnist1d}, train: {epochs: 2}}
space:
  model.depth: [1, 2, 3, 4]
  model.width: {log_range: [16, 512]}
  model.dropout: {range: [0, 0.5], points: 6}
  model.activation: [relu, tanh]
  optimizer.lr: own_range
  optimizer.momentum: [0.5, 0.9]
  optimizer.name: [sgd, momentum, adam]
budget: {trials: 40}
"""


@pytest.fixture
def design(load):
    def _design(*replacements, name="study"):
        text = TEXT
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        return make_design(load(text, name))

    return _design


# the space


def test_parameters_of_every_form(design):
    found, problems = parameters(design().study)
    assert not problems
    by_path = {p.path: p for p in found}
    assert found[0].path == "optimizer.name"  # others depend on it
    assert by_path["model.depth"].ordered
    assert not by_path["optimizer.name"].ordered
    assert by_path["model.width"].whole
    assert by_path["model.width"].log
    assert by_path["model.dropout"].values == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert by_path["optimizer.lr"].own
    assert [p.path for p in found if not p.always] == ["optimizer.momentum"]


def test_an_own_range_is_that_of_the_optimizer_tried(design):
    study = design().study
    space, _ = parameters(study)
    for index, name in enumerate(["sgd", "momentum", "adam"]):
        for place, end in ((0.0, "low"), (1.0, "high")):

            def choose(p, index=index, place=place):
                if p.path == "optimizer.name":
                    return p.values[index]
                return place if p.own else 0 if p.ordered else p.values[0] if p.values else p.low

            asked, params = assign(space, study.base, choose)
            assert params["optimizer.lr"] == pytest.approx(getattr(OPTIMIZERS[name].lr_range, end))
            assert ("optimizer.momentum" in params) == (name == "momentum")
            assert asked.keys() == params.keys()


def test_an_own_range_of_whole_numbers_gives_whole_numbers():
    patience = Parameter(path="train.patience", low=0.0, high=1.0, own=True, always=True)
    tree = {"data": {"name": "mnist1d"}, "train": {"epochs": 2}}
    assert [value_of(patience, place, tree) for place in (0.0, 0.3, 1.0)] == [1, 3, 50]


def test_every_draw_of_the_space_is_a_config_inside_it(design):
    study = design().study
    space, _ = parameters(study)
    generator = random.Random(0)

    def choose(p):
        if p.values is not None:
            place = generator.randrange(len(p.values))
            return place if p.ordered else p.values[place]
        value = generator.uniform(p.low, p.high)
        return round(value) if p.whole else value

    for _ in range(200):
        config = resolved_with(study.base, assign(space, study.base, choose)[1])
        own = OPTIMIZERS[config.optimizer.name].lr_range
        assert own.low <= config.optimizer.options["lr"] <= own.high
        assert 16 <= config.model.options["width"] <= 512


def test_defaults_are_the_base_with_each_name(design):
    assert default_params(design().study) == [{"optimizer.name": n} for n in ("sgd", "momentum", "adam")]


def test_what_a_search_judges_unless_told(design):
    plan = design()
    assert [a.label for a in plan.arms] == ["best 1", "best 2", "best 3", "default"]
    assert plan.study.judge.replicates == REPLICATES
    assert str(objective_of(plan)) == "final val/accuracy"
    assert plan.study.budget.batch_size == 4
    told = design(("budget:", "judge: {replicates: 5}\nbudget:"), ("trials: 40", "trials: 40, best: 1"))
    assert (len(told.arms), told.study.judge.replicates) == (2, 5)


WRONG = {
    "an unknown option": (
        ("model.depth: [1", "model.dept: [1"),
        "study.yaml:4: space.model.dept: unknown option 'dept'. Did you mean 'depth'",
    ),
    "data": (
        ("model.depth: [1, 2, 3, 4]", "data.noise: [1, 2]"),
        "study.yaml:4: space.data.noise: unknown section that a search may vary 'data'",
    ),
    "a wrong value": (("tanh]", "tahn]"), "unknown activation 'tahn'. Did you mean 'tanh'"),
    "an end of a range": (("range: [0, 0.5]", "range: [0, 1.5]"), "study.yaml:6: space.model.dropout"),
    "no own range": (
        ("model.width: {log_range: [16, 512]}", "model.width: own_range"),
        "study.yaml:5: space.model.width: has no own_range with sgd; give a range or a list (have one: ",
    ),
    "a list in a list": (("relu, tanh", "[relu], tanh"), "study.yaml:7: space.model.activation.0: found ["),
    "twice": (("relu, tanh", "relu, relu"), "each value may be listed once"),
    "the test split": (
        ("budget:", "objective: {final: test/accuracy}\nbudget:"),
        "study.yaml:11: objective: found 'final test/accuracy'; a search looks at the validation split alone",
    ),
    "an unmeasured metric": (("budget:", "objective: {final: val/mse}\nbudget:"), "mse is not measured"),
    "arms": (
        ("space:", "arms: {model.bias: [true, false]}\nspace:"),
        "study.yaml:3: arms: a search has none",
    ),
    "more judged than tried": (("trials: 40", "trials: 2"), "budget.best: found 3; allowed: at most the 2"),
    "one replicate": (
        ("budget:", "judge: {replicates: 1}\nbudget:"),
        "judge.replicates: found 1; a search judges at least 2",
    ),
    "members": (("budget:", "judge: {members: 2}\nbudget:"), "judge.members: found 2"),
    "too many trials": (
        ("trials: 40", "trials: 90000, seeds: 9"),
        "budget.trials: the study takes 810,040 trials, 40 of them to judge; allowed: 200,000",
    ),
    "the base": (("epochs: 2", "epoch: 2"), "study.yaml:2: base.train"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_line(complaint, case):
    (old, new), message = WRONG[case]
    assert old in TEXT
    assert any(message in line for line in complaint(TEXT.replace(old, new)))


def test_every_tier_of_a_search_is_checked(load):
    validate_study(load(TEXT + "tiers: {full: {budget.trials: 80}}\n"))
    with pytest.raises(Exception, match=r"study\.yaml:12: space\.model\.depth"):
        validate_study(load(TEXT + "tiers: {full: {space.model.depth: [x]}}\n"))


# Optuna's part


def score(params):
    """A made-up objective: best at width 64 with Adam at 0.001."""
    rate = abs(math.log10(params["optimizer.lr"] / 1e-3)) + (params["optimizer.name"] != "adam")
    return 1 / (1 + rate + abs(math.log2(params["model.width"] / 64)))


def searched(design, tmp_path, before=None, until=None, objective=score):
    """A search run to its end, or to `until` trials."""
    searcher = Searcher(design, "higher", open_journal(tmp_path / "journal"), before)
    while (until is None or len(searcher.trials) < until) and (batch := searcher.ask()):
        searcher.tell({t.index: Told(objective(t.params), False) for t in batch})
    return searcher


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "random"])
@pytest.mark.parametrize("until", [4, 12])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(design, tmp_path, sampler, until):
    plan = design(("trials: 40", f"trials: 20, batch: 4, sampler: {sampler}"))
    whole = searched(plan, tmp_path)
    part = searched(plan, tmp_path, until=until)
    open_batch = part.ask()  # asked for, saved, and never told
    before = part.search()
    assert len(before.trials) == until + len(open_batch)
    assert searched(plan, tmp_path, before).trials == whole.trials


def test_gp_searches_too(design, tmp_path):
    plan = design(("trials: 40", "trials: 12, batch: 6, sampler: gp"))
    assert len(searched(plan, tmp_path).trials) == 12


def test_a_larger_budget_keeps_what_was_tried(design, tmp_path):
    small = searched(design(("trials: 40", "trials: 12, batch: 4")), tmp_path)
    plan = design(("trials: 40", "trials: 20, batch: 4"))
    assert searched(plan, tmp_path, small.search()).trials[:12] == small.trials


def test_another_space_starts_anew(design, tmp_path):
    plan, other = design(), design(("tanh]", "gelu]"))
    assert space_hash(plan) != space_hash(other)
    before = searched(plan, tmp_path, until=8).search()
    fresh = Searcher(other, "higher", open_journal(tmp_path / "journal"), before)
    assert all(t.value is None for t in fresh.ask())
    assert [t.params for t in fresh.trials] != [t.params for t in before.trials[:4]]


def test_tpe_learns_from_one_batch_to_the_next(design, tmp_path):
    found = searched(design(("trials: 40", "trials: 80, batch: 8")), tmp_path)
    values = [t.value for t in found.trials]
    assert sum(values[-24:]) > 1.5 * sum(values[:24])
    assert found.trials[found.best[0]].value == max(values)


def test_a_diverged_trial_is_kept_as_the_worst(design, tmp_path):
    searcher = Searcher(
        design(("trials: 40", "trials: 4, batch: 4")), "lower", open_journal(tmp_path / "j"), None
    )
    batch = searcher.ask()
    told = [Told(3.0, False), Told(math.nan, True), Told(7.0, False), Told(1.0, False)]
    searcher.tell({t.index: one for t, one in zip(batch, told, strict=True)})
    assert [(t.value, t.diverged) for t in searcher.trials] == [(3, False), (7, True), (7, False), (1, False)]
    assert searcher.best == [3, 0, 1, 2]


def test_where_everything_diverged_nothing_is_best(design, tmp_path):
    searcher = Searcher(
        design(("trials: 40", "trials: 4, batch: 4")), "lower", open_journal(tmp_path / "j"), None
    )
    searcher.tell({t.index: Told(math.nan, True) for t in searcher.ask()})
    assert (searcher.best, searcher.ask()) == ([], [])


# importances


def additive(coefficients, n=100):
    """Trials of sum_i c_i x_i, x_i even in [0, 1]."""
    generator = random.Random(1)
    space = [Parameter(path=f"model.x{i}", low=0, high=1) for i in range(len(coefficients))]
    trials = []
    for index in range(n):
        point = {p.path: generator.random() for p in space}
        value = sum(c * point[p.path] for c, p in zip(coefficients, space, strict=True))
        trials.append(SearchTrial(index=index, asked=point, params=point, value=value))
    return Search(space_hash="", objective="", direction="higher", parameters=space, trials=trials)


def test_importances_of_an_additive_function_are_its_shares_of_the_variance():
    found = importances(additive([3.0, 2.0, 0.0]))
    assert [i.path for i in found] == ["model.x0", "model.x1", "model.x2"]
    assert all(len(i.values) == FOREST_SEEDS for i in found)
    # Var(c x) = c^2 / 12, so that the shares are 9/13, 4/13 and 0
    assert [i.mean for i in found] == pytest.approx([9 / 13, 4 / 13, 0], abs=0.1)


def test_parameters_that_only_some_configs_have_are_not_ranked():
    search = additive([1.0, 1.0, 1.0], n=20)
    some = search.parameters[2].model_copy(update={"always": False})
    found = importances(search.model_copy(update={"parameters": [*search.parameters[:2], some]}))
    assert {i.path for i in found} == {"model.x0", "model.x1"}
