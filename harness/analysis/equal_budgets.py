"""Gate G7: what every arm was given. Kept apart from the other gates for its length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.analysis.gate_finding import GateFinding
from harness.analysis.outcome_table import tuning_points
from harness.analysis.question import Question
from harness.words.design import Arm

# What decides how long a run trains.
LENGTHS = ("train.epochs", "train.steps", "train.seconds", "train.cost", "train.batch_size")


def equal_budgets(question: Question) -> GateFinding:
    """G7: equal declared tuning trials, length, data and finished replicates for every arm the claim names.

    Length is optimizer steps; of a time to a target it is counted in that time's unit, and may differ by
    less than a step. The extension rule's points are reported and not counted. What the study sweeps
    (length, data) may differ by design, but of a time to a target the length may only where the data
    do: a run that has not arrived is censored there, so arms of unequal budgets are not comparable.
    """
    budgets = {a: _budget(question, a) for a in question.arms}
    free = _free(question)
    usual = {key: max(b[key] for b in budgets.values()) for key in budgets[question.arms[0]]}
    usual["replicates"] = question.evidence.design.study.judge.replicates
    unequal = {a: [k for k, v in b.items() if k not in free and v != usual[k]] for a, b in budgets.items()}
    failing = [a for a, keys in unequal.items() if keys]
    different = "; ".join(
        f"{a}: {k} {_shown(budgets[a][k])}, not {_shown(usual[k])}" for a in failing for k in unequal[a]
    )
    extended = [f"{a} +{n}" for a in question.arms if (n := _extra_points(question, a))]
    length = question.outcome.unit_label
    equal = (
        f"{usual['tuning trials']} tuning trials, {usual['replicates']} replicates, "
        f"{_shown(usual[length])} {length}"
    )
    note = f"; extended ranges: {', '.join(extended)} points" if extended else ""
    return GateFinding.of(
        failing, different + note, equal + note, "run what is missing, or equalise the design"
    )


def _free(question: Question) -> set[str]:
    """What may differ between the arms."""
    swept = {p for a in question.evidence.design.arms for p in _swept_paths(a)}
    length = question.outcome.unit_label
    if any(p.startswith("data.") for p in swept):
        return {"data", length}
    own = any(path.startswith(LENGTHS) for path in swept)
    return {length} if own and question.outcome.function != "steps_to" else set()


def _swept_paths(arm: Arm) -> set[str]:
    inner = {p for v in arm.values.values() if isinstance(v, Mapping) for p in v}
    return set(arm.values) | inner


def _budget(question: Question, arm: str) -> dict[str, Any]:
    design, choices = question.evidence.design, question.evidence.choices
    points = choices[arm].points if arm in choices else []
    declared = {p.index for p in points if p.round == 0}
    facts, unit = design.data[arm], question.outcome.unit
    longest = max(question.arms, key=lambda a: design.budget(a, unit))
    equal = design.same_budget(arm, longest, unit)
    return {
        "tuning trials": sum(
            len(r) for i, r in tuning_points(question.evidence, arm).items() if i in declared
        ),
        question.outcome.unit_label: design.budget(longest if equal else arm, unit),
        "data": (facts.n_train, facts.n_val, facts.n_test),
        "replicates": int((question.table["arm"] == arm).sum()),
    }


def _shown(given: Any) -> str:
    """A budget as it is; of seconds as many digits as tell arms apart."""
    return f"{given:.6g}" if isinstance(given, float) else str(given)


def _extra_points(question: Question, arm: str) -> int:
    choice = question.evidence.choices.get(arm)
    return 0 if choice is None else sum(p.round > 0 for p in choice.points)
