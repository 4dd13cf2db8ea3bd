"""Verdicts in plain sentences, numbers rounded to what the interval supports."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.analysis.question import SPLIT_LABELS, Question, outcome_label
from harness.analysis.verdict_rule import Decision
from harness.words.design import DataFacts
from harness.words.metrics import split_metric
from harness.words.verdict import Answer, Estimate

SCOPES = {
    "fresh": "Every replicate drew fresh data: the conclusion is about the source of the data.",
    "resplit": "Replicates are repeated splits of one finite data set; the interval allows for their overlap "
    "(Nadeau-Bengio), and the conclusion is about training sets of this size from the same source.",
    "fixed": "All replicates share one data set and split: the conclusion is conditional on that data set.",
}


def statement(question: Question) -> str:
    """The hypothesis in words."""
    a, b, kind = question.subject, question.reference, question.hypothesis.kind
    delta = delta_text(question)
    if kind == "faster":
        return f"{a} reaches {target_text(question)} in at least {delta} fewer steps than {b}"
    label = outcome_label(question.outcome)
    if kind == "best_of" and getattr(question.hypothesis, "a", None) is None:
        return f"one arm has the best {label} of {len(question.arms)}, by at least {delta}"
    if kind == "best_of":
        return f"{a} has the best {label} of {len(question.arms)} arms, by at least {delta}"
    return f"{a} has a better {label} than {b} by at least {delta}"


def finding(question: Question, estimate: Estimate) -> str:
    """The effect, its interval and what was asked, without the answer."""
    if question.hypothesis.kind == "faster":
        return _speed_finding(question, estimate)
    better = estimate.value >= 0
    low, value, high = rounded(estimate.shown_low, estimate.shown_value, estimate.shown_high)
    size, gain = value.removeprefix("-") + _unit(question), "" if better else " for the gain"
    return (
        f"{question.subject}'s {outcome_label(question.outcome)} is {'better' if better else 'worse'} than "
        f"{question.reference}'s by {size}, 95 % interval{gain} {low} to {high}, "
        f"at least {delta_text(question)} asked"
    )


def _speed_finding(question: Question, estimate: Estimate) -> str:
    a, b, goal = question.subject, question.reference, target_text(question)
    asked = f"at least {delta_text(question)} fewer asked"
    if estimate.value < 0:
        inverse = (1 / estimate.shown_high, 1 / estimate.shown_value, 1 / estimate.shown_low)
        low, value, high = rounded(*inverse)
        return f"{a} takes {value}x the steps of {b} to reach {goal}, 95 % interval {low} to {high}, {asked}"
    low, value, high = rounded(estimate.shown_low, estimate.shown_value, estimate.shown_high)
    asked = asked.replace(" fewer", "")
    return f"{a} reaches {goal} in {value}x fewer steps than {b}, 95 % interval {low} to {high}, {asked}"


def headline(question: Question, decision: Decision, estimate: Estimate | None) -> str:
    """The verdict in one sentence: answer, grade, effect, interval, reason."""
    grade = ", ".join(g for g in (decision.grade, "fragile" if decision.fragile else "") if g)
    answer = f"{decision.answer.value} ({grade})" if grade else decision.answer.value
    if estimate is None:
        return f"{answer}: {decision.reason}."
    text = f"{answer}: {finding(question, estimate)}"
    return text + ("." if decision.answer is Answer.SUPPORTED else f"; {decision.reason}.")


def target_text(question: Question) -> str:
    """The target with its metric: "0.52 validation accuracy"."""
    split, metric = split_metric(question.outcome.metric)
    return f"{question.target:.3g} {SPLIT_LABELS[split]} {metric.label}"


def delta_text(question: Question) -> str:
    """The smallest effect that matters, as readers see it."""
    shown = f"{question.scale.show(question.delta):.3g}"
    if question.scale.kind == "ratio":
        return f"{shown}x"
    return f"{shown} percentage point" if shown == "1" and _is_points(question) else shown + _unit(question)


def scope_text(data: Mapping[str, DataFacts]) -> str:
    """What the conclusion is about."""
    return " ".join(SCOPES[scope] for scope in dict.fromkeys(facts.scope for facts in data.values()))


def rounded(low: float, value: float, high: float) -> tuple[str, str, str]:
    """The three numbers to two significant digits of the interval's half width."""
    half = (high - low) / 2
    size = half if math.isfinite(half) and half > 0 else abs(value) / 10
    digits = max(0, 1 - math.floor(math.log10(size))) if size > 0 else 2
    return f"{low:.{digits}f}", f"{value:.{digits}f}", f"{high:.{digits}f}"


def _is_points(question: Question) -> bool:
    return question.scale.kind == "points"


def _unit(question: Question) -> str:
    if question.scale.kind == "relative":
        return " %"
    return f" {question.scale.unit}" if _is_points(question) or question.scale.unit == "steps" else ""
