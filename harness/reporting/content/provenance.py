"""What was fixed, where the numbers come from, and how to get them again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from harness.reporting.content.context import Context
from harness.reporting.document import Block, Callout, Code, Column, Facts, Paragraph, Table
from harness.reporting.numbers import MISSING, count, duration, number, setting
from harness.words.paths import flatten
from harness.words.tolerance import in_words


def fixed_section(context: Context) -> tuple[Block, ...]:
    """Every setting shared by all arms: the conclusion holds for these, and is silent about others."""
    design = context.evidence.design
    configs = [dict(flatten(a.config)) for a in design.arms]
    varied = {f for a in design.arms for f in a.levels} | {d.path for a in design.arms for d in a.tuned}
    shared = {k: v for k, v in configs[0].items() if all(c.get(k, math.nan) == v for c in configs)}
    rows = tuple((path, setting(value)) for path, value in shared.items() if path not in varied)
    sizes = {(f.n_train, f.n_val, f.n_test) for f in design.data.values()}
    caption = "Settings that every arm shared. The conclusion is conditional on them."
    blocks: tuple[Block, ...] = (Table(caption, (Column("Setting"), Column("Value")), rows),)
    if len(sizes) == 1:
        train, val, test = next(iter(sizes))
        text = (
            f"Examples: {count(train)} for training, {count(val)} for validation, {count(test)} for the test."
        )
        blocks = (Paragraph(text), *blocks)
    return blocks


EXECUTION_COLUMNS = {
    "started": "started (UTC)",
    "command": "command",
    "device": "device",
    "status": "ended",
    "time_s": "seconds",
}
MOST_HASHES = 3


def provenance_section(context: Context) -> tuple[Block, ...]:
    """Hashes, versions, devices, reruns, amendments, and the commands that make this report again."""
    name, tier = context.evidence.design.name, context.evidence.design.tier
    ran = [str(e["command"]) for e in context.evidence.executions if e.get("command")]
    rebuild = f"harness report {name}" + (f" --tier {tier}" if tier else "")
    commands = f"{ran[-1] if ran else f'make study NAME={name}'}\n{rebuild}"
    return (
        Facts(tuple(_facts(context))),
        *_checks(context),
        *_amendments(context),
        *_executions(context),
        Paragraph("To run the study again, or to rebuild this report from its records:"),
        Code(commands),
    )


def _facts(context: Context) -> list[tuple[str, str]]:
    evidence = context.evidence
    records = list(evidence.records.values())
    provenance = [r.provenance for r in records]
    versions = {f"{k} {v}" for p in provenance for k, v in p.versions.items()}
    fallbacks = {p.fallback for p in provenance if p.fallback}
    facts = [
        ("Study hash", evidence.design.hash),
        (
            "Frozen before judging",
            f"{evidence.frozen.hash}, {evidence.frozen.time}" if evidence.frozen else "no",
        ),
        ("Data fingerprints", _fingerprints({p.data_fingerprint for p in provenance})),
        ("Versions", _listed(versions)),
        ("Device", _listed({p.device for p in provenance})),
        ("Trials", f"{count(len(records))} trained, {_phases(context)}"),
        ("Training time, all trials", duration(sum(r.time_s for r in records))),
        (
            "Trials trained together (stack sizes)",
            _listed(str(s) for s in sorted({p.stack_size for p in provenance})),
        ),
        ("Targets", _listed(f"{m} {number(t)}" for m, t in context.verdict.targets.items())),
    ]
    if evidence.design.tier:
        facts.append(("Tier", evidence.design.tier))
    if fallbacks:
        facts.append(("Did not run as asked", _listed(fallbacks)))
    return facts


def _checks(context: Context) -> tuple[Block, ...]:
    checks = context.evidence.checks
    if not checks:
        return (Paragraph("No trial was run again for comparison."),)
    different = [c for c in checks if not c["same"]]
    if not different:
        how = in_words(max(float(c.get("tolerance", 0.0)) for c in checks))
        text = f"{count(len(checks))} trials were run again and gave the same result {how}."
        return (Paragraph(text),)
    items = tuple(
        f"{c['arm']}, trial {c['trial']}: largest difference {number(c.get('max_difference'))}"
        for c in different
    )
    return (Callout("warning", f"{count(len(different))} of {count(len(checks))} reruns differ", items),)


def _amendments(context: Context) -> tuple[Block, ...]:
    frozen = context.evidence.frozen
    if frozen is None or not frozen.amendments:
        return (Paragraph("Nothing was changed after judging began."),)
    return (Callout("warning", "Changed after judging began", tuple(frozen.amendments)),)


def _executions(context: Context) -> tuple[Block, ...]:
    executions = context.evidence.executions
    if not executions:
        return ()
    there = [key for key in EXECUTION_COLUMNS if any(key in e for e in executions)]
    rows = tuple(tuple(_cell(key, e.get(key)) for key in there) for e in executions)
    columns = tuple(Column(EXECUTION_COLUMNS[key]) for key in there)
    return (Table("What ran when, and on what.", columns, rows),)


def _fingerprints(values: set[str]) -> str:
    """The first few, and how many more: every record holds its own, and verdict.json holds all."""
    shown, more = sorted(values)[:MOST_HASHES], len(values) - MOST_HASHES
    return ", ".join(shown) + (f" and {count(more)} more, one a data set" if more > 0 else "")


def _phases(context: Context) -> str:
    phases = [p.phase for p in context.evidence.planned]
    return f"{count(phases.count('tune'))} to tune and {count(phases.count('judge'))} to judge"


def _cell(key: str, value: Any) -> str:
    if value is None:
        return MISSING
    return str(value)[:16].replace("T", " ") if key == "started" else setting(value)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))) or MISSING
