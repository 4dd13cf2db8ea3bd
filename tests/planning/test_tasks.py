"""A best of k over tasks: what it speaks of, and what planning refuses."""

import pytest
from scipy import stats

from harness.errors import BadInput
from harness.planning.design import make_design
from harness.planning.detectable import detectable
from harness.planning.power import ALPHA, least_tasks, smallest_effect, smallest_wilcoxon_p
from harness.words.tasks import contender, tasks_of

STUDY = """\
base: {{data: {{name: mnist1d}}, train: {{epochs: 30}}}}
arms:
  data:
{tasks}
  optimizer.name: [{arms}]
  model.depth: [1, 2]
hypotheses:
  - {{kind: best_of, primary: true, {asked}, outcome: test/accuracy}}
"""
ASKED = "across: data, at: {model.depth: 1}"
FIVE = "sgd, momentum, rmsprop, adagrad, adam"


def study(n=8, arms=FIVE, asked=ASKED):
    tasks = "\n".join(f"    size {i}: {{data.n_train: {1000 + 100 * i}}}" for i in range(n))
    return STUDY.format(tasks=tasks, arms=arms, asked=asked)


@pytest.mark.parametrize("n", range(2, 12))
def test_the_smallest_wilcoxon_p_is_scipys(n):
    assert smallest_wilcoxon_p(n) == stats.wilcoxon(range(1, n + 1)).pvalue


@pytest.mark.parametrize("contenders", range(2, 12))
@pytest.mark.parametrize("tests", [1, 3])
def test_the_least_number_of_tasks_is_the_first_at_which_the_rule_can_fire(contenders, tests):
    n = least_tasks(contenders, tests)
    corrected = (contenders - 1) * tests
    assert smallest_wilcoxon_p(n, corrected) <= ALPHA < smallest_wilcoxon_p(n - 1, corrected)


def test_two_arms_need_six_tasks_and_five_need_eight():
    assert (least_tasks(2), least_tasks(5)) == (6, 8)


def test_tasks_and_contenders(load):
    design = make_design(load(study()))
    (hypothesis,) = design.study.hypotheses
    tasks = tasks_of(design, hypothesis)
    assert tasks.names == tuple(f"size {i}" for i in range(8))
    assert tasks.contenders == tuple(FIVE.split(", "))
    for task, arms in zip(tasks.names, tasks.arms, strict=True):
        for name, label in zip(tasks.contenders, arms, strict=True):
            levels = design.arm(label).levels
            assert (levels["data"], levels["optimizer.name"]) == (task, name)
    (found,) = detectable(design)
    assert (found.n, found.d_z) == (8, pytest.approx(smallest_effect(8, alpha=ALPHA / 4)))


def test_contenders_of_two_factors_and_the_one_asked_about(load):
    design = make_design(load(study(9, asked="across: data, a: {optimizer.name: adam, model.depth: 2}")))
    (hypothesis,) = design.study.hypotheses
    tasks = tasks_of(design, hypothesis)
    assert len(tasks.contenders) == 10
    assert contender(design, hypothesis, tasks) == "adam, 2"
    with pytest.raises(BadInput, match="names 2 arms on 18 of 9 tasks; with `across` a is one of: sgd, 1"):
        contender(design, hypothesis.model_copy(update={"a": "adam"}), tasks)


TUNED = "tune: {optimizer.lr: own_range}\ntarget: {reference: 'size 0, sgd, depth 1'}\nhypotheses:"
WRONG = {
    "too few tasks": (
        study(7),
        "found 7 tasks, the levels of 'data'; allowed: at least 8. Wilcoxon's test over 7 tasks can't go "
        "below p = 0.062 after Holm's correction for 4 other arms: add tasks, or compare fewer arms",
    ),
    "two arms": (study(5, "sgd, adam"), "allowed: at least 6"),
    "factor": (
        study(asked="across: dat, at: {model.depth: 1}"),
        "across: unknown factor 'dat'. Did you mean 'data'",
    ),
    "fixed": (study(asked="across: data, at: {data: size 1, model.depth: 1}"), "`at` fixes 'data'"),
    "one arm": (
        study(asked="across: data, at: {optimizer.name: sgd, model.depth: 1}"),
        "found 1 arms over 8 levels of 'data'",
    ),
    "a": (study(asked=f"{ASKED}, a: lion"), "hypotheses.0.a: 'lion' at {'model.depth': 1} names no arm"),
    "target": (
        study()
        .replace("outcome: test/accuracy", "outcome: {steps_to: val/accuracy}, delta: 10")
        .replace("hypotheses:", TUNED),
        "hypotheses.0.outcome: over tasks a target from one arm's tuning says nothing of the other tasks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_one_clear_line_for_what_can_not(complaint, case):
    text, expected = WRONG[case]
    (line,) = complaint(text)
    assert expected in line


def test_a_secondary_hypothesis_needs_more_tasks_as_it_is_corrected_again(complaint, load):
    others = "".join(
        f"  - {{kind: best_of, across: data, at: {{model.depth: {d}}}, outcome: test/accuracy}}\n"
        for d in (1, 2)
    )
    assert make_design(load(study(9) + others)).arms
    lines = complaint(study(8) + others)
    assert len(lines) == 2
    assert all("at least 9" in line and "and of 2 secondary hypotheses" in line for line in lines)
