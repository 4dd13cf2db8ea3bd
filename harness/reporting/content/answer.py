"""The verdict on top, and the answers to the other hypotheses."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.kinds import kind_of
from harness.reporting.content.context import Context, capital
from harness.reporting.content.extras import extra_items
from harness.reporting.document import (
    Banner,
    Block,
    Callout,
    Column,
    Facts,
    Paragraph,
    Subheading,
    Table,
    Tone,
)
from harness.reporting.numbers import MISSING, count, estimate, in_unit, p_value, setting
from harness.words.tasks import is_over_tasks
from harness.words.tuning_minima import tuning_caveats
from harness.words.verdict import Answer, Estimate, Gate, HypothesisVerdict, grades

MARKS: dict[Answer, tuple[str, Tone]] = {
    Answer.SUPPORTED: ("✔", "supported"),
    Answer.REFUTED: ("✘", "refuted"),
    Answer.INCONCLUSIVE: ("?", "inconclusive"),
    Answer.NOT_TESTABLE: ("∅", "inconclusive"),
}

PAIRED = ("superiority", "faster", "equivalence", "non_inferiority", "at_least", "best_of")
FRAGILE = "Fragile: the robustness test, which assumes less, would have answered otherwise."
COUNTED = dict.fromkeys(PAIRED, "pairs") | {
    "threshold": "runs",
    "impossibility": "runs",
    "identity": "random cases",
}


def answer_section(context: Context) -> tuple[Block, ...]:
    """The claim, the primary hypothesis's verdict, its failed gates and what would lift them."""
    verdict, primary = context.verdict, context.primary
    said = f"Claim: “{verdict.says}”" if verdict.says else "No claim is stated."
    source = f" ({verdict.source})" if verdict.says and verdict.source else ""
    if primary is None:
        return (
            Paragraph(said + source),
            Paragraph("The study states no hypothesis, so there is no verdict."),
        )
    mark, tone = MARKS[primary.answer]
    banner = Banner(
        tone=tone,
        mark=mark,
        answer=primary.answer.value,
        grade=grades(primary.grade, primary.fragile),
        statement=said + source,
        reason=f"{primary.reason} {FRAGILE}" if primary.fragile else primary.reason,
        facts=tuple(_facts(context, primary)),
    )
    scope = f"Scope: {verdict.scope}" if verdict.scope else ""
    extra = (Paragraph(scope),) if scope else ()
    return (banner, *_warnings(primary), *_caveats(context), *extra, *_details(primary))


def others_section(context: Context) -> tuple[Block, ...]:
    """The secondary hypotheses in one compact table, and the gates they fail."""
    others = context.secondary
    if not others:
        return ()
    columns = ("Hypothesis", "Answer", "Effect (95 % interval)", "δ", "p, corrected", "Why")
    numeric = {"δ", "p, corrected"}
    rows = tuple(
        (
            h.statement,
            answer_text(h),
            effect_text(h.estimate),
            MISSING if h.shown_delta is None else setting(h.shown_delta),
            _corrected_p(h),
            _why(context, h),
        )
        for h in others
    )
    caption = (
        "The secondary hypotheses. δ is the smallest effect that matters; the p-values are corrected for the "
        f"number of secondary hypotheses by {_corrections(others)}, and one that is above 0.05 supports "
        "nothing."
    )
    failed = tuple(
        f"{h.statement}: {_failed_gate(gate)}" for h in others for gate in h.gates if gate.passed is False
    )
    blocks: list[Block] = [Table(caption, tuple(Column(c, c in numeric) for c in columns), rows)]
    blocks += [_gate_matrix(others)] if any(h.gates for h in others) else []
    if failed:
        blocks.append(Callout("warning", "Validity gates that secondary hypotheses fail", failed))
    return tuple(blocks)


def _why(context: Context, verdict: HypothesisVerdict) -> str:
    """What decided, without the effect, which has a column, and what failed gates found, told below."""
    failed = [g.name for g in verdict.gates if g.passed is False]
    if failed and not verdict.settings:
        return f"{', '.join(failed)} failed"
    asked, found = context.question(verdict), verdict.estimate
    if asked is None or found is None:
        return verdict.reason
    effect = kind_of(asked.hypothesis).finding(asked, found)
    _, _, why = verdict.reason.partition(f"{effect}; ")  # before it stands where, at most
    return capital(why or verdict.reason)


def _corrections(verdicts: Sequence[HypothesisVerdict]) -> str:
    """How the p values are corrected; where that isn't the same for all, the rows say which."""
    ways = list(dict.fromkeys(h.correction for h in verdicts if h.correction))
    if len(ways) < 2:
        return next(iter(ways), "Holm's method")
    return (
        "Holm's method; those marked max-T, of arms that are held against the same control, by step-down "
        "max-T sign flips among themselves, and by Holm's method between them and the others"
    )


def _corrected_p(verdict: HypothesisVerdict) -> str:
    mark = " (max-T)" if verdict.correction.startswith("max-T") else ""
    return p_value(verdict.p_adjusted) + mark


def _gate_matrix(verdicts: list[HypothesisVerdict]) -> Table:
    """Which gate each hypothesis passes."""
    marks = {True: "✔", False: "✘", None: MISSING}
    names = list(dict.fromkeys(g.name for h in verdicts for g in h.gates))
    passed = [{g.name: g.passed for g in h.gates} for h in verdicts]
    rows = tuple(
        (h.statement, *(marks[of_one.get(name)] for name in names))
        for h, of_one in zip(verdicts, passed, strict=True)
    )
    caption = f"Validity gates of the secondary hypotheses: ✔ passed, ✘ failed, {MISSING} does not apply."
    return Table(caption, (Column("Hypothesis"), *(Column(name, numeric=True) for name in names)), rows)


def answer_text(verdict: HypothesisVerdict) -> str:
    """The answer with its mark and grade, never by colour alone."""
    said = ", ".join(filter(None, (verdict.answer.value, grades(verdict.grade, verdict.fragile))))
    return f"{MARKS[verdict.answer][0]}\N{NO-BREAK SPACE}{said}"


def effect_text(found: Estimate | None) -> str:
    """An estimate on the scale people read, with its interval and unit."""
    if found is None:
        return MISSING
    return in_unit(estimate(found.shown_value, found.shown_low, found.shown_high), found.unit)


def _facts(context: Context, verdict: HypothesisVerdict) -> list[tuple[str, str]]:
    facts = [("Hypothesis", verdict.statement)]
    found = verdict.estimate
    if found is not None:
        facts += [
            ("Effect (95 % interval)", effect_text(found)),
            ("Test", _test_text(found, _counted(context, verdict))),
        ]
    if verdict.shown_delta is not None:
        unit = "" if found is None else found.unit
        facts.append(("Smallest effect that matters, δ", in_unit(setting(verdict.shown_delta), unit)))
    if verdict.without_diverged is not None:
        facts.append(("Without pairs that diverged", effect_text(verdict.without_diverged)))
    if verdict.needed_n is not None:
        facts.append(("Replicates that would probably decide it", f"about {count(verdict.needed_n)}"))
    facts.append(("Validity gates", _gates_text(verdict)))
    return facts


def _details(verdict: HypothesisVerdict) -> list[Block]:
    """Effect sizes and robustness tests beside the estimate, and every gate with what it found."""
    blocks: list[Block] = []
    items = extra_items(verdict)
    if items:
        blocks += [Subheading("Beside the estimate"), Facts(items)]
    if any(g.passed is not None for g in verdict.gates):
        results = {True: "✔ passed", False: "✘ failed", None: "does not apply"}
        rows = tuple(
            (g.name, g.title, results[g.passed].replace(" ", "\N{NO-BREAK SPACE}"), g.detail)
            for g in verdict.gates
        )
        caption = "Validity gates: a comparison that fails one is inconclusive, whatever its numbers."
        columns = (Column("Gate"), Column("Asks for"), Column("Result"), Column("What was found"))
        blocks.append(Table(caption, columns, rows))
    return blocks


def _warnings(verdict: HypothesisVerdict) -> list[Block]:
    blocks: list[Block] = []
    failed = tuple(_failed_gate(g) for g in verdict.gates if g.passed is False)
    if failed:
        blocks.append(Callout("warning", "Validity gates that failed", failed))
    return blocks


def _caveats(context: Context) -> tuple[Block, ...]:
    """What tuning falls short of, whatever it found."""
    short = tuple(f"{capital(caveat)}." for caveat in tuning_caveats(context.evidence.design))
    return (Callout("warning", "Tuned less than the method asks for", short),) if short else ()


def _failed_gate(gate: Gate) -> str:
    remedy = f" What would lift it: {gate.remedy.rstrip('.')}." if gate.remedy else ""
    return f"{gate.name}, {gate.title}: {gate.detail.rstrip('.')}.{remedy}"


def _gates_text(verdict: HypothesisVerdict) -> str:
    checked = [g for g in verdict.gates if g.passed is not None]
    failed = [g.name for g in checked if not g.passed]
    if not checked:
        return "none applies"
    if failed:
        return f"{', '.join(failed)} failed, {len(checked) - len(failed)} passed"
    return f"all {len(checked)} that apply passed ({', '.join(g.name for g in checked)})"


def _counted(context: Context, verdict: HypothesisVerdict) -> str:
    """What the n of an estimate counts."""
    if is_over_tasks(context.hypothesis(verdict)):
        return "tasks"
    return COUNTED.get(verdict.kind, "replicates")


def _test_text(found: Estimate, counted: str) -> str:
    """The method, how many it rests on, and p where something is tested, with its test if it is another."""
    p = "" if found.p_value is None else f", p {_with_sign(p_value(found.p_value))}"
    by = f" ({found.p_method})" if p and found.p_method else ""
    return f"{found.method}, {count(found.n)} {counted}{p}{by}"


def _with_sign(text: str) -> str:
    return text if text.startswith("<") or text == MISSING else f"= {text}"
