"""Records to report: without torch, Optuna or MLflow."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.analysis.controls import control_result
from harness.analysis.evidence import Evidence, gather
from harness.analysis.judge import judge_study
from harness.analysis.search import judge_search
from harness.cli.folders import check_writable
from harness.errors import BadInput, HarnessError
from harness.planning.studies import SUFFIXES, find
from harness.records.files import read_json
from harness.records.store import Contents, Store
from harness.reporting.build import ReportPaths, build_gallery, build_report
from harness.words.design import folder_of
from harness.words.record import Status
from harness.words.verdict import StudyVerdict


def stored_name(name: str, tier: str | None) -> str:
    """The folder of a study's results and reports: its name, and its tier where it has one."""
    stem = Path(name).stem if name.endswith(SUFFIXES) else name
    return folder_of(stem, tier)


def known_results(name: str, tier: str | None, results: Path) -> str:
    """The folder of the results that the user means, which are there.

    Raises UnknownName where there is no such study either, else BadInput.
    """
    stored = stored_name(name, tier)
    if re.fullmatch(r"\w[\w-]*", stored) and Store(results, stored, read_only=True).design() is not None:
        return stored
    find(name)  # a name nobody has: say which there are
    raise BadInput(
        f"there are no results of {stored!r} in {results}: run it first "
        f"(harness run {name}{f' --tier {tier}' if tier else ''})"
    )


def rebuild(stored: str, results: Path, reports: Path) -> tuple[StudyVerdict, ReportPaths]:
    """The verdict and the report of a study, from its records. Raises BadInput where judging isn't over."""
    check_writable(reports / stored, "reports")
    found = judged_evidence(stored, results)
    verdict = verdict_of(found)
    return verdict, build_report(found, verdict, reports / stored)


def gallery(stored: str, results: Path, reports: Path) -> list[Path]:
    """Put a study's report into the gallery that is kept with the project."""
    found = judged_evidence(stored, results)
    return build_gallery(found, verdict_of(found), reports / "gallery")


def verdict_of(found: Evidence) -> StudyVerdict:
    """What a judged study came to: a search has no hypotheses to judge."""
    return judge_search(found) if found.design.study.kind == "search" else judge_study(found)


def judged_evidence(stored: str, results: Path) -> Evidence:
    """Everything a judged study left, and how the controls run beside it came out (gate G9).

    Raises BadInput where judging isn't over: a verdict on the first few replicates would be another test.
    """
    found = whole_evidence(stored, results)
    controls = () if found.design.study.control else control_results(results)
    return replace(found, controls=controls)


def control_results(results: Path) -> tuple[dict[str, Any], ...]:
    """Whether each control holds, of those judged in this results folder."""
    found = []
    for name in control_folders(results):
        with contextlib.suppress(HarnessError):  # its judging isn't over, or its files are damaged
            found.append(control_result(judge_study(whole_evidence(name, results))))
    return tuple(found)


def control_folders(results: Path) -> list[str]:
    """The folders of the control studies that have begun, by name; one whose design is damaged is none."""
    return [path.parent.name for path in sorted(results.glob("*/design.json")) if _is_control(path)]


def _is_control(design: Path) -> bool:
    with contextlib.suppress(HarnessError, TypeError, KeyError):
        return bool(read_json(design)["study"]["control"])
    return False


def whole_evidence(stored: str, results: Path) -> Evidence:
    """Everything a judged study left by itself. Raises BadInput as `judged_evidence`."""
    held = Store(results, stored, read_only=True).contents()
    judged = [p.trial for p in held.planned if p.phase == "judge"]
    if held.frozen is not None and held.choices and all(c.chosen is None for c in held.choices.values()):
        raise _all_diverged(stored, held)
    if held.frozen is None or not judged:
        raise _unfinished(stored, "nothing is judged")
    failed = [r for trial in judged if (r := held.records.get(trial)) and r.status is Status.FAILED]
    missing = sum(trial not in held.records for trial in judged)
    of = f"of {len(judged)} judged trials"
    so_far = [f"{missing} {of} are missing"] if missing else []
    if failed:
        so_far.append(f"{len(failed)} {of} failed ({failed[0].reason.partition(chr(10))[0]})")
    if so_far:
        raise _unfinished(stored, ", ".join(so_far))
    return evidence(held)


def _unfinished(stored: str, so_far: str) -> BadInput:
    return BadInput(f"{stored!r} has no verdict yet: {so_far}. Run it again, it goes on where it was")


def _all_diverged(stored: str, held: Contents) -> BadInput:
    paths = sorted({path for choice in held.choices.values() for p in choice.points for path in p.params})
    lower = f"the range of {' and '.join(paths)}" if paths else "optimizer.lr"
    return BadInput(
        f"{stored!r} has no verdict: every tuned point of every arm diverged, and nothing can be judged. "
        f"Lower {lower}, or check the network"
    )


def evidence(held: Contents) -> Evidence:
    """Everything a store holds, joined."""
    joined = gather(held.design, held.choices, held.frozen, held.planned, held.records.values())
    return replace(
        joined,
        checks=tuple(held.checks),
        executions=tuple(held.executions),
        predictions=held.predictions,
        search=held.search,
    )
