"""The JSON Schema: what the loader takes validates, and an editor sees what is wrong."""

import json

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from harness.planning.schema import study_schema
from harness.planning.studies import all_studies
from harness.words.yaml_tree import read_yaml
from tests.words.sketches import SKETCHES


@pytest.fixture(scope="module")
def validator():
    schema = study_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_it_is_plain_json_and_always_the_same():
    assert json.dumps(study_schema()) == json.dumps(study_schema())


@pytest.mark.parametrize("name", sorted(SKETCHES.keys() - {"perceptron_xor"}))
def test_sketches_are_valid(validator, name):
    assert list(validator.iter_errors(read_yaml(SKETCHES[name]).value)) == []


def test_the_studies_that_come_with_it_are_valid(validator):
    for path in all_studies():
        tree = YAML(typ="safe", pure=True).load(path)
        assert list(validator.iter_errors(tree)) == []
        assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")


GOOD = {
    "long outcome": "hypotheses: [{kind: best_of, outcome: {function: final, metric: test/accuracy}}]",
    "metric alone": "hypotheses: [{kind: best_of, outcome: val/loss, delta: {value: 1, relative: true}}]",
    "percentage": "hypotheses: [{kind: best_of, outcome: test/nll, delta: 2.5 %}]",
    "time in examples": "hypotheses: [{kind: best_of, outcome: {steps_to: val/loss, unit: examples}}]",
    "time in seconds": "hypotheses: [{kind: best_of, outcome: {steps_to: val/loss, unit: seconds}}]",
    "a length in seconds": "base: {train: {seconds: 0.5, cost: {step_us: 98, example_us: 0.63}}}",
    "tuned beside": "tune: {optimizer.lr: {log_range: [1.0e-3, 1], points: 9}, model.dropout: [0], seeds: 3}",
    "tuned inside": "tune: {parameters: {optimizer.lr: own_range}}",
    "options left to the arms' entries": "base: {optimizer: {beta1: 0.8, momentum: 0.5}}",
    "probes in the report": "base: {probes: {activation_histogram: [start], dead_fraction: [end, all]}}",
    "own network": "base: {model: {class: 'a.py:B', whatever: 3}}",
}


@pytest.mark.parametrize("case", GOOD)
def test_short_forms_are_valid(validator, load, case):
    text = "arms: {optimizer.name: [adam]}\n" + GOOD[case]
    load(text)
    assert list(validator.iter_errors(read_yaml(text).value)) == []


BAD = {
    "misspelt key": "judge: {replicats: 3}",
    "kind": "hypotheses: [{kind: fastr, a: x, b: y, outcome: diverged}]",
    "outcome": "hypotheses: [{kind: best_of, outcome: {finel: test/loss}}]",
    "unit": "hypotheses: [{kind: faster, a: x, b: y, outcome: {steps_to: val/loss, unit: epochs}}]",
    "cost of a step": "base: {train: {seconds: 0.5, cost: {step: 98, example_us: 0.63}}}",
    "two outcomes": "hypotheses: [{kind: best_of, outcome: {final: test/loss, best: val/loss}}]",
    "delta": "hypotheses: [{kind: best_of, outcome: test/loss, delta: much}]",
    "range": "tune: {optimizer.lr: own_rang}",
    "key of tune": "tune: {lr: own_range}",
    "optimizer": "base: {optimizer: {name: adm}}",
    "option of another optimizer": "base: {optimizer: {name: sgd, beta1: 0.9}}",
    "option of none": "base: {optimizer: {bta1: 0.9}}",
    "activation": "base: {model: {name: mlp, activation: rleu}}",
    "type of an option": "base: {data: {name: mnist1d, n_train: many}}",
    "loss": "base: {train: {loss: cross_entropi}}",
    "probe": "base: {probes: {dead_fractions: [end]}}",
    "a probe's moment": "base: {probes: {dead_fraction: [middle]}}",
    "section": "base: {trian: {epochs: 3}}",
    "tier's path": "tiers: {full: {replicates: 3}}",
    "arms": "arms: {model.depth: 3}",
    "points of a range": "arms: {model.depth: {range: [1, 3], point: 3}}",
}


@pytest.mark.parametrize("case", BAD)
def test_an_editor_sees_what_is_wrong(validator, case):
    assert list(validator.iter_errors(read_yaml(BAD[case]).value))


def test_names_of_the_catalogue_are_offered():
    text = json.dumps(study_schema())
    for name in ("adamw", "he_normal", "mnist1d", "cosine", "cross_entropy", "optimizer.lr", "val/accuracy"):
        assert f'"{name}"' in text
