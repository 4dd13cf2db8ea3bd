"""The ledger from files and records: what the `ledger` command does, without torch, Optuna or MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.analysis.ledger import Entry, Ledger, judged_entry, make_ledger, open_entry
from harness.cli import show
from harness.cli.kept import Kept
from harness.cli.reports import judged_evidence, verdict_of
from harness.errors import BadInput, HarnessError
from harness.planning.studies import all_studies
from harness.planning.tiers import apply_tier
from harness.records.store import Store
from harness.reporting.ledger import COLUMNS, build_ledger, cells, correction, remarks, summary
from harness.words.design import folder_of
from harness.words.study import Study
from harness.words.study_file import load_study

CHANGED = "The study's file has changed since it was judged."


def ledger_of(results: Path, reports: Path, tier: str | None = None) -> Ledger:
    """Every study of `studies/`, in the tier where it has that, with the verdict its records give.

    The verdict beside a report is taken where nothing it was made from has changed, else made anew.
    """
    kept = Kept(results, reports)
    return make_ledger([_entry(path, results, kept, tier) for path in all_studies()])


def show_ledger(ledger: Ledger) -> None:
    """The ledger on the terminal: controls, claims, and what the verdicts do to the notes."""
    entries = [*ledger.controls, *ledger.claims]
    show.table(COLUMNS, [[e.study, *cells(e)] for e in entries])
    show.text("")
    for entry in entries:
        for remark in remarks(entry):
            show.paragraph(f"{entry.study}: {remark}")
    show.text(f"\n{summary(ledger)}")
    show.paragraph(correction(ledger))
    for failed in ledger.failed_controls:
        show.text(f"\nTHE CONTROL {failed.study} FAILS: nothing above can be trusted (gate G9)")


def write_ledger(ledger: Ledger, reports: Path) -> None:
    """Write the ledger's page and its JSON, and say where."""
    page, tree = build_ledger(ledger, reports)
    show.progress(f"ledger  {page}\n        {tree}")


def _entry(path: Path, results: Path, kept: Kept, tier: str | None) -> Entry:
    try:
        file = load_study(path)
        used = tier if tier in file.study.tiers else None
        return _read(folder_of(path.stem, used), apply_tier(file, used).study, results, kept)
    except HarnessError as error:
        return open_entry(path.stem, Study.model_construct(), "broken", str(error))


def _read(stored: str, study: Study, results: Path, kept: Kept) -> Entry:
    design = Store(results, stored, read_only=True).design()
    if design is None:
        return open_entry(stored, study, "not run")
    try:
        verdict = kept.verdict(stored) or verdict_of(judged_evidence(stored, results))
    except BadInput as error:
        return open_entry(stored, study, "unfinished", str(error))
    return judged_entry(verdict, design, "" if _decides(design.study) == _decides(study) else CHANGED)


def _decides(study: Study) -> dict[str, Any]:
    """What of a study decides its verdict, but for the replicates, which a run may be given."""
    tree = study.model_dump(mode="json", exclude={"title", "topic", "tiers", "control"})
    return {**tree, "claim": study.claim.says, "judge": {**tree["judge"], "replicates": None}}
