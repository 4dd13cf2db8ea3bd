"""The validity gates G1 to G9: each a small function of a question. A gate that fails forces INCONCLUSIVE."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from harness.analysis.budget_gate import budget_gain
from harness.analysis.equal_budgets import equal_budgets
from harness.analysis.gate_finding import GateFinding, listed, not_applicable
from harness.analysis.outcome_table import arm_values, outcome_table
from harness.analysis.outcomes import units_a_step
from harness.analysis.question import Question
from harness.analysis.tasks import claimed_by, claimed_gains
from harness.words.hypothesis import Dose, InteriorOptimum, Threshold
from harness.words.probes import ProbeOptions
from harness.words.record import Record, Status
from harness.words.study import Require
from harness.words.tasks import is_over_tasks
from harness.words.tolerance import in_words
from harness.words.verdict import Gate

STEP_SECTIONS = ("optimizer", "schedule")  # sections of a config that have no say before the first step
OVER_LEVELS = (Dose, InteriorOptimum, Threshold)
MOST_DIVERGED = 0.2
LISTED_ARMS = 4  # of which each one's number is told
CEILING = 0.99
LAST_PART = 0.1  # of training, for G5


class _Entry(NamedTuple):
    title: str
    check: Callable[[Question], GateFinding]


def check_gates(question: Question, bearing: Collection[str]) -> list[tuple[Gate, tuple[str, ...]]]:
    """Every gate of a question, with the arms that fail it. Those not `bearing` on its kind don't apply."""
    aside = not_applicable(f"does not bear on a hypothesis of the kind {question.hypothesis.kind}")
    found = [
        (name, entry.title, entry.check(question) if name in bearing else aside)
        for name, entry in GATES.items()
    ]
    return [
        (Gate(name=name, title=title, passed=f.passed, detail=f.detail, remedy=f.remedy), f.arms)
        for name, title, f in found
    ]


def range_edge(question: Question) -> GateFinding:
    """G1: no tuned value lies on the edge of its final range.

    A probe at the start is taken before the first step: how steps are made has no part in it.
    """
    choices, idle = question.evidence.choices, STEP_SECTIONS if _at_start(question) else ()
    edges = {
        a: [path for path in choices[a].on_edge if path.partition(".")[0] not in idle]
        for a in question.arms
        if a in choices
    }
    if not any(question.evidence.design.arm(a).tuned for a in question.arms):
        return not_applicable("nothing is tuned")
    failing = {a: paths for a, paths in edges.items() if paths}
    listed = ", ".join(f"{a} ({', '.join(paths)})" for a, paths in failing.items())
    return GateFinding.of(
        failing, f"on the edge: {listed}", "no tuned value lies on its range's edge", "widen the range"
    )


def _at_start(question: Question) -> bool:
    outcome = question.outcome
    return outcome.function == "probe" and ProbeOptions.model_validate(outcome.options).when == "start"


def ceiling_or_floor(question: Question) -> GateFinding:
    """G2: the outcome leaves room for a difference.

    Accuracy and error: fails where every arm that decides (of a best of k the best two) is above 99 %,
    or the worst of them leaves an error below 2 delta, or each is within two standard errors of chance.
    Time to a target: fails where in every one more than half the runs reach it by the first evaluation
    after a step, or more than half never do.
    """
    if question.outcome.function == "steps_to":
        return _target_out_of_reach(question)
    if question.outcome.metric.partition("/")[2] not in ("accuracy", "error"):
        return not_applicable("the outcome has neither ceiling nor chance level")
    arms = question.decisive
    values = [arm_values(question.table, a) for a in arms]
    if any(len(v) < 2 for v in values) or question.outcome.function in ("diverged", "success"):
        return not_applicable("no mean accuracy to check")
    accuracies = [v if question.outcome.metric.endswith("accuracy") else 1 - v for v in values]
    means = np.array([v.mean() for v in accuracies])
    errors = np.array([v.std(ddof=1) / np.sqrt(len(v)) for v in accuracies])
    known = question.evidence.design.data
    classes = [known[a].n_classes if a in known else None for a in arms]
    chance = np.array([1 / c if c else np.nan for c in classes])
    at_chance = bool(np.all(np.abs(means - chance) <= 2 * errors))
    at_ceiling = means.min() > CEILING or 1 - means.min() < 2 * question.margin
    found = f"mean accuracies {', '.join(f'{m:.3f}' for m in means)}"
    if len(arms) > LISTED_ARMS:
        found = f"mean accuracies of {len(arms)} arms, {means.min():.3f} to {means.max():.3f}"
    remedy = "choose a harder task" if at_ceiling else "train longer, or choose an easier task"
    return GateFinding.of(arms if at_ceiling or at_chance else (), found, found, remedy)


def _target_out_of_reach(question: Question) -> GateFinding:
    arms = question.decisive
    table = question.table[question.table["arm"].isin(arms)]
    if table.empty:
        return not_applicable("no finished runs")
    first = table["arm"].map({a: _first_evaluation(question, a) for a in arms})
    early = float((table["value"] <= first).groupby(table["arm"]).mean().min())
    never = float(table["censored"].groupby(table["arm"]).mean().min())
    shares = {"reach the target by the first evaluation": early, "never reach the target": never}
    said = [f"at least {share:.0%} of the runs {what}" for what, share in shares.items() if share]
    found = f"in every arm {' and '.join(said)}" if said else "the target lies within what runs reach"
    remedy = (
        "evaluate more often, or raise the target" if early > 0.5 else "train longer, or lower the target"
    )
    return GateFinding.of(arms if max(early, never) > 0.5 else (), found, found, remedy)


def _first_evaluation(question: Question, arm: str) -> float:
    """When an arm's runs are first evaluated after a step, in the outcome's unit; NaN without any."""
    n_train = question.evidence.design.data[arm].n_train
    return min(
        (
            units_a_step(question.outcome, r, n_train) * step
            for p, r in question.evidence.judged
            if p.arm == arm
            for step in r.steps
            if step > 0
        ),
        default=np.nan,
    )


def manipulation(question: Question) -> GateFinding:
    """G3: what the study requires of its own set-up holds, on means over judged replicates."""
    required = question.evidence.design.study.require
    if not required:
        return not_applicable("the study requires nothing")
    results = [(name, *_required(question, r)) for name, r in required.items()]
    failing = [arm for _, arms, _ in results for arm in arms]
    found = "; ".join(f"{name}: {text}" for name, _, text in results)
    return GateFinding.of(failing, found, found, "change the set-up until the study's condition holds")


def _required(question: Question, require: Require) -> tuple[list[str], str]:
    """The arms that break a requirement, and what was found."""
    outcomes = require.outcome if isinstance(require.outcome, tuple) else (require.outcome,)
    tables = [outcome_table(question.evidence, o) for o in outcomes]
    arms = [a.label for a in question.evidence.design.select_arms(require.arm)]
    means = {
        a: [float(np.mean(arm_values(t, a))) if len(arm_values(t, a)) else np.nan for t in tables]
        for a in arms
    }
    found = {a: m[0] - m[1] if len(m) == 2 else m[0] for a, m in means.items()}
    low = -np.inf if require.at_least is None else require.at_least
    high = np.inf if require.at_most is None else require.at_most
    bounds = f"[{low:g}, {high:g}]"
    text = ", ".join(f"{a} {v:.3g}" for a, v in found.items())
    return [a for a, v in found.items() if not low <= v <= high], f"{text} (required within {bounds})"


def divergence(question: Question) -> GateFinding:
    """G4: at most 20 % of an arm's judged runs diverged, unless divergence is the outcome.

    Over the levels of a factor, with nothing tuned, divergence at a level is part of the answer.
    """
    if question.outcome.function == "diverged":
        return not_applicable("divergence is the outcome")
    if _untuned_levels(question):
        return not_applicable("nothing is tuned: divergence at a level is part of the answer")
    rates = question.table.groupby("arm")["diverged"].mean()
    found = {a: float(rates.get(a, 0.0)) for a in question.arms}
    failing = [a for a, rate in found.items() if rate > MOST_DIVERGED]
    text = f"diverged: {listed(found, failing, '.0%')}"
    tuned = any(question.evidence.design.arm(a).tuned for a in failing)
    remedy = (
        "tune with more seeds a point, or lower the range" if tuned else "lower the learning rate, or tune it"
    )
    return GateFinding.of(failing, text, text, remedy)


def _untuned_levels(question: Question) -> bool:
    """Whether levels of a factor, or arms over tasks, are compared with nothing tuned to suit them."""
    tuned = any(question.evidence.design.arm(a).tuned for a in question.arms)
    over = isinstance(question.hypothesis, OVER_LEVELS) or is_over_tasks(question.hypothesis)
    return over and not tuned


def still_improving(question: Question) -> GateFinding:
    """G5: over the last 10 % of training the validation metric improves by no more than delta.

    For claims about a final metric; of test metrics the validation curve is used. The mean over the
    finished judged runs of an arm; the curve is linear between evaluations. Where arms differ in their
    steps, or levels are compared untuned, an arm that could still learn is part of the answer. Over tasks
    an arm's mean over them counts.
    """
    outcome = question.outcome
    if outcome.function != "final":
        return not_applicable("the claim is not about a final metric")
    if len({question.evidence.design.steps.get(a) for a in question.arms}) > 1:
        return not_applicable("the arms differ in their steps: how long to train is part of the question")
    if _untuned_levels(question):
        return not_applicable("nothing is tuned: a level that learns slowly is part of the answer")
    name = outcome.metric.replace("test/", "val/")
    sign = 1.0 if question.direction == "higher" else -1.0
    gains = {a: sign * _last_gain(_done(question, a), name) for a in question.arms}
    gains = {a: g for a, g in gains.items() if not np.isnan(g)}
    if not gains:
        return not_applicable(f"no curve of {name} with two evaluations")
    claimed = claimed_gains(question, gains)
    failing, found = _above(question, claimed, question.margin, "+.3g")
    text = f"{name} over the last {LAST_PART:.0%} of training: {found}"
    return GateFinding.of(failing, text, text, "train longer")


def _done(question: Question, arm: str) -> list[Record]:
    runs = (r for p, r in question.evidence.judged if p.arm == arm)
    return [r for r in runs if r.status is Status.DONE]


def _last_gain(runs: Iterable[Record], name: str) -> float:
    """The mean rise of a curve over the last tenth of the steps; NaN where no run has it."""
    gains = [
        r.curves[name][-1] - float(np.interp((1 - LAST_PART) * r.steps[-1], r.steps, r.curves[name]))
        for r in runs
        if len(r.curves.get(name, ())) > 1
    ]
    return float(np.mean(gains)) if gains else np.nan


def reproducible(question: Question) -> GateFinding:
    """G6: runs repeated on the same machine gave the same: bit for bit, or on a GPU within its tolerance."""
    checks = [c for c in question.evidence.checks if c["arm"] in question.arms]
    if not checks:
        return not_applicable("no run was repeated")
    failing = [str(c["arm"]) for c in checks if not c["same"]]
    worst = max(float(c.get("max_difference") or 0.0) for c in checks)
    agree = in_words(max(float(c.get("tolerance", 0.0)) for c in checks))
    text = f"{len(checks) - len(failing)} of {len(checks)} repeated runs agree {agree}"
    return GateFinding.of(
        failing, f"{text}; largest difference {worst:g}", text, "find what differs, with `harness reproduce`"
    )


def tuning_budget(question: Question) -> GateFinding:
    """G8: doubling the tuning budget would not gain more than delta / 2 (`budget_gain`).

    Over tasks an arm's mean over them counts.
    """
    gains = {a: budget_gain(question, a) for a in question.arms}
    known = {a: g for a, g in gains.items() if g is not None}
    if not known:
        return not_applicable("nothing is tuned, or the best point has no neighbour on one side")
    claimed = claimed_gains(question, known)
    failing, found = _above(question, claimed, question.margin / 2, ".2g")
    text = f"expected gain of twice the tuning budget: {found} (at most {question.margin / 2:.2g})"
    return GateFinding.of(failing, text, text, "tune with twice the points")


def _above(
    question: Question, claimed: Mapping[tuple[str, ...], float], most: float, form: str
) -> tuple[list[str], str]:
    """The arms that gain more than they may, and the gains in words."""
    over = [arms for arms, gain in claimed.items() if gain > most]
    named = {claimed_by(question, arms): gain for arms, gain in claimed.items()}
    text = listed(named, [claimed_by(question, arms) for arms in over], form)
    return [arm for arms in over for arm in arms], text


def controls(question: Question) -> GateFinding:
    """G9: controls hold: an arm against itself shows nothing, a planted effect is found."""
    results = question.evidence.controls
    if not results:
        return not_applicable("no control has been run")
    failing = [str(c["name"]) for c in results if not c["passed"]]
    text = "; ".join(f"{c['name']}: {c['detail']}" for c in results)
    return GateFinding.of(
        question.arms if failing else (),
        text,
        text,
        "find out why the control fails before trusting any study",
    )


GATES: dict[str, _Entry] = {
    "G1": _Entry("tuned value on its range's edge", range_edge),
    "G2": _Entry("ceiling or floor", ceiling_or_floor),
    "G3": _Entry("manipulation check", manipulation),
    "G4": _Entry("diverged runs", divergence),
    "G5": _Entry("still improving at the end of training", still_improving),
    "G6": _Entry("runs reproduce", reproducible),
    "G7": _Entry("equal trials, steps and data", equal_budgets),
    "G8": _Entry("enough tuning", tuning_budget),
    "G9": _Entry("controls", controls),
}
