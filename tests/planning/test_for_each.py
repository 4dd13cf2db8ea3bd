"""`for_each` in a study file: what it may name, what a plan makes of it, what it leaves as it was."""

import pytest

from harness.errors import StudyError
from harness.planning.design import make_design
from harness.planning.detectable import detectable
from harness.planning.power import paired_t_power
from harness.running.cost import in_words
from harness.words.study_file import load_study

STUDY = """\
base:
  data: {name: mnist1d}
  train: {epochs: 30}
arms:
  optimizer.name: [sgd, adam]
  model.depth: [1, 2, 4]
  activation:
    relu: {model.activation: relu}
    tanh: {model.activation: tanh}
  train.batch_size: [100]
hypotheses:
"""
PAIR = "kind: superiority, a: adam, b: sgd, outcome: test/accuracy"
FREE = "(model.depth, activation, train.batch_size)"

WRONG = {
    "unknown": (
        f"{{{PAIR}, for_each: model.dept}}",
        "unknown factor 'model.dept'. Did you mean 'model.depth'? Allowed: activation, model.depth",
    ),
    "pinned": (
        f"{{{PAIR}, at: {{model.depth: 1}}, for_each: [activation, model.depth]}}",
        "names 'model.depth', which `at` pins to 1; a factor stands in one of the two: take it out of `at`",
    ),
    "contrast": (
        f"{{{PAIR}, for_each: [optimizer.name]}}",
        f"names 'optimizer.name', which is what tells a from b; allowed: factors that the hypothesis leaves "
        f"free {FREE}",
    ),
    "over": (
        "{kind: dose, over: model.depth, outcome: test/accuracy, for_each: model.depth}",
        "names 'model.depth', which is what the hypothesis goes over",
    ),
    "selected": (
        "{kind: mechanism, arm: {activation: relu}, outcome: val/loss, above: 0.3, for_each: activation}",
        "names 'activation', which is fixed by arm",
    ),
    "one level": (
        f"{{{PAIR}, for_each: train.batch_size}}",
        "names 'train.batch_size', which has the one level 100; allowed: factors of at least 2 levels",
    ),
    "no arms": (
        "{kind: identity, outcome: {exact: linear_collapse}, for_each: model.depth}",
        "an identity is about no arms, so it has no settings: leave for_each out",
    ),
    "none": (f"{{{PAIR}, for_each: []}}", "names no factor; name one or several, or leave it out"),
    "twice": (f"{{{PAIR}, for_each: [activation, activation]}}", "names a factor twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_clear_line_for_a_wrong_factor(complaint_of, case):
    text, expected = WRONG[case]
    (line,) = complaint_of(text)
    assert line.startswith("study.yaml:12: hypotheses.0.for_each")
    assert expected in line


@pytest.fixture
def complaint_of(complaint, load):
    """The lines of the error that a study with one hypothesis gives, in form or in meaning."""

    def _lines(text):
        try:
            load(f"{STUDY}  - {text}\n")
        except Exception as error:  # of form: before there is a design
            return [line[line.index("study.yaml") :] for line in str(error).splitlines()]
        return complaint(f"{STUDY}  - {text}\n")

    return _lines


def test_what_is_wrong_in_every_setting_is_said_once(complaint):
    lines = complaint(f"{STUDY}  - {{{PAIR}, for_each: model.depth}}\n")
    assert [line.split(": ")[1] for line in lines] == ["hypotheses.0.a", "hypotheses.0.b"]
    assert "names 2 arms" in lines[0]  # the activation is neither pinned nor gone through


def test_settings_are_the_levels_crossed(load):
    design = make_design(load(f"{STUDY}  - {{{PAIR}, for_each: [activation, model.depth]}}\n"))
    settings = design.settings(design.study.hypotheses[0])
    assert [s.label for s in settings] == [
        f"{activation} × depth {depth}" for activation in ("relu", "tanh") for depth in (1, 2, 4)
    ]
    asked = settings[1].hypothesis
    assert asked.at == {"activation": "relu", "model.depth": "2"}
    assert design.select_arm(asked.a, asked.at).label == "adam, depth 2, relu, batch size 100"


def test_a_hypothesis_without_it_keeps_the_hash_it_had(load):
    """The design's hash is of its tree: a key that nobody wrote must not be in it."""
    at = "at: {model.depth: 1, activation: relu}"
    design = make_design(load(f"{STUDY}  - {{{PAIR}, {at}}}\n"))
    assert "for_each" not in design.model_dump(mode="json")["study"]["hypotheses"][0]
    other = make_design(load(f"{STUDY}  - {{{PAIR}, for_each: [activation, model.depth]}}\n"))
    dumped = other.model_dump(mode="json")["study"]["hypotheses"][0]
    assert dumped["for_each"] == ["activation", "model.depth"]
    assert type(other).model_validate(other.model_dump(mode="json")) == other


def test_the_smallest_difference_is_told_once_with_the_power_for_all_settings(load):
    design = make_design(load(f"{STUDY}  - {{{PAIR}, for_each: [activation, model.depth]}}\n"))
    (found,) = detectable(design)
    assert found.settings == 6
    missed = 1 - paired_t_power(found.d_z, found.n)
    assert 6 * missed == pytest.approx(0.1)
    (line,) = in_words(design, [found])
    assert "in all 6 settings at once with power 0.9" in line


def test_members_are_trained_in_every_setting_of_an_ensemble(load):
    sides = "a: {ensemble: mean, arm: sgd}, b: {ensemble: member_mean, arm: sgd}"
    hypothesis = f"{{kind: at_least, {sides}, x: 0.02, outcome: test/accuracy, for_each: model.depth"
    text = f"judge: {{members: 3}}\n{STUDY}  - {hypothesis}, at: {{activation: relu}}}}\n"
    design = make_design(load(text))
    ensembled = [a.label for a in design.arms if design.members(a.label) == 3]
    assert ensembled == [f"sgd, depth {d}, relu, batch size 100" for d in (1, 2, 4)]


FASTER = "kind: faster, a: adam, b: sgd, outcome: {steps_to: val/accuracy}"
TUNED = f"tune: {{optimizer.lr: own_range}}\n{STUDY}"


def test_every_setting_has_a_target_of_its_own(load):
    design = make_design(load(f"{TUNED}  - {{{FASTER}, for_each: [activation, model.depth]}}\n"))
    arm = "adam, depth 2, tanh, batch size 100"
    assert design.target_reference(arm).label == "sgd, depth 2, tanh, batch size 100"
    names = {design.target_name("val/accuracy", a.label) for a in design.arms}
    assert len(names) == 6
    assert design.target_name("val/accuracy", arm) == "val/accuracy at tanh × depth 2"


def test_one_target_for_all_where_that_is_asked_for(load):
    text = f"target: {{each: []}}\n{TUNED}  - {{{FASTER}, for_each: [activation, model.depth]}}\n"
    design = make_design(load(text))
    assert {design.target_name("val/accuracy", a.label) for a in design.arms} == {"val/accuracy"}
    references = {design.target_reference(a.label).label for a in design.arms}
    assert references == {"sgd, depth 1, relu, batch size 100"}


@pytest.mark.parametrize(
    ("target", "hypothesis", "said"),
    [
        (
            "each: [model.dept]",
            f"{FASTER}, at: {{activation: relu, model.depth: 1}}",
            "Did you mean 'model.depth'?",
        ),
        ("each: [model.depth], value: 0.5", f"{FASTER}, for_each: [activation, model.depth]", "beside value"),
        (
            "each: [model.depth]",
            "kind: dose, over: model.depth, at: {activation: relu, optimizer.name: sgd}, "
            "outcome: {steps_to: val/accuracy}",
            "compares times to unlike targets (val/accuracy at depth 1, val/accuracy at depth 2",
        ),
    ],
)
def test_targets_that_cannot_be_meant(load, target, hypothesis, said):
    with pytest.raises(StudyError) as error:
        make_design(load(f"target: {{{target}}}\n{TUNED}  - {{{hypothesis}}}\n"))
    assert said in str(error.value)


def test_names_are_loaded_from_text_or_a_list(load):
    one, several = (
        load_study(load(f"{STUDY}  - {{{PAIR}, for_each: {names}}}\n").path).study.hypotheses[0].for_each
        for names in ("model.depth", "[model.depth]")
    )
    assert one == several == ("model.depth",)
