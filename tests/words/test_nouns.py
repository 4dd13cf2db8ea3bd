"""Configs, trials, seeds, metrics: what identifies a run and what is known of it by name."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import BadInput, UnknownName
from harness.words.base import canonical, content_hash
from harness.words.config import DataSection, RunConfig, TrainSection, a_step
from harness.words.form_errors import form_problems
from harness.words.metrics import METRICS, split_metric
from harness.words.outcome import UNITS
from harness.words.seeds import seed_for
from harness.words.trial import NUMERICS, Trial


def test_equal_content_has_one_hash():
    assert content_hash({"a": 1, "b": [2]}) == content_hash({"b": [2], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": math.nan})


@given(st.integers(0, 10_000), st.sampled_from(["tune", "judge"]))
def test_seeds_differ_by_purpose_and_phase(replicate, phase):
    seed = seed_for("init", "study", phase, replicate)
    other = "judge" if phase == "tune" else "tune"
    assert 0 <= seed < 2**63
    assert seed == seed_for("init", "study", phase, replicate)
    assert (
        len({seed, seed_for("order", "study", phase, replicate), seed_for("init", "study", other, replicate)})
        == 3
    )


def test_seed_parts_do_not_run_together():
    assert seed_for("init", "a", "b") != seed_for("init", "ab", "")
    assert seed_for("init", "1") != seed_for("init", 1)


def test_a_trial_is_its_content():
    trial = Trial(study="s", phase="tune", replicate=0, config={"a": 1})
    assert trial.id == Trial(study="s", phase="tune", replicate=0, config={"a": 1}).id
    changed = [{"study": "t"}, {"phase": "judge"}, {"replicate": 1}, {"config": {"a": 2}}]
    assert len({trial.id, *(trial.model_copy(update=c).id for c in changed)}) == 5
    assert trial.seed_parts() == Trial(study="s", phase="tune", replicate=0, config={"b": 9}).seed_parts()


def test_member_0_is_the_trial_without_an_ensemble():
    trial = Trial(study="s", phase="judge", replicate=3, config={"a": 1})
    assert trial.id == content_hash([NUMERICS, "s", "judge", 3, {"a": 1}])  # as before there were members
    assert trial.seed_parts() == ("s", "judge", 3)
    members = [trial.model_copy(update={"member": k}) for k in range(4)]
    assert members[0].id == trial.id
    assert len({m.id for m in members}) == len({m.seed_parts() for m in members}) == 4
    with pytest.raises(ValidationError):
        Trial(study="s", phase="judge", replicate=3, config={}, member=-1)


def test_a_trial_is_the_same_wherever_its_users_files_are_named_from():
    """Their content's hash identifies them; the path is relative to the working directory of the run."""

    def trial(folder, sha256="1f", source="2e"):
        data = {"name": "file", "file": f"{folder}mine.csv", "sha256": sha256}
        model = {"name": "own", "class": f"{folder}nets.py:Tower", "source": source}
        return Trial(study="s", phase="tune", replicate=0, config={"data": data, "model": model})

    assert trial("studies/").id == trial("").id == trial("/home/me/").id
    assert len({trial("").id, trial("", sha256="3d").id, trial("", source="4c").id}) == 3
    assert trial("studies/", sha256="").id != trial("", sha256="").id  # nothing else tells them apart


def test_length_of_a_run():
    assert TrainSection(epochs=30).total_steps(4000) == 1200
    assert TrainSection(epochs=2, batch_size=300).total_steps(1000) == 6  # the short last batch is left out
    assert TrainSection(epochs=5, batch_size="full").total_steps(77) == 5
    assert TrainSection(steps=7).total_steps(4000) == 7
    seconds = {"seconds": 1, "cost": {"step_us": 1, "example_us": 1}}
    for lengths in ({}, {"epochs": 1, "steps": 1}, {"epochs": 1, **seconds}, {"steps": 0, **seconds}):
        with pytest.raises(ValidationError, match="one of the three"):
            TrainSection(**lengths)


@pytest.mark.parametrize(
    ("seconds", "step_us", "example_us", "batch", "steps"),
    [
        (1, 100, 1, 100, 5000),
        (1, 100, 1, "full", 909),  # 1,000 examples: 1.1 ms a step
        (1.0999, 100, 1, "full", 999),
        (1.1, 100, 1, "full", 1000),
        (0.0007, 0.6, 0.1, 1, 1000),  # as written: in binary 699.99... by 0.7 would be one less
        (0.0006999, 0.6, 0.1, 1, 999),
        (0.29, 29, 0, 7, 10_000),
        (1e-6, 2, 0, 1, 0),
    ],
)
def test_seconds_are_the_whole_steps_that_fit_by_the_declared_cost(
    seconds, step_us, example_us, batch, steps
):
    cost = {"step_us": step_us, "example_us": example_us}
    train = TrainSection(seconds=seconds, cost=cost, batch_size=batch)
    assert train.total_steps(1000) == steps
    taken = steps * a_step({"train": train.model_dump(mode="json")}, "seconds", 1000)
    assert taken == pytest.approx(seconds, abs=a_step({"train": train.model_dump()}, "seconds", 1000))
    assert taken <= seconds * (1 + 1e-12)


def test_a_step_in_every_unit():
    config = {"train": {"batch_size": 32, "cost": {"step_us": 100, "example_us": 2}}}
    assert [a_step(config, unit, 500) for unit in UNITS] == [1, 32, pytest.approx(164e-6)]
    assert a_step({"train": {"batch_size": "full"}}, "examples", 500) == 500
    with pytest.raises(BadInput, match=r"needs train\.cost: .* `harness bench cost_batch`"):
        a_step({"train": {"batch_size": 32}}, "seconds", 500)


@pytest.mark.parametrize(
    "given",
    [
        {"seconds": 1},
        {"seconds": -1, "cost": {"step_us": 1, "example_us": 1}},
        {"seconds": 0, "cost": {"step_us": 1, "example_us": 1}},
        {"seconds": math.inf, "cost": {"step_us": 1, "example_us": 1}},
        {"seconds": 1, "cost": {"step_us": 0, "example_us": 1}},
        {"seconds": 1, "cost": {"step_us": 1, "example_us": -1}},
        {"seconds": 1, "cost": {"step_us": 1}},
    ],
)
def test_seconds_and_their_cost_are_checked(given):
    with pytest.raises(ValidationError):
        TrainSection.model_validate(given)


def test_data_need_a_name_or_a_file():
    assert DataSection.model_validate({"file": "x.csv", "target": "y"}).options == {
        "file": "x.csv",
        "target": "y",
    }
    with pytest.raises(ValidationError, match=r"data\.name"):
        DataSection.model_validate({"n_train": 3})


def test_a_config_goes_to_plain_values_and_back():
    tree = {
        "data": {"name": "mnist1d", "n_train": 10},
        "model": {"class": "a.py:B", "width": 3},
        "train": {"epochs": 1},
    }
    config = RunConfig.model_validate(tree)
    assert config.model.options == {"width": 3}
    assert RunConfig.model_validate(config.tree()) == config
    assert config.tree()["model"]["class"] == "a.py:B"


def test_metrics_by_name():
    split, metric = split_metric("val/accuracy")
    assert (split, metric.better, metric.delta) == ("val", "higher", 0.01)
    with pytest.raises(BadInput, match="split/metric"):
        split_metric("accuracy")
    with pytest.raises(UnknownName, match="Did you mean 'accuracy'"):
        split_metric("val/acuracy")


def test_worst_values():
    assert METRICS["accuracy"].worst(10) == 0.1
    assert METRICS["nll"].worst(10) == math.log(10)
    assert math.isnan(METRICS["mse"].worst(10))
    assert math.isnan(METRICS["accuracy"].worst(None))


@pytest.mark.parametrize(
    ("train", "place", "message"),
    [
        ({"batch_size": "ful"}, "batch_size", "found 'ful'; allowed: a whole number or \"full\""),
        ({"batch_size": 0}, "batch_size", 'found 0; allowed: a number above 0 or "full"'),
        ({"dtype": "flot32"}, "dtype", "found 'flot32'; did you mean 'float32'? Allowed: float32, float64"),
        ({"epoch": 3}, "epoch", "unknown key; did you mean 'epochs'? Allowed: augment, augment_strength,"),
        ({"label_smoothing": 1}, "label_smoothing", "found 1; allowed: a number below 1"),
    ],
)
def test_problems_of_any_model_in_words(train, place, message):
    given = {"epochs": 1, **train}
    with pytest.raises(ValidationError) as caught:
        TrainSection.model_validate(given)
    (problem,) = form_problems(caught.value, given, TrainSection)
    assert problem.location == (place,)
    assert problem.message.startswith(message)
