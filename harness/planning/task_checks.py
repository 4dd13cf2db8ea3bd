"""Checks of a comparison over tasks: its factor and its arms are there, and there are tasks enough."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import BadInput
from harness.planning.power import least_tasks, smallest_wilcoxon_p
from harness.words.design import Design
from harness.words.form_errors import Problem
from harness.words.hypothesis import Hypothesis
from harness.words.tasks import contender, is_over_tasks, tasks_of
from harness.words.yaml_tree import Location


def task_problems(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """Everything that is wrong with a best of k over tasks, beside what is wrong with any best of k."""
    if not is_over_tasks(hypothesis):
        return
    where = (*place, "across")
    try:
        design.select_arms({}, hypothesis.at)
    except BadInput:
        return  # said of `at`
    try:
        tasks = tasks_of(design, hypothesis)
    except BadInput as error:
        yield Problem(where, str(error))
        return
    try:
        contender(design, hypothesis, tasks)
    except BadInput as error:
        yield Problem((*place, "a"), str(error))
    study, n, k = design.study, len(tasks.names), len(tasks.contenders)
    asked = study.hypotheses[int(place[1])]  # before `for_each` made copies of it
    corrected = 1 if asked is study.primary else len(study.hypotheses) - 1
    needed = least_tasks(k, corrected)
    if n < needed:
        secondary = "" if corrected == 1 else f" and of {corrected} secondary hypotheses"
        smallest = smallest_wilcoxon_p(n, (k - 1) * corrected)
        yield Problem(
            where,
            f"found {n} tasks, the levels of {tasks.factor!r}; allowed: at least {needed}. Wilcoxon's test "
            f"over {n} tasks can't go below p = {smallest:.2g} after Holm's correction for {k - 1} other "
            f"arms{secondary}: add tasks, or compare fewer arms",
        )
    if hypothesis.outcome.function == "steps_to" and study.target.value is None:
        message = (
            "over tasks a target from one arm's tuning says nothing of the other tasks; give target.value"
        )
        yield Problem((*place, "outcome"), message)
