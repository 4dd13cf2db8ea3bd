"""The verdict on top, and the answers to the other hypotheses."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reporting.content.context import Context, capital
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
from harness.reporting.numbers import MISSING, count, estimate, number, p_value, setting
from harness.words.tuning_minima import tuning_caveats
from harness.words.verdict import Answer, Estimate, Gate, HypothesisVerdict, grades

MARKS: dict[Answer, tuple[str, Tone]] = {
    Answer.SUPPORTED: ("✔", "supported"),
    Answer.REFUTED: ("✘", "refuted"),
    Answer.INCONCLUSIVE: ("?", "inconclusive"),
    Answer.NOT_TESTABLE: ("∅", "inconclusive"),
}

PAIRED = ("superiority", "faster", "equivalence", "non_inferiority", "at_least", "best_of")
EXTRA_LABELS = {
    "setting": "Setting that decides",
    "d_z": "Effect in standard deviations of the difference, d_z",
    "probability_better": "Share of pairs it wins, ties half",
    "pair_correlation": "Correlation of paired outcomes",
    "sign_flip_p": "Sign-flip permutation test, p",
    "mean_a": "Mean of the arm asked about",
    "mean_b": "Mean of the arm it is compared with",
    "variance_ratio": "Nadeau–Bengio variance ratio",
    "a_censored": "Share that missed the target, arm asked about",
    "b_censored": "Share that missed the target, the other arm",
    "log_rank_p": "Log-rank test, p",
    "win_loss_p": "Wins against losses, p",
    "max_t_p": "Best of all arms (max-T), p",
    "holm_p": "Best of all arms (Nadeau–Bengio t, Holm), p",
    "mean_rank": "Mean rank among the arms",
    "subject": "Arm asked about",
    "best_other": "Other arm it gains least over",
    "wilcoxon_p": "Wilcoxon's test of the two over tasks, p",
    "friedman_chi2": "Friedman's statistic over all arms",
    "iman_davenport_f": "Iman and Davenport's F of it",
    "iman_davenport_p": "Iman and Davenport's test, p",
    "slope_per_sd": "Change a standard deviation of the level",
    "end_to_end": "Change from the first level to the last, means alone",
    "largest_reversal": "Largest step between neighbours against the claim",
    "reversal_beyond_delta": "Is that step larger than δ?",
    "share_of_replicates": "Share of replicates that go the way claimed",
    "page_p": "Page's test of a trend in the ranks, p",
    "optimum": "Inner level chosen",
    "against": "End that comes nearer to it",
    "over_the_low_end": "Gain over the lowest level",
    "over_the_high_end": "Gain over the highest level",
    "low_90": "90 % interval, lower end",
    "high_90": "90 % interval, upper end",
    "beyond_x": "Distance of the estimate from the bound",
    "arm": "Arm that decides",
    "tolerance": "Tolerance",
    "successes": "Runs that succeeded",
    "certificate": "Certificate",
    "steps_saved": "Steps saved within the budget, mean",
    "steps_saved_low": "Steps saved, lower end",
    "steps_saved_high": "Steps saved, upper end",
    "examples_saved": "Training examples saved within the budget, mean",
    "examples_saved_low": "Training examples saved, lower end",
    "examples_saved_high": "Training examples saved, upper end",
}
COUNTED = dict.fromkeys(PAIRED, "pairs") | {
    "threshold": "runs",
    "impossibility": "runs",
    "identity": "random cases",
}
SILENT_AT_ZERO = {"variance_ratio", "a_censored", "b_censored"}


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
            h.reason,
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
    text = estimate(found.shown_value, found.shown_low, found.shown_high)
    if found.unit.startswith("%"):
        return f"{text} {found.unit}"
    return f"{text}, {found.unit}" if found.unit else text


def _facts(verdict: HypothesisVerdict) -> list[tuple[str, str]]:
    facts = [("Hypothesis", verdict.statement)]
    found = verdict.estimate
    if found is not None:
        facts += [
            ("Effect (95 % interval)", effect_text(found)),
            ("Test", _test_text(verdict.kind, found)),
        ]
    if verdict.shown_delta is not None:
        unit = f", {found.unit}" if found is not None and found.unit else ""
        facts.append(("Smallest effect that matters, δ", setting(verdict.shown_delta) + unit))
    if verdict.without_diverged is not None:
        facts.append(("Without pairs that diverged", effect_text(verdict.without_diverged)))
    if verdict.needed_n is not None:
        facts.append(("Replicates that would probably decide it", f"about {count(verdict.needed_n)}"))
    facts.append(("Validity gates", _gates_text(verdict)))
    return facts


def _details(verdict: HypothesisVerdict) -> list[Block]:
    """Effect sizes and robustness tests beside the estimate, and every gate with what it found."""
    blocks: list[Block] = []
    extra = verdict.estimate.extra if verdict.estimate is not None else {}
    items = tuple(
        (_label(name), _extra_text(name, value)) for name, value in extra.items() if _telling(name, value)
    )
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


def _label(name: str) -> str:
    return EXTRA_LABELS.get(name, name.replace("_", " "))


def _telling(name: str, value: float | str | None) -> bool:
    """Leave out what is missing, and corrections and censoring that did not happen."""
    return value is not None and not (name in SILENT_AT_ZERO and value == 0)


def _extra_text(name: str, value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or MISSING
    return p_value(value) if name.endswith("_p") else number(value)


def _warnings(verdict: HypothesisVerdict) -> list[Block]:
    blocks: list[Block] = []
    if verdict.fragile:
        text = (
            "A robustness test that makes fewer assumptions would have decided otherwise: "
            "read the answer with care."
        )
        blocks.append(Callout("warning", "Fragile", (text,)))
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


def _test_text(kind: str, found: Estimate) -> str:
    """The method, how many it rests on, and p where something is tested."""
    p = "" if found.p_value is None else f", p {_with_sign(p_value(found.p_value))}"
    return f"{found.method}, {count(found.n)} {COUNTED.get(kind, 'replicates')}{p}"


def _with_sign(text: str) -> str:
    return text if text.startswith("<") or text == MISSING else f"= {text}"
