"""Verdicts in plain sentences, numbers rounded to what the interval supports.

What a kind of hypothesis says stands with the kind; here is what they share.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from harness.analysis.question import Question
from harness.analysis.scale import SPLIT_LABELS
from harness.analysis.verdict_rule import Decision
from harness.words.design import DataFacts
from harness.words.metrics import split_metric
from harness.words.outcome import UNITS
from harness.words.settings import setting_label
from harness.words.verdict import Answer, Estimate, HypothesisVerdict, graded

SCOPES = {
    "fresh": "Every replicate drew fresh data: the conclusion is about the source of the data.",
    "resplit": "Replicates are repeated splits of one finite data set; the interval allows for their overlap "
    "(Nadeau-Bengio), and the conclusion is about training sets of this size from the same source.",
    "fixed": "All replicates share one data set and split: the conclusion is conditional on that data set.",
}

OVER_TASKS = (
    "The tasks are the sample, one mean over replicates each: the conclusion is about tasks like these, and "
    "the interval is no statement about any single one of them."
)


def headline(decision: Decision, finding: str | None) -> str:
    """The verdict in one sentence: answer, grade, what was found, and why unless it is supported."""
    answer = graded(decision.answer, decision.grade, decision.fragile)
    if finding is None:
        return f"{answer}: {decision.reason}."
    text = f"{answer}: {finding}"
    return text + ("." if decision.answer is Answer.SUPPORTED else f"; {decision.reason}.")


def joint_headline(verdict: HypothesisVerdict) -> str:
    """The verdict on a universal claim in one sentence: answer, grade, where it holds and what decides."""
    return f"{graded(verdict.answer, verdict.grade, verdict.fragile)}: {verdict.reason}"


def placed(said: str, asked: Question, settled: Collection[str]) -> str:
    """A sentence about arms that it doesn't all name, after the levels that they share: "at depth 8, ...".

    Without those that it names, and those of `settled` factors, which are told otherwise.
    """
    if all(arm in said for arm in asked.arms):
        return said
    design = asked.evidence.design
    arms = [design.arm(arm).levels for arm in asked.arms]
    free = [f for f, levels in design.levels.items() if len(levels) > 1 and f not in settled]
    shared = {f: arms[0][f] for f in free if len({levels[f] for levels in arms}) == 1}
    unsaid = {f: level for f, level in shared.items() if setting_label({f: level}) not in said}
    return f"at {setting_label(unsaid)}, {said}" if unsaid else said


def interval_text(found: Estimate) -> tuple[str, str]:
    """The shown value, and "95 % interval 1.2 to 3.4", rounded together."""
    low, value, high = rounded(found.shown_low, found.shown_value, found.shown_high)
    return value, f"95 % interval {low} to {high}"


def target_text(question: Question) -> str:
    """The target with its metric: "0.52 validation accuracy"."""
    split, metric = split_metric(question.outcome.metric)
    return f"{question.target:.3g} {SPLIT_LABELS[split]} {metric.label}"


def delta_text(question: Question) -> str:
    """The smallest effect that matters, as readers see it."""
    return amount(question, question.margin)


def amount(question: Question, value: float) -> str:
    """A value on the estimate's scale, as readers see it, with its unit."""
    shown = f"{question.scale.show(value):.3g}"
    if question.scale.kind == "ratio":
        return f"{shown}x"
    return shown + unit(question, shown)


def unit(question: Question, shown: str = "") -> str:
    """What follows a shown number: " percentage points", " %", a time's " steps" and the like, or nothing."""
    if question.scale.kind == "relative":
        return " %"
    if _is_points(question) and shown.removeprefix("-") == "1":
        return " percentage point"
    timed = question.scale.unit in UNITS.values()
    return f" {question.scale.unit}" if _is_points(question) or timed else ""


def scope_text(data: Mapping[str, DataFacts]) -> str:
    """What the conclusion is about."""
    return " ".join(SCOPES[scope] for scope in dict.fromkeys(facts.scope for facts in data.values()))


def rounded(low: float, value: float, high: float) -> tuple[str, str, str]:
    """The three numbers to two significant digits of the interval's half width."""
    return _to_size((high - low) / 2, low, value, high)


def rounded_ratio(low: float, value: float, high: float) -> tuple[str, str, str]:
    """Three ratios, rounded as `rounded` but by the interval's half width at its lower end."""
    return _to_size(low * math.log(high / low) / 2, low, value, high)


def _to_size(half: float, low: float, value: float, high: float) -> tuple[str, str, str]:
    size = half if math.isfinite(half) and half > 0 else abs(value) / 10
    digits = max(0, 1 - math.floor(math.log10(size))) if size > 0 else 2
    return f"{low:.{digits}f}", f"{value:.{digits}f}", f"{high:.{digits}f}"


def _is_points(question: Question) -> bool:
    return question.scale.kind == "points"
