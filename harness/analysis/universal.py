"""Universal claims: a hypothesis judged at every setting of `for_each`, and the one answer they make.

The rule: REFUTED if any setting is, SUPPORTED only if all are, INCONCLUSIVE otherwise.

Supporting needs no correction: the claim is false where it fails at a single setting, so that all of them
pass a false one, each at the full level, is no likelier than that this one passes (Berger 1982,
intersection-union tests). The claim's p value is the largest of the settings'.

Refuting does: one of k settings is enough, so a true claim has k chances to be refuted. A setting refutes
only where the interval of 1 - 0.05 / k does (Bonferroni), which holds however settings that share data and
seeds depend on one another. Holm's steps (1979) begin at this very level: they could name more settings,
never refute a claim that this does not. Hochberg's (1988) and Simes's tests could, under positive
dependence, which settings that share some runs and not others needn't have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.analysis.estimates import Interval
from harness.analysis.kinds import answer
from harness.analysis.kinds.base import Answered
from harness.analysis.kinds.joint import joint_answer
from harness.analysis.question import Question
from harness.analysis.verdict_rule import Ruling
from harness.analysis.wording import rounded
from harness.words.hypothesis import (
    AtLeast,
    BestOf,
    Equivalence,
    Hypothesis,
    Impossibility,
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


def answer_in_setting(asked: Question, looks: int) -> Answered:
    """The answer at one of `looks` settings: REFUTED only by the interval that is right for as many."""
    own = answer(asked)
    if looks == 1 or own.ruling is None or own.interval is None:
        return own
    counted = isinstance(asked.hypothesis, Impossibility)  # a single success refutes, with no chance of error
    if counted or Answer.REFUTED not in (own.ruling.answer, own.robust):
        return own
    wide = answer(replace(asked, looks=looks))
    robust = wide.robust if own.robust is Answer.REFUTED else own.robust
    return replace(own, ruling=_among(wide, own.ruling), robust=robust)


def _among(wide: Answered, own: Ruling) -> Ruling:
    """A setting's ruling, held to the wide interval where it refutes."""
    if own.answer is not Answer.REFUTED or wide.interval is None or wide.ruling is None:
        return own
    asked = wide.question
    ends = asked.scale.show_ends(wide.interval.low, wide.interval.high)
    low, _, high = rounded(ends[0], asked.scale.show(wide.interval.value), ends[1])
    level = f"the {100 * asked.confidence:.4g} % interval, {low} to {high}"
    if wide.ruling.answer is Answer.REFUTED:
        why = f"judged by {level}, as any of {asked.looks} settings may refute: {wide.ruling.reason}"
        return wide.ruling._replace(reason=why)
    why = f"the 95 % interval would refute it, but not {level}, by which any of {asked.looks} settings may"
    return Ruling(Answer.INCONCLUSIVE, "", why)


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
    names = {c: c for c in asked.columns}
    for label in asked.arms:
        levels = asked.evidence.design.arm(label).levels
        parts = label.split(", ")
        if len(parts) == len(levels):  # no level's own label has a comma
            free = [part for part, f in zip(parts, levels, strict=True) if f not in setting]
            short = ", ".join(free) or label
            names = {c: name.replace(label, short) for c, name in names.items()}
    columns = tuple(names.values())
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
