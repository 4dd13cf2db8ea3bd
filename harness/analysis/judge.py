"""Judge a study: every hypothesis to its verdict, every arm to its row, the primary one to the headline."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from harness.analysis.estimates import Interval, paired_t
from harness.analysis.evidence import Evidence
from harness.analysis.families import AgainstControl, Family, against_control, corrected_p, families_of
from harness.analysis.gates import check_gates
from harness.analysis.kinds import answer, ask, kind_of
from harness.analysis.kinds.base import Answered, Extra
from harness.analysis.multiplicity import LEVEL
from harness.analysis.outcome_table import arm_values, outcome_table, tuning_points
from harness.analysis.outcomes import FUNCTIONS
from harness.analysis.scale import Scale
from harness.analysis.universal import Part, claim_p, joint_verdict, without_setting
from harness.analysis.variation import variation_of
from harness.analysis.verdict_rule import Decision, conclude
from harness.analysis.wording import OVER_TASKS, headline, joint_headline, placed, scope_text
from harness.errors import BadInput
from harness.words.hypothesis import Hypothesis
from harness.words.outcome import Outcome
from harness.words.record import Status
from harness.words.settings import Setting
from harness.words.tasks import is_over_tasks
from harness.words.verdict import Answer, ArmSummary, Estimate, HypothesisVerdict, StudyVerdict


@dataclass(frozen=True)
class _Judged:
    verdict: HypothesisVerdict
    headline: str
    failing: dict[str, set[str]]  # gate -> arms
    against: AgainstControl | None = None  # of a test of an arm against a control


def judge_study(evidence: Evidence) -> StudyVerdict:
    """The verdict on a study from its evidence.

    Raises BadInput for a study without hypotheses or without judged runs, a hypothesis of a kind that
    is not available, or one that names no arm.
    """
    study = evidence.design.study
    if not study.hypotheses:
        raise BadInput(f"study {evidence.design.name!r} has no hypotheses; give at least one to judge")
    if evidence.trials.empty or not (evidence.trials["phase"] == "judge").any():
        raise BadInput(f"study {evidence.design.name!r} has no judged runs; run it first")
    judged = [_judge(evidence, h, i) for i, h in enumerate(study.hypotheses)]
    first = next(j for j in judged if j.verdict.primary)
    over_tasks = study.primary is not None and is_over_tasks(study.primary)
    return StudyVerdict(
        study=evidence.design.name,
        title=study.title,
        says=study.claim.says,
        source=study.claim.source,
        headline=first.headline,
        scope=OVER_TASKS if over_tasks else scope_text(evidence.design.data),
        hypotheses=_adjusted(judged),
        arms=[_arm_summary(evidence, a.label, judged) for a in evidence.design.arms],
        targets=dict(evidence.frozen.targets) if evidence.frozen else {},
        provenance=provenance_of(evidence),
    )


def _judge(evidence: Evidence, hypothesis: Hypothesis, index: int) -> _Judged:
    """A hypothesis's verdict; of one with `for_each` that on all of its settings together."""
    settings = evidence.design.settings(hypothesis)
    found = [_judge_at(evidence, setting, index, len(settings)) for setting in settings]
    if not hypothesis.for_each:
        return found[0][0]
    primary = hypothesis is evidence.design.study.primary
    verdict = joint_verdict([part for _, part in found], hypothesis).model_copy(update={"primary": primary})
    failing: dict[str, set[str]] = {}
    for gate, arms in (item for judged, _ in found for item in judged.failing.items()):
        failing.setdefault(gate, set()).update(arms)
    return _Judged(verdict, joint_headline(verdict), failing)


def _judge_at(evidence: Evidence, setting: Setting, index: int, settings: int) -> tuple[_Judged, Part]:
    """The verdict at one of a hypothesis's settings, of which there are so many."""
    hypothesis = setting.hypothesis
    asked = replace(ask(evidence, hypothesis), settings=settings)
    kind, answered = kind_of(hypothesis), answer(asked)
    gates = check_gates(kind.deciding(answered), kind.gates)
    decision = conclude(answered.ruling, [gate for gate, _ in gates], answered.robust)
    found = answered.interval and _estimate(answered.interval, asked.scale, answered.extra)
    say = partial(placed, asked=asked, settled=setting.levels)
    said = None if found is None else say(kind.finding(asked, found))
    verdict = _hypothesis_verdict(answered, decision, index, found)
    reason = decision.reason if said is None else f"{said}; {decision.reason}"
    name = hypothesis.name and ", ".join(filter(None, (hypothesis.name, setting.label)))
    verdict = verdict.model_copy(
        update={
            "gates": [gate for gate, _ in gates],
            "statement": name or say(kind.statement(asked)),
            "reason": f"{reason}.",
            "at": setting.levels,
        }
    )
    failing = {gate.name: set(arms) for gate, arms in gates}
    judged = _Judged(verdict, headline(decision, said), failing, against_control(answered))
    general = hypothesis.name or say(kind.statement(without_setting(asked, setting.levels)))
    robust = answered.robust if decision.fragile and answered.robust else decision.answer
    return judged, Part(verdict, general, robust, claim_p(asked, answered.interval))


def _hypothesis_verdict(
    answered: Answered, decision: Decision, index: int, found: Estimate | None
) -> HypothesisVerdict:
    asked, scale = answered.question, answered.question.scale
    without = answered.without_diverged and _estimate(answered.without_diverged, scale, {})
    return HypothesisVerdict(
        index=index,
        primary=asked.hypothesis is asked.evidence.design.study.primary,
        kind=asked.hypothesis.kind,
        statement="",
        answer=decision.answer,
        grade=decision.grade,
        fragile=decision.fragile,
        reason=decision.reason,
        estimate=found,
        delta=asked.delta,
        shown_delta=None if asked.delta is None else scale.show(asked.delta),
        gates=[],
        comparisons=answered.comparisons,
        without_diverged=without,
        needed_n=decision.needed_n,
        sensitivity=answered.sensitivity,
        levels=answered.levels,
    )


def _estimate(interval: Interval, scale: Scale, extra: Extra) -> Estimate:
    """The interval as the verdict's noun, shown on the readers' scale."""
    low, high = scale.show_ends(interval.low, interval.high)
    tested = None if math.isnan(interval.p_value) else interval.p_value
    return Estimate(
        **{**interval._asdict(), "p_value": tested},
        shown_value=scale.show(interval.value),
        shown_low=low,
        shown_high=high,
        unit=scale.unit,
        extra=extra,
    )


def _adjusted(judged: Sequence[_Judged]) -> list[HypothesisVerdict]:
    """The verdicts, the secondary ones corrected for one another: none is supported beyond what that leaves.

    Of those that have a p value: arms against one control by max-T, the others by Holm (`corrected_p`).
    """
    secondary = {j.verdict.index: j for j in judged if not j.verdict.primary}
    estimates = ((i, j.verdict.estimate) for i, j in secondary.items())
    tested = {i: e.p_value for i, e in estimates if e is not None and e.p_value is not None}
    families = families_of({i: j.against for i, j in secondary.items() if i in tested and j.against})
    by_index, how = corrected_p(tested, families), _named_corrections(tested, families)
    told = [j.verdict.model_copy(update={"correction": how.get(j.verdict.index, "")}) for j in judged]
    return [_corrected(v, by_index.get(v.index), len(tested)) for v in told]


def _named_corrections(tests: Collection[int], families: Sequence[Family]) -> dict[int, str]:
    """How each test is corrected, in words."""
    found = dict.fromkeys(tests, "Holm's method")
    for family in families:
        alone = len(family.tests) == len(tests)
        share = "" if alone else ", Holm's method between them and the others"
        said = f"max-T sign flips of {len(family.tests)} arms against {family.control}{share}"
        found |= dict.fromkeys(family.tests, said)
    return found


def _corrected(verdict: HypothesisVerdict, p_adjusted: float | None, tests: int) -> HypothesisVerdict:
    """The verdict with its adjusted p; INCONCLUSIVE where it is SUPPORTED and that p is above 5 %."""
    verdict = verdict.model_copy(update={"p_adjusted": p_adjusted})
    if verdict.answer is not Answer.SUPPORTED or p_adjusted is None or p_adjusted <= LEVEL:
        return verdict
    why = (
        f"{verdict.reason.rstrip('.')}; but its p value, corrected for {tests} secondary hypotheses "
        f"({verdict.correction}), is {p_adjusted:.2g}, above {LEVEL:g}."
    )
    return verdict.model_copy(
        update={"answer": Answer.INCONCLUSIVE, "grade": "", "fragile": False, "reason": why}
    )


def _arm_summary(evidence: Evidence, arm: str, judged: Sequence[_Judged]) -> ArmSummary:
    trials = evidence.trials[(evidence.trials["arm"] == arm) & (evidence.trials["phase"] == "judge")]
    measured = (h.outcome for h in evidence.design.study.hypotheses if h.outcome.function in FUNCTIONS)
    outcomes = {str(o): o for o in measured}
    failing = {name for j in judged for name, arms in j.failing.items() if arm in arms}
    choice = evidence.choices.get(arm)
    return ArmSummary(
        arm=arm,
        n=int((trials["status"] != Status.FAILED.value).sum()),
        n_diverged=int((trials["status"] == Status.DIVERGED.value).sum()),
        n_failed=int((trials["status"] == Status.FAILED.value).sum()),
        tuning_trials=sum(len(runs) for runs in tuning_points(evidence, arm).values()),
        steps=evidence.design.steps.get(arm, 0),
        n_parameters=evidence.design.arm(arm).n_parameters,
        chosen=choice.params if choice else {},
        outcomes={text: described(evidence, o, arm) for text, o in outcomes.items()},
        gates=sorted(failing),
        variation=variation_of(evidence, arm),
    )


def described(evidence: Evidence, outcome: Outcome, arm: str) -> dict[str, float | None]:
    """Mean with its 95 % t interval, standard deviation and median over judged replicates.

    The interval allows for the overlap of repeated splits (Nadeau-Bengio), as a hypothesis's does.
    """
    values = arm_values(outcome_table(evidence, outcome), arm)
    names = ("mean", "sd", "median", "low", "high")
    if not len(values) or np.isnan(values).any():
        return dict.fromkeys(names)
    if len(values) == 1:
        return dict.fromkeys(names) | {"mean": float(values[0]), "median": float(values[0])}
    mean = paired_t(values, evidence.design.data[arm].overlap(outcome.metric))
    found = (mean.value, float(np.std(values, ddof=1)), float(np.median(values)), mean.low, mean.high)
    return dict(zip(names, found, strict=True))


def provenance_of(evidence: Evidence) -> dict[str, Any]:
    """Where the numbers of a report come from: hashes, devices, versions, what ran when."""
    frozen = evidence.frozen
    used = [evidence.records[p.trial].provenance for p in evidence.planned]
    return {
        "design_hash": evidence.design.hash,
        "frozen_hash": frozen.hash if frozen else None,
        "frozen_time": frozen.time if frozen else None,
        "amendments": list(frozen.amendments) if frozen else [],
        "trials": len({p.trial for p in evidence.planned}),
        "devices": sorted({p.device for p in used}),
        "versions": _united([p.versions for p in used]),
        "data_fingerprints": sorted({p.data_fingerprint for p in used}),
        "fallbacks": sorted({p.fallback for p in used if p.fallback}),
        "executions": [dict(e) for e in evidence.executions],
    }


def _united(versions: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Each program's versions, joined where they differ between runs."""
    found: dict[str, dict[str, None]] = {}
    for one in versions:
        for name, version in one.items():
            found.setdefault(name, {})[version] = None
    return {name: ", ".join(seen) for name, seen in sorted(found.items())}
