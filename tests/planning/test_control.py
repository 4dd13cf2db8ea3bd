"""What makes a study a control: its primary hypothesis says what is known beforehand."""

from pathlib import Path

import pytest

from harness.planning.design import make_design
from harness.words.study_file import load_study

STUDIES = Path(__file__).parents[2] / "studies"
TEXT = """\
control: {control}
base: {{data: {{name: mnist1d}}, train: {{epochs: 3}}}}
arms: {{optimizer.name: [sgd, adam]}}
hypotheses:
  - {{kind: {kind}, a: adam, b: sgd, outcome: test/accuracy}}
"""


@pytest.mark.parametrize(
    ("control", "kind"), [("no_difference", "superiority"), ("planted_effect", "equivalence")]
)
def test_a_control_that_asks_something_else_is_refused(complaint, control, kind):
    (line,) = complaint(TEXT.format(control=control, kind=kind))
    assert line.startswith("study.yaml:1: control: ")
    assert f"found {kind}" in line


@pytest.mark.parametrize(
    ("control", "kind"), [("no_difference", "equivalence"), ("planted_effect", "superiority")]
)
def test_a_control_that_asks_what_it_stands_for(load, control, kind):
    assert make_design(load(TEXT.format(control=control, kind=kind))).study.control == control


@pytest.mark.parametrize(
    ("name", "control"), [("control_aa", "no_difference"), ("control_planted", "planted_effect")]
)
def test_the_controls_that_come_with_it(name, control):
    design = make_design(load_study(STUDIES / f"{name}.yaml"))
    assert design.study.control == control
    assert len(design.arms) == 2


def test_whether_it_is_a_control_does_not_change_what_was_judged(load):
    text = TEXT.format(control="planted_effect", kind="superiority")
    assert make_design(load(text)).hash == make_design(load(text.partition("\n")[2])).hash
