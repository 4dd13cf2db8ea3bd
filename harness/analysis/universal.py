"""Universal claims: a hypothesis judged at every setting of `for_each`, and the one answer they make.

The rule: REFUTED if any setting is, SUPPORTED only if all are, INCONCLUSIVE otherwise.

Each setting supports at the full level, and the claim's p value is the largest of theirs; one refutes only
at the level that is right for all of them (`kinds.looks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.analysis.estimates import Interval
from harness.analysis.kinds.joint import joint_answer
from harness.analysis.question import Question, names_without
from harness.words.hypothesis import (
    AtLeast,
    BestOf,
    Equivalence,
    Hypothesis,
    NonInferiority,
    Threshold,
)
from harness.words.settings import factor_label, setting_label
from harness.words.verdict import Answer, Estimate, Gate, HypothesisVerdict


class Part(NamedTuple):
    """One setting of a universal claim."""

    verdict: HypothesisVerdict
    statement: str  # the hypothesis in words, without the setting
    robust: Answer  # what its robustness test answers; its own answer where there is none
    p_value: float | None  # by `claim_p`


def claim_p(asked: Question, interval: Interval | None) -> float | None:
    """The p value with which a setting supports the claim: 1 where what it found lies on the other side.

    A two-sided p says nothing of the side, and the largest of them would be small where two settings
    surely differ in sign. None where nothing is tested.
    """
    if interval is None or interval.p_value != interval.p_value:
        return None
    null = _null_value(asked)
    return 1.0 if null is not None and interval.value < null else interval.p_value


def _null_value(asked: Question) -> float | None:
    """What the p value is held against, on the estimate's scale; None where the test is one-sided already."""
    hypothesis = asked.hypothesis
    if isinstance(hypothesis, AtLeast):
        return hypothesis.x
    if isinstance(hypothesis, NonInferiority):
        return -asked.margin
    unbounded = isinstance(hypothesis, Threshold) and hypothesis.above is None and hypothesis.below is None
    return None if unbounded or isinstance(hypothesis, (Equivalence, BestOf)) else 0.0


def without_setting(asked: Question, setting: Mapping[str, str]) -> Question:
    """The question with the setting's levels left out of its columns' names, for the claim as a whole."""
    columns = names_without(asked, setting)
    return replace(asked, columns=columns) if len(set(columns)) == len(columns) else asked


def holds_in(settings: Sequence[HypothesisVerdict]) -> str:
    """Where the claim holds: "supported in 2 of 3 settings: depth 1, depth 3; refuted in depth 8"."""
    named: dict[Answer, list[str]] = {}
    for setting in settings:
        named.setdefault(setting.answer, []).append(setting_label(setting.at))
    supported = named.pop(Answer.SUPPORTED, [])
    text = f"supported in {len(supported)} of {len(settings)} settings"
    parts = [text + (f": {', '.join(supported)}" if supported else "")]
    return "; ".join(parts + [f"{a.value.lower()} in {', '.join(n)}" for a, n in named.items()])


def joint_verdict(parts: Sequence[Part], hypothesis: Hypothesis) -> HypothesisVerdict:
    """The verdict on a claim of several settings, from theirs in order.

    The estimate, and what is said of it, is that of the setting that decides: of those whose answer is
    the claim's, the one with the least effect in multiples of its delta.
    """
    said = joint_answer(p.verdict.answer for p in parts)
    agreeing = [p.verdict for p in parts if p.verdict.answer is said]
    least = min((p for p in parts if p.verdict.answer is said), key=lambda p: _standing(p.verdict))
    decides, label = least.verdict, setting_label(least.verdict.at)
    where = holds_in([p.verdict for p in parts])
    factors = " and ".join(map(factor_label, hypothesis.for_each))
    likely = said is Answer.SUPPORTED and any(v.grade == "likely" for v in agreeing)
    needed = [v.needed_n for v in agreeing if v.needed_n is not None]
    return decides.model_copy(
        update={
            "statement": f"{least.statement}, at every {factors} ({len(parts)} settings)",
            "answer": said,
            "grade": "likely" if likely else decides.grade,
            "fragile": joint_answer(p.robust for p in parts) is not said,
            "reason": f"{where}; what decides is {label}: {decides.reason}",
            "estimate": decides.estimate and _estimate(decides.estimate, [p.p_value for p in parts], label),
            "gates": _gates(agreeing),
            "comparisons": [],
            "sensitivity": [],
            "levels": [],
            "needed_n": max(needed) if len(needed) == len(agreeing) else None,
            "at": {},
            "settings": [p.verdict for p in parts],
            "holds_in": where,
        }
    )


def _standing(verdict: HypothesisVerdict) -> tuple[bool, float]:
    """How far a setting lies from the claim, the farthest first; one without an estimate comes last."""
    if verdict.estimate is None:
        return True, 0.0
    value = verdict.estimate.value / (verdict.delta or 1.0)
    away = {"equivalence": -abs(value), "impossibility": -value}
    return False, away.get(verdict.kind, value)


def _estimate(found: Estimate, p_values: Sequence[float | None], label: str) -> Estimate:
    known = [p for p in p_values if p is not None]
    whole = max(known) if len(known) == len(p_values) else None
    return found.model_copy(update={"p_value": whole, "extra": {"setting": label, **found.extra}})


def _gates(agreeing: Sequence[HypothesisVerdict]) -> list[Gate]:
    """The gates of the settings that make the answer, together: failed where one of them fails."""
    together = zip(*(s.gates for s in agreeing), strict=True)
    labels = [setting_label(s.at) for s in agreeing]
    return [_gate(list(zip(labels, gates, strict=True))) for gates in together]


def _gate(gates: Sequence[tuple[str, Gate]]) -> Gate:
    failed = [(label, g) for label, g in gates if g.passed is False]
    told = failed or [(label, g) for label, g in gates if g.passed] or list(gates)[:1]
    details = list(dict.fromkeys(g.detail for _, g in told))
    named = [f"{label}: {g.detail}" for label, g in told]
    return told[0][1].model_copy(
        update={
            "detail": details[0] if len(details) == 1 and not failed else "; ".join(named),
            "remedy": "; ".join(dict.fromkeys(g.remedy for _, g in failed if g.remedy)),
        }
    )
