"""The ledger from files and records: what the `ledger` command does, without torch, Optuna or MLflow."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from harness.analysis.ledger import Entry, Ledger, judged_entry, make_ledger, open_entry
from harness.cli import show
from harness.cli.kept import Kept
from harness.cli.reports import judged_evidence, verdict_of
from harness.errors import BadInput, HarnessError, UnknownName
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


def check_tier(tier: str | None) -> None:
    """Raises UnknownName for a tier that none of the studies has."""
    known: set[str] = set()
    for path in all_studies():
        with contextlib.suppress(HarnessError):  # the ledger says what is wrong with its file
            known.update(load_study(path).study.tiers)
    if tier is not None and tier not in known:
        raise UnknownName("tier", tier, known)


def show_ledger(ledger: Ledger) -> None:
    """The ledger on the terminal: controls, claims, and what the verdicts do to the notes."""
    entries = [*ledger.controls, *ledger.claims]
    says = [f"“{e.says}”" if e.says else "" for e in entries]
    show.table(COLUMNS, [[e.study, *cells(e)] for e in entries], says)
    show.text("")
    for entry in entries:
        for remark in remarks(entry):
            show.paragraph(f"{entry.study}: {remark}")
    show.text(f"\n{summary(ledger)}")
    show.paragraph(correction(ledger))
    for failed in ledger.failed_controls:
        show.text(f"\nTHE CONTROL {failed.study} FAILS: nothing above can be trusted (gate G9)")


def open_controls(ledger: Ledger) -> list[str]:
    """The controls to run before the claims can be trusted, by name; none where no claim is judged."""
    if all(claim.answer is None for claim in ledger.claims):
        return []
    waiting = [c.study for c in ledger.controls if c.state in ("not run", "unfinished")]
    return [stored.partition("-")[0] for stored in waiting]  # a study's name has no hyphen, a tier's has one


def write_ledger(ledger: Ledger, reports: Path) -> None:
    """Write the ledger's page and its JSON, and say where."""
    page, tree = build_ledger(ledger, reports)
    show.progress(f"ledger  {page}\n        {tree}")


def _entry(path: Path, results: Path, kept: Kept, tier: str | None) -> Entry:
    try:
        file = load_study(path)
        used = tier if tier in file.study.tiers else None
        study = apply_tier(file, used).study
    except HarnessError as error:
        return open_entry(path.stem, Study.model_construct(), "broken", str(error))
    return _read(folder_of(path.stem, used), study, results, kept)


def _read(stored: str, study: Study, results: Path, kept: Kept) -> Entry:
    try:
        design = Store(results, stored, read_only=True).design()
        if design is None:
            return open_entry(stored, study, "not run")
        verdict = kept.verdict(stored) or verdict_of(judged_evidence(stored, results))
    except BadInput as error:
        return open_entry(stored, study, "unfinished", str(error))
    except HarnessError as error:  # a file of its results is damaged
        return open_entry(stored, study, "broken", str(error))
    if _decides(design.study) != _decides(study):
        return judged_entry(verdict, design, CHANGED)
    return judged_entry(verdict, design.model_copy(update={"study": study}))  # its words may be newer


def _decides(study: Study) -> dict[str, Any]:
    """What of a study decides its verdict, but for the replicates, which a run may be given."""
    tree = study.deciding()
    return {**tree, "judge": {**tree["judge"], "replicates": None}}
