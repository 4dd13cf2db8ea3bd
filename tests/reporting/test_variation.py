"""What a report says of tuning: how much an arm owes to its luck, and what it falls short of."""

from collections.abc import Iterable
from dataclasses import replace

from harness.analysis.evidence import Evidence
from harness.analysis.judge import judge_study
from harness.reporting.content.answer import answer_section
from harness.reporting.content.arms import arms_section
from harness.reporting.content.context import Context
from harness.reporting.document import Block, Callout, Table
from harness.reporting.numbers import number
from tests.simulated import simulated_evidence


def _context(evidence: Evidence) -> Context:
    return Context(evidence, judge_study(evidence))


def _callouts(blocks: Iterable[Block]) -> list[Callout]:
    return [b for b in blocks if isinstance(b, Callout) and b.title.startswith("Tuned less")]


def test_every_arm_has_its_variation_by_trial_and_by_tuning() -> None:
    context = _context(simulated_evidence(replicates=8))
    (table,) = (b for b in arms_section(context) if isinstance(b, Table) and "By tuning" in b.caption)
    found = {a.arm: a.variation for a in context.verdict.arms}
    assert table.rows == tuple(
        (arm, number(v.trial_sd, 2), number(v.tuning_sd, 2)) for arm, v in found.items() if v is not None
    )
    assert len(table.rows) == 4
    assert "steps to target validation accuracy" in table.caption


def test_a_report_says_where_tuning_falls_short() -> None:
    evidence = simulated_evidence(replicates=8)
    assert not _callouts(answer_section(_context(evidence)))
    few = replace(evidence, design=evidence.design.model_copy(update={"points": 3}))
    (callout,) = _callouts(answer_section(_context(few)))
    assert callout.items == ("Tuned at 3 points; the method asks for at least 9.",)
