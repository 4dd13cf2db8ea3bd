"""Several judged studies, or tiers of one, side by side: what the `compare` command tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.analysis.evidence import Evidence
from harness.cli import show
from harness.cli.reports import judged_evidence, known_results, verdict_of
from harness.errors import BadInput
from harness.reporting.content.answer import effect_text
from harness.reporting.numbers import MISSING
from harness.words.base import canonical
from harness.words.verdict import HypothesisVerdict, StudyVerdict, graded


class Judged(NamedTuple):
    """A study's name, what it left, and its verdict."""

    name: str
    evidence: Evidence
    verdict: StudyVerdict


def compared(names: Sequence[str], results: Path) -> dict[str, Any]:
    """The verdicts, effects and arms of judged studies by what they have in common.

    Hypotheses are the same where their words in the file are, arms where their labels are. Raises
    BadInput for fewer than two studies and for one that isn't judged, UnknownName.
    """
    if len(set(names)) < 2:
        raise BadInput("name two or more studies: harness compare STUDY STUDY; a tier is NAME-TIER")
    stored = [known_results(name, None, results) for name in dict.fromkeys(names)]
    judged = [_judged(name, results) for name in stored]
    return {
        "studies": {j.name: {"title": j.verdict.title, "headline": j.verdict.headline} for j in judged},
        "hypotheses": _hypotheses(judged),
        "arms": _arms(judged),
    }


def _judged(name: str, results: Path) -> Judged:
    found = judged_evidence(name, results)
    return Judged(name, found, verdict_of(found))


def show_compared(found: dict[str, Any]) -> None:
    """Headlines, then a table of hypotheses and one of arms, a column a study."""
    names = list(found["studies"])
    for name, study in found["studies"].items():
        show.paragraph(f"{name}: {study['headline']}")
    for row in found["hypotheses"]:
        show.text(f"\n{row['statement']}")
        show.table(["  study", "answer", "effect (95 % interval)", "n"], _answers(row, names))
    if found["arms"]:
        show.text("")
        rows = [[a["arm"], a["outcome"], *(_mean(a["studies"].get(n)) for n in names)] for a in found["arms"]]
        show.table(["arm", "outcome, mean (sd)", *names], rows)


def _answers(row: dict[str, Any], names: Sequence[str]) -> list[list[object]]:
    told = row["studies"]
    return [
        [f"  {name}", told[name]["answer"], told[name]["effect"], told[name]["n"]]
        if name in told
        else [f"  {name}", "not asked", MISSING, MISSING]
        for name in names
    ]


def _hypotheses(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Every hypothesis of any of the studies, with what each came to."""
    rows: dict[str, dict[str, Any]] = {}
    for study in judged:
        asked = study.evidence.design.study.hypotheses
        for verdict in study.verdict.hypotheses:
            words = (
                asked[verdict.index].model_dump(mode="json", exclude={"primary", "part"})
                if asked
                else verdict.statement
            )
            row = rows.setdefault(canonical(words), {"statement": verdict.statement, "studies": {}})
            row["studies"][study.name] = _came_to(verdict)
    return list(rows.values())


def _came_to(verdict: HypothesisVerdict) -> dict[str, Any]:
    found = verdict.estimate
    return {
        "answer": graded(verdict.answer, verdict.grade, verdict.fragile),
        "effect": effect_text(found),
        "n": MISSING if found is None else found.n,
        "value": None if found is None else found.shown_value,
        "low": None if found is None else found.shown_low,
        "high": None if found is None else found.shown_high,
    }


def _arms(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Every arm and outcome of any of the studies: mean, deviation, and how many runs."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for study in judged:
        for arm in study.verdict.arms:
            for outcome, numbers in arm.outcomes.items():
                row = rows.setdefault((arm.arm, outcome), {"arm": arm.arm, "outcome": outcome, "studies": {}})
                row["studies"][study.name] = {k: numbers.get(k) for k in ("mean", "sd")} | {"n": arm.n}
    return list(rows.values())


def _mean(numbers: dict[str, Any] | None) -> str:
    if numbers is None or numbers["mean"] is None:
        return MISSING
    deviation = "" if numbers["sd"] is None else f" ({numbers['sd']:.2g})"
    return f"{numbers['mean']:.4g}{deviation}"
