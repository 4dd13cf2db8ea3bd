"""The verdict on top, and the answers to the other hypotheses."""

from __future__ import annotations

from harness.reporting.content.context import Context
from harness.reporting.document import Banner, Block, Callout, Column, Paragraph, Table, Tone
from harness.reporting.numbers import MISSING, count, estimate, number, p_value
from harness.words.verdict import Answer, Estimate, HypothesisVerdict

MARKS: dict[Answer, tuple[str, Tone]] = {
    Answer.SUPPORTED: ("✔", "supported"),
    Answer.REFUTED: ("✘", "refuted"),
    Answer.INCONCLUSIVE: ("?", "inconclusive"),
    Answer.NOT_TESTABLE: ("∅", "inconclusive"),
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
        grade=primary.grade,
        statement=said + source,
        reason=primary.reason,
        facts=tuple(_facts(primary)),
    )
    scope = f"Scope: {verdict.scope}" if verdict.scope else ""
    extra = (Paragraph(scope),) if scope else ()
    return (banner, *_warnings(primary), *extra)


def others_section(context: Context) -> tuple[Block, ...]:
    """The secondary hypotheses in one compact table, and the gates they fail."""
    others = context.secondary
    if not others:
        return (Paragraph("The study has one hypothesis, the primary one."),)
    columns = ("Hypothesis", "Answer", "Effect (95 % interval)", "δ", "p, Holm", "Why")
    numeric = {"δ", "p, Holm"}
    rows = tuple(
        (
            h.statement,
            answer_text(h),
            effect_text(h.estimate),
            number(h.shown_delta),
            p_value(h.p_adjusted),
            h.reason,
        )
        for h in others
    )
    caption = (
        "The secondary hypotheses. δ is the smallest effect that matters; the p-values are corrected for the "
        "number of secondary hypotheses by Holm's method."
    )
    failed = tuple(
        f"{h.statement}: {gate.name} {gate.title}. {gate.detail} {gate.remedy}".strip()
        for h in others
        for gate in h.gates
        if gate.passed is False
    )
    table = Table(caption, tuple(Column(c, c in numeric) for c in columns), rows)
    if not failed:
        return (table,)
    return (table, Callout("warning", "Validity gates that secondary hypotheses fail", failed))


def answer_text(verdict: HypothesisVerdict) -> str:
    """The answer with its mark and grade, never by colour alone."""
    grade = f", {verdict.grade}" if verdict.grade else ""
    fragile = ", fragile" if verdict.fragile else ""
    return f"{MARKS[verdict.answer][0]}\N{NO-BREAK SPACE}{verdict.answer.value}{grade}{fragile}"


def effect_text(found: Estimate | None) -> str:
    """An estimate on the scale people read, with its interval and unit."""
    if found is None:
        return MISSING
    text = estimate(found.shown_value, found.shown_low, found.shown_high)
    return f"{text} {found.unit}".strip()


def _facts(verdict: HypothesisVerdict) -> list[tuple[str, str]]:
    facts = [("Hypothesis", verdict.statement)]
    found = verdict.estimate
    if found is not None:
        facts += [
            ("Effect (95 % interval)", effect_text(found)),
            ("Test", f"{found.method}, {count(found.n)} pairs, p {_with_sign(p_value(found.p_value))}"),
        ]
    if verdict.shown_delta is not None:
        unit = f" {found.unit}" if found is not None else ""
        facts.append(("Smallest effect that matters, δ", number(verdict.shown_delta) + unit))
    if verdict.without_diverged is not None:
        facts.append(("Without pairs that diverged", effect_text(verdict.without_diverged)))
    if verdict.needed_n is not None:
        facts.append(("Replicates that would probably decide it", f"about {count(verdict.needed_n)}"))
    facts.append(("Validity gates", _gates_text(verdict)))
    return facts + ([] if found is None else _extra(found))


def _extra(found: Estimate) -> list[tuple[str, str]]:
    return [
        (_words(name), value if isinstance(value, str) else number(value))
        for name, value in found.extra.items()
        if value is not None
    ]


def _warnings(verdict: HypothesisVerdict) -> list[Block]:
    blocks: list[Block] = []
    if verdict.fragile:
        text = (
            "A robustness test that makes fewer assumptions would have decided otherwise: read the answer "
            "with care."
        )
        blocks.append(Callout("warning", "Fragile", (text,)))
    failed = [g for g in verdict.gates if g.passed is False]
    if failed:
        items = tuple(
            f"{g.name}, {g.title}: {g.detail}" + (f" What would lift it: {g.remedy}" if g.remedy else "")
            for g in failed
        )
        blocks.append(Callout("warning", "Validity gates that failed", items))
    return blocks


def _gates_text(verdict: HypothesisVerdict) -> str:
    checked = [g for g in verdict.gates if g.passed is not None]
    failed = [g.name for g in checked if not g.passed]
    if not checked:
        return "none applies"
    if failed:
        return f"{', '.join(failed)} failed, {len(checked) - len(failed)} passed"
    return f"all {len(checked)} that apply passed ({', '.join(g.name for g in checked)})"


def _with_sign(text: str) -> str:
    return text if text.startswith("<") or text == MISSING else f"= {text}"


def _words(name: str) -> str:
    return name.replace("_", " ")
