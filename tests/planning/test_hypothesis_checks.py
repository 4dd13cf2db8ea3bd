"""Complaints about what a hypothesis of each kind asks, with the line they stand on."""

import pytest

from harness.analysis.certificates import linear_separability
from harness.planning.design import make_design, validate_study
from tests.words.sketches import SKETCHES

STUDY = """\
base:
  data: {name: mnist1d}
  train: {epochs: 30}
arms:
  optimizer.name: [sgd, adam]
  model.depth: [1, 2, 4]
  model.dropout: [0, 0.5]
hypotheses:
"""
AT = "at: {optimizer.name: sgd, model.dropout: 0}"
PAIR = "a: adam, b: sgd, outcome: test/accuracy, at: {model.depth: 1, model.dropout: 0}"

ASKED = {
    "dose": f"{{kind: dose, outcome: test/accuracy, {AT}}}",
    "dose over": f"{{kind: dose, over: model.depth, outcome: train/loss, {AT}}}",
    "interior optimum": f"{{kind: interior_optimum, outcome: {{final: test/accuracy}}, {AT}}}",
    "equivalence": f"{{kind: equivalence, {PAIR}}}",
    "non-inferiority": f"{{kind: non_inferiority, {PAIR}}}",
    "at least": f"{{kind: at_least, x: 0.02, {PAIR}}}",
    "at least of a rate": (
        "{kind: at_least, x: 0.2, a: adam, b: sgd, outcome: diverged, at: {model.depth: 1, model.dropout: 0}}"
    ),
    "interaction": (
        "{kind: interaction, a: adam, b: sgd, over: model.depth, outcome: train/loss, at: {model.dropout: 0}}"
    ),
    "mechanism of all arms": "{kind: mechanism, arm: {}, outcome: test/accuracy, above: 0.5}",
    "threshold": f"{{kind: threshold, over: model.depth, outcome: diverged, above: 2, {AT}}}",
    "identity": "{kind: identity, outcome: {exact: linear_collapse}}",
}


@pytest.mark.parametrize("case", ASKED)
def test_what_can_be_asked(load, case):
    assert make_design(load(f"{STUDY}  - {ASKED[case]}\n")).arms


WRONG = {
    "several factors of numbers": (
        "{kind: dose, outcome: test/accuracy}",
        "hypotheses.0.over: give `over`: the factors whose levels are numbers are model.depth, model.dropout",
    ),
    "several arms a level": (
        "{kind: dose, over: model.depth, outcome: test/accuracy}",
        "names 4 arms",
    ),
    "no numbers": (
        "{kind: interior_optimum, over: optimizer.name, outcome: test/accuracy}",
        "hypotheses.0.over: the factor 'optimizer.name' has the levels sgd, adam; interior_optimum goes over",
    ),
    "two levels": (
        "{kind: interior_optimum, over: model.dropout, outcome: test/accuracy}",
        "the factor 'model.dropout' has the levels 0, 0.5; interior_optimum goes over at least 3",
    ),
    "no factor": (
        "{kind: dose, over: model.dept, outcome: test/accuracy}",
        "hypotheses.0.over: unknown factor 'model.dept'. Did you mean 'model.depth'",
    ),
    "interaction of one arm": (
        "{kind: interaction, a: sgd, b: sgd, over: model.depth, outcome: train/loss, at: {model.dropout: 0}}",
        "hypotheses.0.b: compares the arm",
    ),
    "no arm": (
        "{kind: mechanism, arm: {optimizer.name: lion}, outcome: test/accuracy, above: 0.5}",
        "hypotheses.0.arm:",
    ),
    "threshold of an accuracy": (
        f"{{kind: threshold, over: model.depth, outcome: test/accuracy, {AT}}}",
        "hypotheses.0.outcome: found 'final test/accuracy'; `threshold` asks when runs diverge or succeed",
    ),
    "threshold at 0": (
        "{kind: threshold, over: model.dropout, outcome: diverged, at: {model.depth: 1, optimizer.name: sgd}"
        "}",
        "hypotheses.0.over: 'model.dropout' has the level 0; threshold needs levels above 0",
    ),
    "bound outside": (
        f"{{kind: threshold, over: model.depth, outcome: diverged, below: 4, {AT}}}",
        "hypotheses.0.below: found 4; allowed: between the outermost levels, 1 and 4",
    ),
    "exact quantity": (
        "{kind: identity, outcome: {exact: linear_colapse}}",
        "hypotheses.0.outcome: unknown exact quantity 'linear_colapse'. Did you mean 'linear_collapse'",
    ),
    "identity of an accuracy": (
        "{kind: identity, outcome: test/accuracy}",
        "hypotheses.0.outcome: found 'final test/accuracy'; `identity` compares exact quantities",
    ),
    "exact superiority": (
        "{kind: best_of, outcome: {exact: linear_collapse}, delta: 0.1}",
        "hypotheses.0.outcome: found 'exact linear_collapse'; an exact quantity is for the kind identity",
    ),
    "impossible elsewhere": (
        "{kind: impossibility, arm: {}, outcome: {success: train/accuracy, at_least: 1.0}, "
        "certificate: linear_separability}",
        "hypotheses.0.certificate: linear_separability is about a logic gate",
    ),
    "difference without delta": (
        "{kind: equivalence, a: adam, b: sgd, outcome: diverged, at: {model.depth: 1, model.dropout: 0}}",
        "hypotheses.0.delta: missing; diverged has no smallest effect of its own",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_clear_line_for_what_can_not(complaint, case):
    text, expected = WRONG[case]
    (line,) = complaint(f"{STUDY}  - {text}\n")
    assert line.startswith("study.yaml:9: hypotheses.0")
    assert expected in line


def test_a_certificate_speaks_of_the_arm_as_it_is_resolved(load):
    text = SKETCHES["perceptron_xor"]
    validate_study(load(text))
    design = make_design(load(text))
    (arm,) = design.select_arms({"model.widths": "perceptron", "data.gate": "xor"})
    assert linear_separability(arm.config).impossible
    (arm,) = design.select_arms({"model.widths": "perceptron", "data.gate": "and"})
    assert not linear_separability(arm.config).impossible


def test_a_certificate_of_a_network_with_hidden_layers_is_refused(complaint):
    hidden = SKETCHES["perceptron_xor"].replace("arm: {model.widths: perceptron", "arm: {model.widths: mlp")
    (line,) = complaint(hidden)
    assert "linear_separability is about an mlp without hidden layers" in line


RESTARTS = """\
base: {data: {name: functions}, model: {depth: 1}, train: {steps: 30, evaluations: 3}}
arms: {model.width: [2, 8], train.loss: [mse, gaussian_nll]}
tune: {optimizer.lr: own_range}
judge: {replicates: 8, members: 3}
hypotheses:
  - {kind: dose, over: model.width, outcome: {final: test/rmse, restarts: 3}, at: {train.loss: mse}}
  - {kind: mechanism, arm: {train.loss: gaussian_nll}, outcome: {final: test/coverage_error}, below: 0.1}
"""


def test_restarts_are_of_the_arms_that_ask_for_them(load):
    design = make_design(load(RESTARTS))
    members = {a.label: design.members(a.label) for a in design.arms}
    assert members == {label: 3 if ", mse" in label else 1 for label in members}
    assert sorted(members.values()) == [1, 1, 3, 3]
    assert not any(design.ensembled(a.label) for a in design.arms)


@pytest.mark.parametrize(
    ("found", "written", "said"),
    [
        ("restarts: 3", "restarts: 4", "asks for 4 restarts, judge.members is 3: set judge: {members: 4}"),
        ("restarts: 3", "restarts: 1", "found restarts: 1; allowed: a whole number from 2 on"),
        ("own_range}", "own_range, select: {final: val/rmse, restarts: 2}}", "for a hypothesis's outcome"),
        (", restarts: 3", "", "no ensemble and no restarts are asked for: leave it out"),
        ("test/coverage_error", "test/ece", "ece is not measured at the end where train.loss"),
    ],
)
def test_what_is_wrong_with_restarts_and_metrics_of_some_arms(complaint, found, written, said):
    assert any(said in line for line in complaint(RESTARTS.replace(found, written)))
