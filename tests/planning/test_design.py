"""A study file to a design: what comes out, and every complaint about a study's meaning."""

import pytest

from harness.errors import StudyError
from harness.planning.design import make_design, validate_study
from tests.words.sketches import SKETCHES

TUNED = """\
base:
  data: {name: mnist1d}
  model: {name: mlp, widths: [16]}
  train: {epochs: 30}
arms:
  optimizer.name: [sgd, adam]
tune: {optimizer.lr: own_range}
hypotheses:
"""
FASTER = "  - {kind: faster, a: adam, b: sgd, outcome: {steps_to: val/accuracy}, delta: 1.25}\n"
BEST = "  - {kind: best_of, outcome: {final: test/accuracy}, delta: 0.01}\n"


def test_the_optimizers_sketch(load):
    design = make_design(load(SKETCHES["optimizers"], "optimizers"))
    assert design.name == "optimizers"
    assert [a.label for a in design.arms] == ["sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "adamw"]
    assert (design.points, set(design.steps.values())) == (9, {1200})
    adam = design.arm("adam")
    (lr,) = adam.tuned
    assert (lr.path, lr.low, lr.high, lr.log) == ("optimizer.lr", 1e-5, 0.1, True)
    assert adam.config["optimizer"]["beta2"] == 0.999  # every default is explicit
    assert adam.levels == {"optimizer.name": "adam"}
    assert adam.n_parameters == 41 * 100 + 101 * 100 + 101 * 10
    assert design.data["adam"].scope == "fresh"
    assert design.target_reference(design.arms[0].label).label == "momentum"


def test_a_budget_in_steps_and_in_examples(load):
    text = TUNED.replace("optimizer.name: [sgd, adam]", "train.batch_size: [100, 1500, full]") + BEST
    design = make_design(load(text))
    assert design.steps == {"100": 1200, "1500": 60, "full": 30}  # of 4,000 examples, 30 times over
    assert [design.budget(a, "examples") for a in design.steps] == [120_000, 90_000, 120_000]
    assert design.budget("full", "steps") == 30
    assert design.same_budget("100", "full", "examples")
    assert not design.same_budget("100", "full", "steps")
    assert not design.same_budget("1500", "100", "examples")  # a short last batch is left out, every epoch


MODELLED = TUNED.replace("{epochs: 30}", "{seconds: 1, cost: {step_us: 100, example_us: 2}}")
IN_SECONDS = FASTER.replace("val/accuracy}", "val/accuracy, unit: seconds}")


def test_a_budget_in_modelled_seconds(load):
    text = MODELLED.replace("optimizer.name: [sgd, adam]", "train.batch_size: [1, 100, full]") + BEST
    design = make_design(load(text))
    assert design.steps == {"1": 9803, "100": 3333, "full": 123}  # a step: 102, 300 and 8,100 us
    assert [design.budget(a, "seconds") for a in design.steps] == pytest.approx([0.999906, 0.9999, 0.9963])
    assert all(design.same_budget(a, b, "seconds") for a in design.steps for b in design.steps)
    fewer = design.model_copy(update={"steps": {**design.steps, "1": 9703}})  # room for one of all 4,000
    assert not fewer.same_budget("1", "full", "seconds")
    assert make_design(load(MODELLED + IN_SECONDS)).steps == {"sgd": 3333, "adam": 3333}


def test_seconds_without_a_cost_and_lengths_of_no_step_are_refused(complaint):
    (line,) = complaint(TUNED + IN_SECONDS)
    assert "study.yaml:9: hypotheses.0.outcome: a time in seconds needs train.cost: {step_us: ..." in line
    assert "arm 'sgd' has none" in line
    (line,) = complaint(MODELLED.replace(", cost: {step_us: 100, example_us: 2}", "") + BEST)
    assert "base.train: train.seconds needs train.cost: {step_us: ..." in line
    (line,) = complaint(MODELLED.replace("seconds: 1", "epochs: 3, seconds: 1") + BEST)
    assert "base.train: give train.epochs, train.steps or train.seconds, one of the three" in line
    (line,) = complaint(MODELLED.replace("seconds: 1", "seconds: -1") + BEST)
    assert "base.train.seconds: found -1; allowed: a number above 0" in line
    (line,) = complaint(MODELLED.replace("step_us: 100", "step_us: 0") + BEST)
    assert "base.train.cost.step_us: found 0; allowed: a number above 0" in line
    (line,) = complaint(MODELLED.replace("seconds: 1,", "seconds: 0.0002,") + BEST)
    assert "base.train.seconds: found 0.0002; allowed: 0.0003 and more, the cost of a step" in line
    for length in ("steps: 5", "seconds: 1, cost: {step_us: 100, example_us: 2}"):
        (line,) = complaint(TUNED.replace("{epochs: 30}", f"{{{length}, batch_size: 5000}}") + BEST)
        assert "base.train.batch_size: a batch of 5000 is larger than the 4000 training examples" in line


def test_tier_and_replicates(load):
    file = load(SKETCHES["optimizers"])
    full = make_design(file, "full")
    assert (full.tier, full.study.judge.replicates, full.data["sgd"].n_train) == ("full", 50, 40000)
    assert set(full.steps.values()) == {12000}
    assert make_design(file, replicates=12).study.judge.replicates == 12
    hashes = {make_design(file).hash, full.hash, make_design(file, replicates=12).hash}
    assert len(hashes) == 3
    assert make_design(file).hash == make_design(load(SKETCHES["optimizers"])).hash


def test_points_by_what_is_tuned(load):
    def points(tune):
        return make_design(load(TUNED.replace("{optimizer.lr: own_range}", tune) + BEST)).points

    assert points("{optimizer.lr: own_range}") == 9
    assert points("{optimizer.lr: own_range, points: 5}") == 5
    assert points("{optimizer.lr: {log_range: [0.001, 1], points: 7}}") == 7
    assert points("{optimizer.lr: [0.1, 0.2, 0.3]}") == 3
    assert points("{optimizer.lr: own_range, model.dropout: {range: [0, 0.5]}}") == 16
    assert points("{}") == 0


def test_a_dimension_knows_whole_numbers(load):
    text = TUNED.replace("widths: [16]", "width: 16").replace(
        "own_range}", "own_range, model.width: {log_range: [8, 64]}, model.dropout: {range: [0, 0.5]}}"
    )
    lr, width, dropout = make_design(load(text + BEST)).arms[0].tuned
    assert (lr.whole, width.whole, dropout.whole) == (False, True, False)
    assert (width.low, width.high, width.log, dropout.log) == (8, 64, True, False)


# replaced text, its replacement, the complaint
MEANING = {
    "optimizer": (
        "[sgd, adam]",
        "[sgd,\n    adm]",
        "study.yaml:7: arms.optimizer.name.1: unknown optimizer 'adm'. Did you mean 'adam'",
    ),
    "data set": ("mnist1d", "mnist2d", "base.data.name: unknown data set 'mnist2d'. Did you mean"),
    "option": (
        "widths: [16]",
        "width: 16, dept: 2",
        "study.yaml:3: base.model.dept: unknown key; did you mean 'depth'?",
    ),
    "section": (
        "train: {epochs: 30}",
        "trian: {epochs: 30}",
        "base.trian: unknown section of a config 'trian'. Did",
    ),
    "section that is a word": (
        "{name: mnist1d}",
        "mnist1d",
        "base.data: found 'mnist1d'; allowed: a mapping",
    ),
    "type of a level": (
        "optimizer.name: [sgd, adam]",
        "model.activation:\n    - relu\n    - {}\n",
        "study.yaml:8: arms.model.activation.1: found {}; a level that is a mapping needs a label",
    ),
    "value of a level": (
        "optimizer.name: [sgd, adam]",
        "model.dropout:\n    - 0.1\n    - lots\n",
        "study.yaml:8: arms.model.dropout.1:",
    ),
    "value in a free level": (
        "optimizer.name: [sgd, adam]",
        "act:\n    a: {model.activation: relu}\n    b: {model.activation: rleu}\n",
        "study.yaml:8: arms.act.b.model.activation: unknown activation 'rleu'. Did you mean 'relu'",
    ),
    "option of another optimizer": (
        "train:",
        "optimizer: {beta1: 0.8}\n  train:",
        "study.yaml:4: base.optimizer.beta1: unknown key; allowed: lr, weight_decay",
    ),
    "batch": (
        "{epochs: 30}",
        "{epochs: 30, batch_size: 5000}",
        "base.train.batch_size: a batch of 5000 is larger",
    ),
    "length": ("{epochs: 30}", "{epochs: 30, steps: 3}", "base.train: give train.epochs, train.steps"),
    "tuned and a factor": (
        "optimizer.lr: own_range",
        "optimizer.name: [sgd]",
        "study.yaml:7: tune.optimizer.name: is tuned, and set by the factor 'optimizer.name' too",
    ),
    "tuned option": (
        "optimizer.lr: own_range",
        "optimizer.rate: own_range",
        "study.yaml:7: tune.optimizer.rate: in arm 'sgd': unknown option 'rate'",
    ),
    "tuned section": ("optimizer.lr: own_range", "optimiser.lr: own_range", "Did you mean 'optimizer'"),
    "no range of its own": (
        "optimizer.lr: own_range",
        "model.width: own_range",
        "tune.model.width: in arm 'sgd' it has no own_range; give {log_range: [low, high]} (have one:",
    ),
    "range beyond the option": (
        "optimizer.lr: own_range",
        "model.dropout: {range: [0, 1.5]}",
        "study.yaml:7: tune.model.dropout: in arm 'sgd': model.dropout:",
    ),
    "listed lists": (
        "optimizer.lr: own_range",
        "model.widths: [[1], [2]]",
        "study.yaml:7: tune.model.widths.0: found [[1], [2]]; allowed: numbers, text",
    ),
    "select on the test split": (
        "own_range}",
        "own_range, select: test/accuracy}",
        "study.yaml:7: tune.select: found 'final test/accuracy'; tuning never sees the test split: select on",
    ),
    "too few replicates": (
        "tune:",
        "judge: {replicates: 4}\ntune:",
        "study.yaml:7: judge.replicates: found 4; allowed: at least 8 (with 4 pairs a sign-flip test can't "
        "go below p = 2^-4 = 0.062 one-sided)",
    ),
}


@pytest.mark.parametrize("case", MEANING)
def test_one_clear_line_for_wrong_meaning(complaint, case):
    old, new, expected = MEANING[case]
    assert TUNED.count(old) == 1
    (line,) = complaint(TUNED.replace(old, new) + BEST)
    assert expected in line


# one hypothesis -> the complaint about it
HYPOTHESES = {
    "no such arm": (
        "{kind: superiority, a: adma, b: sgd, outcome: test/accuracy}",
        "study.yaml:9: hypotheses.0.a: 'adma' names no arm; the study's arms: sgd, adam",
    ),
    "itself": (
        "{kind: superiority, a: sgd, b: {optimizer.name: sgd}, outcome: test/accuracy}",
        "hypotheses.0.b: compares the arm 'sgd' with itself; name two arms",
    ),
    "factor": (
        "{kind: superiority, a: {optimizer.nam: adam}, b: sgd, outcome: test/accuracy}",
        "hypotheses.0.a: unknown factor 'optimizer.nam'. Did you mean 'optimizer.name'",
    ),
    "level": ("{kind: best_of, at: {optimizer.name: rmsprop}, outcome: test/accuracy}", "hypotheses.0.at:"),
    "one arm": (
        "{kind: best_of, at: {optimizer.name: sgd}, outcome: test/accuracy}",
        "hypotheses.0: the best of 1 arm is no question; it needs at least 2 arms",
    ),
    "a of best_of": (
        "{kind: best_of, a: nadam, outcome: test/accuracy}",
        "hypotheses.0.a: 'nadam' names no arm",
    ),
    "metric": (
        "{kind: best_of, outcome: test/acuracy}",
        "hypotheses.0.outcome: unknown metric 'acuracy'. Did you mean 'accuracy'",
    ),
    "split": (
        "{kind: best_of, outcome: {final: tset/accuracy}}",
        "hypotheses.0.outcome: metric 'tset/accuracy' is not of the form split/metric",
    ),
    "metric of another task": (
        "{kind: best_of, outcome: test/mse}",
        "hypotheses.0.outcome: mse is not measured at the end where train.loss is cross_entropy",
    ),
    "metric without a curve": (
        "{kind: best_of, outcome: {best: val/brier}}",
        "hypotheses.0.outcome: brier is not measured during training",
    ),
    "test curve": (
        "{kind: best_of, outcome: {best: test/accuracy}}",
        "hypotheses.0.outcome: found 'test/accuracy'; the test split is seen once, after the last "
        "step, so best takes val/accuracy or train/accuracy",
    ),
    "diverged with a metric": (
        "{kind: best_of, outcome: {diverged: val/loss}, delta: 0.1}",
        "hypotheses.0.outcome: diverged takes no metric; found 'val/loss'",
    ),
    "success without a bound": (
        "{kind: best_of, outcome: {success: train/accuracy}, delta: 0.1}",
        "hypotheses.0.outcome: success needs at_least or at_most, one of the two; found neither",
    ),
    "success with a word": (
        "{kind: best_of, outcome: {success: train/accuracy, at_least: most}, delta: 0.1}",
        "hypotheses.0.outcome: found 'most' as the bound of success; allowed: a number",
    ),
    "options of final": (
        "{kind: best_of, outcome: {final: test/accuracy, at: end}}",
        "hypotheses.0.outcome: final takes no options; found at",
    ),
    "faster without steps": (
        "{kind: faster, a: adam, b: sgd, outcome: test/accuracy}",
        "hypotheses.0.outcome: found 'final test/accuracy'; `faster` compares steps",
    ),
    "unknown unit": (
        "{kind: faster, a: adam, b: sgd, outcome: {steps_to: val/accuracy, unit: example}, delta: 1.25}",
        "hypotheses.0.outcome: unknown unit 'example'. Did you mean 'examples'?",
    ),
    "options of steps_to": (
        "{kind: faster, a: adam, b: sgd, outcome: {steps_to: val/accuracy, at: end}, delta: 1.25}",
        "hypotheses.0.outcome: steps_to takes no options but unit; found at",
    ),
    "ratio of one": (
        "{kind: faster, a: adam, b: sgd, outcome: {steps_to: val/accuracy}, delta: 0.25}",
        "hypotheses.0.delta: found 0.25; steps are compared by their ratio: allowed above 1, such as 1.25",
    ),
    "a difference out of reach": (
        "{kind: best_of, outcome: test/accuracy, delta: 5}",
        "hypotheses.0.delta: found 5; no difference of final test/accuracy can reach 1: allowed below 1,",
    ),
    "diverged without delta": (
        "{kind: best_of, outcome: diverged}",
        "hypotheses.0.delta: missing; diverged has no smallest effect of its own",
    ),
    "too few members": (
        "{kind: superiority, a: {ensemble: mean, members: 5}, b: adam, outcome: test/accuracy}",
        "hypotheses.0.a: asks for 5 members, judge.members is 1: set judge: {members: 5}",
    ),
    "unknown ensemble": (
        "{kind: superiority, a: {ensemble: man}, b: adam, outcome: test/accuracy}",
        "hypotheses.0.a: unknown ensemble 'man'. Did you mean 'mean'?",
    ),
    "unknown key of an ensemble": (
        "{kind: superiority, a: {ensemble: mean, member: 5}, b: adam, outcome: test/accuracy}",
        "hypotheses.0.a: unknown key of an ensemble 'member'. Did you mean 'members'",
    ),
    "members of an ensemble": (
        "{kind: superiority, a: {ensemble: mean, members: 0}, b: adam, outcome: test/accuracy}",
        "hypotheses.0.a: members of an ensemble: found 0; allowed: a whole number from 1 on",
    ),
    "an ensemble of no arm": (
        "{kind: superiority, a: {ensemble: mean, arm: adm}, b: adam, outcome: test/accuracy}",
        "hypotheses.0.a: 'adm' names no arm",
    ),
    "a vote's likelihood": (
        "{kind: superiority, a: {ensemble: vote}, b: adam, outcome: test/nll}",
        "hypotheses.0.a: vote of an ensemble has no 'final test/nll'; allowed: test/accuracy, test/error",
    ),
    "an ensemble on validation": (
        "{kind: superiority, a: {ensemble: stacking}, b: adam, outcome: val/accuracy}",
        "hypotheses.0.a: stacking of an ensemble has no 'final val/accuracy'; allowed: test/accuracy,",
    ),
}


@pytest.mark.parametrize("case", HYPOTHESES)
def test_one_clear_line_for_a_hypothesis_that_can_not_be(complaint, case):
    text, expected = HYPOTHESES[case]
    (line,) = complaint(f"{TUNED}  - {text}\n")
    assert line.startswith("study.yaml:9: hypotheses.0")
    assert expected in line


def test_a_side_that_matches_several_arms(complaint):
    text = TUNED.replace("widths: [16]", "width: 16").replace(
        "[sgd, adam]", "[sgd, adam]\n  model.depth: [1, 2]"
    )
    first, second = complaint(text + FASTER)
    assert "hypotheses.0.a: 'adam' names 2 arms: adam, depth 1, adam, depth 2; name one by its label" in first
    assert "hypotheses.0.b: 'sgd' names 2 arms" in second


def test_steps_need_a_target(complaint, load):
    untuned = TUNED.replace("tune: {optimizer.lr: own_range}", "tune: {}")
    (line,) = complaint(untuned + FASTER)
    assert "hypotheses.0.outcome: has no target: nothing is tuned" in line
    assert make_design(load(f"target: {{value: 0.9}}\n{untuned}{FASTER}")).points == 0
    (line,) = complaint(TUNED + "  - {kind: best_of, outcome: {steps_to: val/loss}, delta: 1.1}\n")
    assert "hypotheses.0.outcome: has no target; give target.value, or target.reference (an arm)" in line
    (line,) = complaint(f"target: {{reference: agd}}\n{TUNED}{FASTER}")
    assert "study.yaml:1: target.reference: 'agd' names no arm" in line
    (line,) = complaint(TUNED.replace("epochs: 30", "epochs: 2") + FASTER)
    assert "needs at least 3 evaluations a run; the arm 'sgd' has 2" in line


def reference_of(file):
    design = make_design(file)
    return design.target_reference(design.arms[0].label)


@pytest.mark.parametrize("given", ["value: 0.4", "reference: adam", "margin: 0.01", "each: [optimizer.name]"])
def test_a_target_that_no_time_is_to_is_refused(complaint, given):
    (line,) = complaint(f"target: {{{given}}}\n{TUNED}{BEST}")
    assert f"target.{given.partition(':')[0]}: is without effect: no outcome is a time to a target" in line


@pytest.mark.parametrize("given", ["reference: adam", "margin: 0.01"])
def test_what_would_set_a_target_that_is_given_is_refused(complaint, load, given):
    (line,) = complaint(f"target: {{value: 0.4, {given}}}\n{TUNED}{FASTER}")
    assert f"target.{given.partition(':')[0]}: is without effect beside value" in line
    assert make_design(load(f"target: {{{given}}}\n{TUNED}{FASTER}")).arms


def test_the_reference_of_the_target(load):
    assert reference_of(load(TUNED + FASTER)).label == "sgd"
    given = make_design(load(f"target: {{reference: adam}}\n{TUNED}{FASTER}"))
    assert given.target_reference(given.arms[0].label).label == "adam"
    assert reference_of(load(TUNED + BEST)) is None


def test_holm_over_many_hypotheses_needs_replicates(complaint, load):
    many = "judge: {replicates: 8}\n" + TUNED + FASTER + BEST * 7
    (line,) = complaint(many)
    assert line.startswith(
        "study.yaml:1: judge.replicates: found 8; with 7 secondary hypotheses the max-T test"
    )
    assert make_design(load(many.replace("replicates: 8", "replicates: 9"))).arms


@pytest.mark.parametrize(("others", "refused"), [(11, True), (10, False)])
def test_max_t_among_many_hypotheses_needs_replicates(complaint, load, others, refused):
    """Of 8 pairs no p is below 2 / 2^8, and two of 13 tests may spend 2 / 13 of the level."""
    pair = "  - {kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}}\n"
    alike = "  - {kind: equivalence, a: adam, b: sgd, outcome: {final: test/accuracy}}\n"
    many = "judge: {replicates: 8}\n" + TUNED + FASTER + 2 * pair + others * alike
    if not refused:
        assert make_design(load(many)).arms
        return
    (line,) = complaint(many)
    assert "found 8; with 13 secondary hypotheses the max-T test of 2 arms against a control" in line
    assert "can't go below p = 0.051" in line
    assert make_design(load(many.replace("replicates: 8", "replicates: 9"))).arms


def test_a_study_without_hypotheses_needs_no_replicates(load):
    text = "judge: {replicates: 2}\n" + TUNED.replace("hypotheses:\n", "")
    assert make_design(load(text)).study.judge.replicates == 2


def test_requirements(complaint):
    gap = "require: {gap: {outcome: [train/accuracy, test/acuracy], arm: {optimizer.name: adm}}}\n"
    lines = complaint(gap + TUNED + BEST)
    assert [line.split(": ")[1] for line in lines] == [
        "require.gap.outcome.1",
        "require.gap",
        "require.gap.arm",
    ]


def test_several_problems_at_once(complaint):
    lines = complaint(TUNED.replace("sgd, adam", "sdg,\n    adma,\n    adam") + BEST)
    assert [line.split(": ")[0] for line in lines] == ["study.yaml:6", "study.yaml:7"]
    assert "Did you mean 'sgd'" in lines[0]
    assert "unknown optimizer 'adma'. Did you mean" in lines[1]


# validate: the whole study, in every tier


@pytest.mark.parametrize(
    "name", ["optimizers", "dropout", "learning_rate", "ensembles", "activations", "inits", "search"]
)
def test_sketches_that_can_run(load, name):
    validate_study(load(SKETCHES[name], name))


def test_validating_looks_into_every_tier(load):
    text = TUNED + BEST + "tiers:\n  full:\n    model.activation: rleu\n"
    assert make_design(load(text)).arms
    with pytest.raises(
        StudyError, match=r"study\.yaml:12: base\.model\.activation: unknown activation 'rleu'"
    ):
        validate_study(load(text))


@pytest.mark.parametrize("check", [validate_study, make_design])
@pytest.mark.parametrize("outcome", ["{cost: seconds}", "{ensemble: test/accuracy}", "test/ade", "test/fde"])
def test_what_does_not_exist_is_refused_and_not_offered(load, check, outcome):
    with pytest.raises(StudyError, match=r"study\.yaml:9: hypotheses\.0\.outcome: unknown \w+ ") as refused:
        check(load(f"{TUNED}  - {{kind: best_of, outcome: {outcome}}}\n"))
    allowed = str(refused.value).partition("Allowed: ")[2]
    assert allowed
    assert not {"cost", "ensemble", "ade", "fde"} & set(allowed.rstrip(".").split(", "))


# Numbers that no machine holds are refused by arithmetic, before anything is allocated

TOO_LARGE = {
    "points": (
        "tune: {optimizer.lr: own_range}",
        "tune: {optimizer.lr: own_range, points: 100000000}",
        "10,000",
    ),
    "examples": ("name: mnist1d", "name: mnist1d, n_train: 1000000000000", "10,000,000"),
    "numbers of data": (
        "name: mnist1d}",
        "name: teacher, n_inputs: 9999, n_train: 9999999, task: classification}",
        "1,000,000,000",
    ),
    "units": ("widths: [16]", "widths: [16, 1000000000]", "65,536"),
    "layers": ("widths: [16]", "depth: 1000000000", "1,000"),
    "layers one by one": ("widths: [16]", f"widths: {[4] * 1001}", "at most 1,000 values"),
    "parameters": ("widths: [16]", "width: 60000, depth: 900", "1,000,000,000"),
    "steps": ("epochs: 30", "steps: 1000000000000", "100,000,000"),
    "epochs": ("epochs: 30", "epochs: 1000000000000", "1,000,000"),
    "steps of epochs": ("epochs: 30", "epochs: 1000000, batch_size: 1", "100,000,000"),
    "steps in a time": (
        "epochs: 30",
        "seconds: 1.0e+12, cost: {step_us: 0.001, example_us: 0}",
        "100,000,000",
    ),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_numbers_that_no_machine_holds(load, case):
    old, new, allowed = TOO_LARGE[case]
    assert old in TUNED
    with pytest.raises(StudyError, match=rf"study\.yaml:\d: .*; allowed: .*{allowed}"):
        make_design(load((TUNED + BEST).replace(old, new)))


def test_studies_of_too_many_trials(complaint):
    many = TUNED.replace("own_range}", "own_range, points: 10000, seeds: 20}") + BEST
    (line,) = complaint(many)
    assert "tune.points: the study takes 400,040 trials, 40 of them to judge; allowed: 200,000" in line
    levels = "optimizer.lr: {log_range: [0.001, 1], points: 30}"
    untuned = TUNED.replace("optimizer.name: [sgd, adam]", levels).replace(
        "tune: {optimizer.lr: own_range}\n", ""
    )
    (line,) = complaint(f"judge: {{replicates: 10000}}\n{untuned}{BEST}")
    assert "study.yaml:1: judge.replicates: the study takes 300,000 trials, 300,000 of them to judge" in line


def test_replicates_of_the_command_line_are_not_blamed_on_the_file(load):
    for given, said in (
        (5, "found 5; allowed: at least 8"),
        (10**9, "found 1000000000; allowed: a number of"),
    ):
        with pytest.raises(StudyError, match=rf"^--replicates: {said}"):
            make_design(load(TUNED + BEST), replicates=given)
