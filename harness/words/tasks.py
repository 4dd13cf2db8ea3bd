"""What a comparison over several tasks is made of: the tasks, and what is compared on each of them."""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

from harness.errors import BadInput, UnknownName
from harness.words.design import Arm, Design
from harness.words.hypothesis import BestOf, Hypothesis


class Tasks(NamedTuple):
    """The levels of one factor, and the contenders: what the other factors make."""

    factor: str
    names: tuple[str, ...]  # of the N tasks, in the study's order
    contenders: tuple[str, ...]  # of the k compared on every task, in the study's order
    arms: tuple[tuple[str, ...], ...]  # [task][contender] -> the arm's label

    def contender_of(self) -> dict[str, str]:
        """Arm -> the contender it is on its task."""
        return {arm: c for row in self.arms for arm, c in zip(row, self.contenders, strict=True)}


def is_over_tasks(hypothesis: Hypothesis) -> TypeGuard[BestOf]:
    """Whether the hypothesis compares arms over the levels of a factor, as tasks."""
    return isinstance(hypothesis, BestOf) and hypothesis.across is not None


def tasks_of(design: Design, hypothesis: BestOf) -> Tasks:
    """The tasks of a hypothesis that has `across`.

    Raises UnknownName for a factor the study doesn't have, BadInput where `at` fixes that factor, or
    where fewer than two contenders or tasks are left.
    """
    factor = hypothesis.across
    if factor not in design.study.arms:
        raise UnknownName("factor", str(factor), list(design.study.arms))
    if factor in hypothesis.at:
        raise BadInput(f"`at` fixes {factor!r}, so there is one task; let `across` name a factor left free")
    arms = design.select_arms({}, hypothesis.at)
    named = contender_names(arms, factor)
    names = tuple(dict.fromkeys(a.levels[factor] for a in arms))
    contenders = tuple(dict.fromkeys(named.values()))
    if len(contenders) < 2 or len(names) < 2:
        raise BadInput(
            f"found {len(contenders)} arms over {len(names)} levels of {factor!r}; a comparison over tasks "
            "needs at least 2 of each: add a factor whose levels are compared, or levels"
        )
    by_place = {(a.levels[factor], named[a.label]): a.label for a in arms}
    rows = tuple(tuple(by_place[task, c] for c in contenders) for task in names)
    return Tasks(factor, names, contenders, rows)


def contender_names(arms: list[Arm], factor: str) -> dict[str, str]:
    """Arm -> its levels of the other factors that vary among the arms, the same on every task."""
    others = [f for f in arms[0].levels if f != factor and len({a.levels[f] for a in arms}) > 1]
    return {a.label: ", ".join(a.levels[f] for f in others) for a in arms}


def contender(design: Design, hypothesis: BestOf, tasks: Tasks) -> str | None:
    """The contender that `a` names, None without `a`. Raises BadInput where it names none, or several."""
    if hypothesis.a is None:
        return None
    if hypothesis.a in tasks.contenders:
        return str(hypothesis.a)
    of_arm = tasks.contender_of()
    arms = design.select_arms(hypothesis.a, hypothesis.at)
    found = list(dict.fromkeys(of_arm[a.label] for a in arms))
    if len(found) > 1 or len(arms) < len(tasks.names):
        raise BadInput(
            f"{hypothesis.a!r} names {len(found)} arms on {len(arms)} of {len(tasks.names)} tasks; with "
            f"`across` a is one of: {', '.join(tasks.contenders)}"
        )
    return found[0]
