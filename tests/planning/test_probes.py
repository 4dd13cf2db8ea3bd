"""Probes in study files: what the arms' trials are asked to measure, and what is refused."""

import pytest

from harness.errors import StudyError
from harness.planning.design import make_design
from harness.planning.trials import judge_trials, tune_trials
from harness.words.study_file import load_study

STUDY = """
base:
  data: {{name: mnist1d, n_train: 200, n_val: 50, n_test: 50}}
  model: {{name: mlp, width: 5, depth: 3, activation: sigmoid}}
  train: {{batch_size: 50, steps: {steps}}}
  probes: {{activation_histogram: [start]}}
arms: {{model.init: [normal_1, xavier_normal]}}
tune: {{optimizer.lr: {{log_range: [0.01, 1]}}, points: 3, select: {{final: val/loss}}}}
judge: {{replicates: 8}}
hypotheses:
  - {{kind: mechanism, arm: {{model.init: normal_1}}, above: 0.5, outcome: {outcome}}}
"""


def design_of(tmp_path, outcome, steps=20, activation="sigmoid"):
    path = tmp_path / "probed.yaml"
    path.write_text(STUDY.format(outcome=outcome, steps=steps).replace("sigmoid", activation))
    return make_design(load_study(path))


def test_judged_trials_measure_what_is_asked_for_and_tuned_ones_nothing(tmp_path):
    design = design_of(tmp_path, "{probe: saturated_fraction, layer: 1, when: start}")
    arm = design.arms[0]
    ((tuned, _),) = tune_trials(design, arm, [{"optimizer.lr": 0.1}], seeds=[0])
    ((judged, _),) = judge_trials(design, arm, {"optimizer.lr": 0.1}, [0])
    assert "probes" not in tuned.config
    assert judged.config["probes"] == {"activation_histogram": ["start"], "saturated_fraction": ["start"]}


def test_a_run_of_no_steps_is_a_design(tmp_path):
    assert set(design_of(tmp_path, "{probe: gradient_norm, when: start}", steps=0).steps.values()) == {0}


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ("{probe: dead_fractoin}", "unknown probe 'dead_fractoin'. Did you mean 'dead_fraction'"),
        ("{probe: dead_fraction, layer: 4}", "needs 4 hidden layers; the arms have at most 3"),
        ("{probe: dead_fraction, layer: middle}", "layer"),
        ("{probe: dead_fraction, when: all}", "when: all and slope: log_step go together"),
        ("{probe: gradient_norm, layer: 1, slope: layer}", "layer goes neither with ratio nor with slope"),
        ("{probe: gradient_norm, ratio: [1, 2], slope: layer}", "one of the two"),
        ("{probe: gradient_norm, slope: layer, log10: true}", "a slope is of logarithms already"),
        ("{probe: effective_rate, when: start}", "says nothing before the first step"),
        ("{probe: activation_histogram, when: start}", "no single number"),
    ],
)
def test_what_can_not_be_measured_is_refused_by_file_and_line(outcome, message, tmp_path):
    with pytest.raises(StudyError) as error:
        design_of(tmp_path, outcome)
    assert message in str(error.value)
    assert "probed.yaml:11" in str(error.value)


def test_saturation_needs_activations_of_a_bounded_range(tmp_path):
    outcome = "{probe: saturated_fraction}"
    assert design_of(tmp_path, outcome, activation="tanh")
    with pytest.raises(StudyError, match="needs activations of a bounded range, such as those of sigmoid"):
        design_of(tmp_path, outcome, activation="relu")
