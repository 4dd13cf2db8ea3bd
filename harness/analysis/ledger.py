"""The ledger: every claim beside its verdict, corrected for all of them, and what it does to the notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from harness.analysis.controls import control_result
from harness.analysis.multiplicity import LEVEL, benjamini_hochberg
from harness.errors import BadInput
from harness.words.base import Word
from harness.words.design import Design
from harness.words.hypothesis import Hypothesis
from harness.words.named import named_columns
from harness.words.settings import setting_label
from harness.words.study import Control, Study
from harness.words.verdict import Answer, Estimate, HypothesisVerdict, StudyVerdict

UNGUARDED = "This control has no verdict: until it has, nothing guards the claims (gate G9)."
State = Literal["judged", "unfinished", "not run", "broken"]
SCOPES = {"fresh": "fresh {}", "resplit": "splits of {}", "fixed": "{}, one split"}
NARROW_SCOPES = {
    "resplit": "it is shown for training sets of one size, split from one data set",
    "fixed": "it is shown on one data set as it is, and on no other",
}
REVERSED = {  # kind -> what was found where it is the contrary
    "faster": "the other one is faster",
    "best_of": "another arm does better",
    "dose": "the trend goes the other way",
    "interaction": "the advantage changes the other way",
    "interior_optimum": "an end of the range does better than the levels inside it",
    "mechanism": "what was measured lies on the other side of the bound set beforehand",
    "threshold": "the critical level lies on the other side of the bound set beforehand",
}
CONTRADICTED = {  # grade -> what was found instead, and the smallest size of it that matters
    "different": "the two differ by more than would matter{}",
    "inferior": "it is worse by more than would matter{}",
    "no crossing": "there is no critical level in the range",
    "unequal": "the two ways of computing it differ by more than rounding",
    "done": "what they call impossible was done",
    "possible": "what they call impossible was not done, but it can be",
}
EFFECTS = {  # kind -> what is found or isn't; "an effect" of any other
    "faster": "a speed-up",
    "best_of": "a lead over the best of the others",
    "dose": "a trend",
    "interaction": "a change of the advantage",
    "interior_optimum": "a gain over both ends of the range",
}


class Setting(Word):
    """The same question asked elsewhere in the same study, or another part of its claim."""

    at: str
    answer: Answer


class Entry(Word):
    """One study of the ledger. What a verdict tells is missing until there is one."""

    study: str
    title: str
    topic: str
    says: str
    source: str
    control: Control | None
    state: State
    note: str = ""  # what stands in the way, or that the file has changed since
    answer: Answer | None = None
    grade: str = ""
    fragile: bool = False
    kind: str = ""
    statement: str = ""
    reason: str = ""
    estimate: Estimate | None = None
    shown_delta: float | None = None
    failed_gates: list[str] = []  # "G1 tuned value on its range's edge"
    p_adjusted: float | None = None  # over the ledger's claims
    scope: str = ""
    scopes: list[str] = []  # fresh, resplit, fixed: those of the arms compared
    holds_in: str = ""  # of a universal claim: in which of its settings it is supported, in words
    settings: list[Setting] = []  # the primary one first; empty where there is only that
    parts: list[Setting] = []  # hypotheses that the study calls parts of its claim, in words
    secondary: dict[str, int] = {}  # answer -> how many other hypotheses
    notes: str = ""  # how the verdict contradicts or narrows what the notes say
    holds: bool | None = None  # of a control
    minutes: float | None = None  # of all its runs
    date: str = ""


class Ledger(Word):
    """Every control and every claim."""

    level: float = LEVEL
    tests: int  # p values that were corrected together
    controls: list[Entry]
    claims: list[Entry]

    @property
    def failed_controls(self) -> list[Entry]:
        """Gate G9: while there is one, nothing on the page can be trusted."""
        return [c for c in self.controls if c.holds is False]


def open_entry(name: str, study: Study, state: State, note: str = "") -> Entry:
    """The entry of a study without a verdict."""
    return Entry(study=name, state=state, note=note, **_told(study))


def judged_entry(verdict: StudyVerdict, design: Design, note: str = "") -> Entry:
    """The entry of a judged study: what its primary hypothesis came to, at what cost, in which scope.

    A search has no hypothesis, and is listed with what it found.
    """
    study = design.study
    if not verdict.hypotheses:
        found = open_entry(design.folder, study, "judged", " ".join(filter(None, (verdict.headline, note))))
        return found.model_copy(update=_cost(verdict))
    primary = next(h for h in verdict.hypotheses if h.primary)
    answers = [h.answer.value for h in verdict.hypotheses if not h.primary]
    hypothesis = study.hypotheses[primary.index]
    scopes = _scopes(design, hypothesis)
    copied = (
        "answer",
        "grade",
        "fragile",
        "kind",
        "statement",
        "reason",
        "estimate",
        "shown_delta",
        "holds_in",
    )
    return Entry(
        study=design.folder,
        state="judged",
        note=note,
        **_told(study),
        **{name: getattr(primary, name) for name in copied},
        failed_gates=[f"{g.name} {g.title}" for g in primary.gates if g.passed is False],
        scope="; ".join(SCOPES[s].format(", ".join(names)) for s, names in scopes.items()),
        scopes=list(scopes),
        settings=_settings(verdict, study, primary),
        parts=[
            Setting(at=h.statement.rstrip("."), answer=h.answer)
            for h in verdict.hypotheses
            if study.hypotheses[h.index].part and not h.primary
        ],
        secondary={answer: answers.count(answer) for answer in dict.fromkeys(answers)},
        holds=bool(control_result(verdict)["passed"]) if study.control else None,
        **_cost(verdict),
    )


def _cost(verdict: StudyVerdict) -> dict[str, Any]:
    """What all runs of the study took, and when the last of them ended."""
    executions = verdict.provenance.get("executions", [])
    ended = [e["ended"] for e in executions if e.get("ended")]
    last = ended[-1] if ended else verdict.provenance.get("frozen_time") or ""
    return {"minutes": sum(e.get("time_s") or 0.0 for e in executions) / 60, "date": str(last)[:10]}


def make_ledger(entries: Sequence[Entry]) -> Ledger:
    """Controls apart, the claims' p values corrected together, and what each verdict does to the notes.

    The correction is Benjamini and Hochberg's over the primary p values (method.md, section 9).
    """
    claims = [e for e in entries if e.control is None]
    tested = {e.study: e.estimate.p_value for e in claims if e.estimate and e.estimate.p_value is not None}
    corrected = benjamini_hochberg(list(tested.values())).tolist()
    adjusted = dict(zip(tested, corrected, strict=True))
    found = [e.model_copy(update={"p_adjusted": adjusted.get(e.study)}) for e in claims]
    unguarded = any(e.answer is not None for e in claims)
    return Ledger(
        tests=len(tested),
        controls=[_warned(e) if unguarded else e for e in entries if e.control is not None],
        claims=[e.model_copy(update={"notes": against_notes(e)}) for e in found],
    )


def _warned(control: Entry) -> Entry:
    """A control beside claims that are judged, told where it has no verdict to guard them by."""
    if control.state == "judged":
        return control
    note = f"{control.note.rstrip('.')}. {UNGUARDED}" if control.note else UNGUARDED
    return control.model_copy(update={"note": note})


def against_notes(entry: Entry) -> str:
    """How the verdict contradicts or narrows what the notes say, in one sentence; "" where it doesn't."""
    if entry.answer is Answer.REFUTED:
        return _contradiction(entry)
    if entry.answer is Answer.SUPPORTED:
        narrower = "; ".join(_narrower(entry))
        return f"Narrower than the notes: {narrower}." if narrower else ""
    if entry.answer is Answer.INCONCLUSIVE:
        failed = _failed(entry.failed_gates)
        where = f"{entry.holds_in}; " if failed and entry.holds_in else ""
        return f"Not decided: {where}{failed or entry.reason.rstrip('.')}."
    return ""


def _contradiction(entry: Entry) -> str:
    effect, least = EFFECTS.get(entry.kind, "an effect"), _least(entry)
    asked = "the notes say" if entry.kind == "at_least" else f"would matter{least}"
    if entry.grade == "too small":
        found = f"Narrower than the notes: there is {effect}, but a smaller one than {asked}"
    elif entry.grade == "negligible":
        found = f"Against the notes: {effect}, if there is one at all, is smaller than {asked}"
    elif entry.grade == "reversed":
        found = f"Against the notes: {REVERSED.get(entry.kind, 'the effect goes the other way')}"
    else:
        other = CONTRADICTED.get(entry.grade, "").format(least)
        found = f"Against the notes: {other or entry.reason.rstrip('.')}"
    held = ", ".join(s.at for s in entry.settings if s.answer is Answer.SUPPORTED)
    if entry.holds_in:  # refuted as a claim of all settings, whatever is true of one
        return f"Narrower than the notes: {entry.holds_in}." if held else f"{found}; {entry.holds_in}."
    return f"{found}; it holds at {held}." if held else f"{found}."


def _failed(gates: Sequence[str]) -> str:
    """Which gates fail: "gate G4 (diverged runs) fails"; "" where none does."""
    named = ["{} ({})".format(*gate.split(" ", 1)) for gate in gates]
    if len(named) < 2:
        return "".join(f"gate {name} fails" for name in named)
    return f"gates {', '.join(named[:-1])} and {named[-1]} fail"


def _narrower(entry: Entry) -> Iterator[str]:
    """What a supported claim is short of."""
    others = [s.at for s in entry.settings if s.answer is not Answer.SUPPORTED]
    if others:
        held = len(entry.settings) - len(others)
        yield f"it is shown in {held} of {len(entry.settings)} settings, and not at {', '.join(others)}"
    exact = entry.kind == "impossibility"  # certified of the very examples that the claim is about
    for scope in entry.scopes:
        if scope in NARROW_SCOPES and not (exact and scope == "fixed"):
            yield NARROW_SCOPES[scope]
    if entry.fragile:
        yield "a robustness test that assumes less would not support it"
    for answer, said in ((Answer.REFUTED, "is refuted"), (Answer.INCONCLUSIVE, "is not decided")):
        yield from (f"it {said} that {part.at}" for part in entry.parts if part.answer is answer)
    if entry.p_adjusted is not None and entry.p_adjusted > LEVEL:
        yield f"its p value, corrected for all claims, is {entry.p_adjusted:.2g}, above {LEVEL:g}"


def _least(entry: Entry) -> str:
    """The smallest effect that matters, in brackets: " (1 percentage point)"; "" where there is none."""
    if entry.shown_delta is None or entry.estimate is None:
        return ""
    size, unit = f"{entry.shown_delta:.3g}", entry.estimate.unit
    if unit.startswith("ratio of "):
        return f" (a factor of {size} in {unit.removeprefix('ratio of ')})"
    if unit == "percentage points" and size == "1":
        return " (1 percentage point)"
    counted = unit.startswith(("percentage points", "%")) or not unit
    return f" ({size} {unit})".replace(" )", ")") if counted else f" ({size} in {unit})"


def _told(study: Study) -> dict[str, Any]:
    claim = study.claim
    told = {"title": study.title, "topic": study.topic, "says": claim.says, "source": claim.source}
    return {**told, "control": study.control}


def _scopes(design: Design, hypothesis: Hypothesis) -> dict[str, list[str]]:
    """Scope -> the data sets of the arms compared."""
    try:
        arms = {c.arm for c in named_columns(design, hypothesis)}
    except BadInput:
        arms = set()
    found: dict[str, dict[str, None]] = {}
    for arm in design.arms:
        if arm.label in arms:
            data = arm.config["data"]
            found.setdefault(design.data[arm.label].scope, {})[str(data.get("file") or data["name"])] = None
    return {scope: list(names) for scope, names in found.items()}


def _settings(verdict: StudyVerdict, study: Study, primary: HypothesisVerdict) -> list[Setting]:
    """A universal claim's settings, else the hypotheses that differ from the primary one in `at` alone."""
    if primary.settings:
        return [Setting(at=setting_label(s.at), answer=s.answer) for s in primary.settings]
    asked = _question(study.hypotheses[primary.index])
    same = [h for h in verdict.hypotheses if _question(study.hypotheses[h.index]) == asked]
    ordered = sorted(same, key=lambda h: not h.primary)
    found = [Setting(at=_at(study.hypotheses[h.index]), answer=h.answer) for h in ordered]
    return found if len(found) > 1 else []


def _question(hypothesis: Hypothesis) -> dict[str, Any]:
    return hypothesis.model_dump(mode="json", exclude={"at", "name", "primary", "part"})


def _at(hypothesis: Hypothesis) -> str:
    return ", ".join(f"{factor} {level}" for factor, level in hypothesis.at.items()) or "all arms"
