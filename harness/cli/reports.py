"""Records to report: without torch, Optuna or MLflow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.analysis.evidence import Evidence, gather
from harness.analysis.judge import judge_study
from harness.planning.studies import SUFFIXES
from harness.records.store import Store
from harness.reporting.build import ReportPaths, build_report
from harness.words.verdict import StudyVerdict


def stored_name(name: str, tier: str | None) -> str:
    """The folder of a study's results and reports: its name, and its tier where it has one."""
    stem = Path(name).stem if name.endswith(SUFFIXES) else name
    return f"{stem}-{tier}" if tier else stem


def rebuild(stored: str, results: Path, reports: Path) -> tuple[StudyVerdict, ReportPaths]:
    """The verdict and the report of a study, from its records."""
    found = evidence(Store(results, stored, read_only=True))
    verdict = judge_study(found)
    return verdict, build_report(found, verdict, reports / stored)


def evidence(store: Store) -> Evidence:
    """Everything a store holds, joined."""
    held = store.contents()
    joined = gather(held.design, held.choices, held.frozen, held.planned, held.records.values())
    return replace(joined, checks=tuple(held.checks), executions=tuple(held.executions))
