"""The table of arms, their outcomes, and the fairness certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.reporting.content.context import Context, outcome_words
from harness.reporting.document import Block, Callout, Column, Paragraph, Table
from harness.reporting.numbers import MISSING, count, interval, number, setting, share
from harness.words.config import StepCost
from harness.words.design import Arm, Choice, Design
from harness.words.outcome import UNITS
from harness.words.verdict import ArmSummary


def arms_section(context: Context) -> tuple[Block, ...]:
    """One row an arm, then one table for each outcome."""
    arms = context.verdict.arms
    titles = (
        "Arm",
        "Runs",
        "Steps a run",
        "Parameters",
        "Chosen values",
        "Diverged",
        "Failed",
        "Gates failed",
    )
    rows = tuple(_arm_row(a) for a in arms)
    columns = tuple(
        Column(t, t in {"Runs", "Steps a run", "Parameters", "Diverged", "Failed"}) for t in titles
    )
    caption = (
        "Every arm as it was judged. A diverged run is kept and given the worst value; a failed one has "
        "no value."
    )
    outcomes = list(dict.fromkeys(name for a in arms for name in a.outcomes))
    tables = (_outcome_table(arms, name) for name in outcomes)
    return (Table(caption, columns, rows), *_variation(arms), *tables)


def fairness_section(context: Context) -> tuple[Block, ...]:
    """What every arm was given to tune with, and whether that was equal."""
    design = context.evidence.design
    entries = [_fairness(context, arm) for arm in design.arms]
    if all(e["Tuning trials"] == "0" for e in entries):
        return (_untuned(design), *_lengths(design))
    columns = tuple(entries[0])
    words = {"Arm", "Range searched", "Chosen", "On edge"}
    rows = tuple(tuple(str(e[c]) for c in columns) for e in entries)
    caption = (
        "What each arm was given before the arms were compared. A range is extended, for the arm that "
        "needs it, when its best value lies on the edge."
    )
    table = Table(caption, tuple(Column(c, c not in words) for c in columns), rows)
    return (_statement(entries), table, *_lengths(design))


def _untuned(design: Design) -> Paragraph:
    """One sentence where no arm was given anything to tune with."""
    steps = set(design.steps.values())
    alike = f", each for {count(steps.pop())} steps: no arm had a larger budget" if len(steps) == 1 else ""
    return Paragraph(f"Nothing was tuned: every arm was judged at the settings given{alike}.")


def _lengths(design: Design) -> Iterator[Block]:
    """How long a trial is, in every way of counting it, where arms differ; and what a modelled second is."""
    priced = all(map(_cost, design.arms))
    if len(set(design.steps.values())) > 1:  # by batch size, it may be
        units = ["steps", "examples", *(["seconds"] if priced else [])]
        columns = (Column("Arm"), *(Column(UNITS[unit].capitalize(), numeric=True) for unit in units))
        lengths = {a.label: [design.budget(a.label, unit) for unit in units] for a in design.arms}
        rows = tuple((label, *map(_counted, taken)) for label, taken in lengths.items())
        yield Table("How long a trial was, counted in every way.", columns, rows)
    costs = {str(StepCost.model_validate(cost)) for arm in design.arms if (cost := _cost(arm))}
    if costs:
        yield Paragraph(
            f"Modelled seconds are steps times what one is declared to cost ({' or '.join(sorted(costs))}), "
            "as harness bench cost_batch measures it for a net trained alone. No clock was read: "
            "the same study gives the same budgets and the same times on every machine."
        )


def _arm_row(arm: ArmSummary) -> tuple[str, ...]:
    return (
        arm.arm,
        count(arm.n),
        count(arm.steps),
        count(arm.n_parameters),
        _chosen(arm.chosen),
        share(arm.n_diverged, arm.n),
        count(arm.n_failed),
        ", ".join(arm.gates) or "none",
    )


def _variation(arms: list[ArmSummary]) -> Iterator[Block]:
    """What a trial's luck does to an arm's result, and apart from it the luck of tuning."""
    varying = {a.arm: a.variation for a in arms if a.variation is not None}
    if not varying:
        return
    label = outcome_words(next(iter(varying.values())).outcome)
    caption = (
        f"How far results vary, in the {label} that arms were tuned for. By trial: the standard deviation "
        "over judged replicates, all at the values chosen. By tuning: that of the chosen point's mean score, "
        "had other tuning seeds been drawn (they are resampled, and a point chosen anew); 0 where every draw "
        "chooses the same point. Intervals and p-values hold for the values chosen, and leave this part out."
    )
    rows = tuple((arm, number(v.trial_sd, 2), number(v.tuning_sd, 2)) for arm, v in varying.items())
    columns = (Column("Arm"), Column("By trial", numeric=True), Column("By tuning", numeric=True))
    yield Table(caption, columns, rows)


def _outcome_table(arms: list[ArmSummary], name: str) -> Table:
    titles = ("Arm", "Mean", "95 % interval", "Standard deviation", "Median")
    rows = tuple(_outcome_row(a.arm, a.outcomes[name]) for a in arms if name in a.outcomes)
    label = outcome_words(name)
    return Table(f"Outcome: {label}.", tuple(Column(t, i > 0) for i, t in enumerate(titles)), rows)


def _outcome_row(arm: str, row: Mapping[str, float | None]) -> tuple[str, ...]:
    low, high = row.get("low"), row.get("high")
    ends = MISSING if low is None or high is None else interval(low, high)
    return arm, number(row.get("mean"), 4), ends, number(row.get("sd"), 2), number(row.get("median"), 4)


def _fairness(context: Context, arm: Arm) -> dict[str, Any]:
    choice = context.evidence.choices.get(arm.label) if arm.tuned else None  # else only what was given
    design = context.evidence.design
    trials = _tuning_trials(context, arm.label)
    extended = {p.index for p in choice.points if p.round > 0} if choice else set()
    return {
        "Arm": arm.label,
        "Points": count(sum(p.round == 0 for p in choice.points)) if choice else "0",
        "Seeds": count(design.study.tune.seeds) if choice else MISSING,
        "Extension trials": count(int(trials["point"].isin(extended).sum())) if len(trials) else "0",
        "Tuning trials": count(len(trials)),
        "Steps a trial": count(design.steps[arm.label]),
        "Range searched": "; ".join(_searched(choice, d.path) for d in arm.tuned) if choice else MISSING,
        "Chosen": _chosen(choice.params) if choice else MISSING,
        "On edge": ("yes" if choice.on_edge else "no") if choice else MISSING,
    }


def _cost(arm: Arm) -> Any:
    """What the arm's config declares a step to cost, if it does."""
    return arm.config.get("train", {}).get("cost")


def _counted(length: float) -> str:
    return number(length) if isinstance(length, float) else count(length)


def _tuning_trials(context: Context, arm: str) -> pd.DataFrame:
    trials = context.evidence.trials
    if trials.empty:
        return trials
    return trials[(trials["arm"] == arm) & (trials["phase"] == "tune")]


def _searched(choice: Choice, path: str) -> str:
    values = [p.params[path] for p in choice.points if path in p.params]
    if not values:
        return MISSING
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return f"{path} {setting(min(values))} to {setting(max(values))}"
    return f"{path} among {setting(list(dict.fromkeys(map(setting, values))))}"


def _chosen(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{path} {setting(value)}" for path, value in params.items()) or "nothing tuned"


def _statement(entries: list[dict[str, Any]]) -> Block:
    """Whether budgets were equal, in plain words."""
    declared = {(e["Points"], e["Seeds"]) for e in entries}
    steps = {e["Steps a trial"] for e in entries}
    unequal = [
        text
        for text, found in (("tuning points or seeds", declared), ("steps a trial", steps))
        if len(found) > 1
    ]
    if unequal:
        return Callout(
            "warning",
            "Budgets were not equal",
            (f"Arms differ in {' and in '.join(unequal)}; see the table.",),
        )
    extended = [e for e in entries if e["Extension trials"] != "0"]
    if extended:
        given = ", ".join(f"{e['Arm']} ({e['Extension trials']})" for e in extended)
        text = (
            "Every arm was given the same declared points, seeds and steps. Beyond them, extra trials "
            f"went to arms whose best value lay on the edge of its range: {given}."
        )
        return Callout("note", "Declared budgets were equal; some ranges were extended", (text,))
    if len({e["Tuning trials"] for e in entries}) > 1:
        text = (
            "Declared budgets were equal, but not every arm has the same number of finished tuning "
            "trials; see the table."
        )
        return Callout("warning", "Tuning trials are missing", (text,))
    text = "Every arm was tuned with the same number of points, seeds and steps."
    return Callout("note", "Budgets were equal", (text,))
