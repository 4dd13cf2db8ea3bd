"""Several studies one after the other: what `run` does with more than one name."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from harness.cli import show
from harness.cli.asked import Asked
from harness.cli.kept import Kept
from harness.cli.ledger import ledger_of, show_ledger, write_ledger
from harness.cli.reports import rebuild
from harness.cli.running import Settings, finish_mirror, load_design, run_to_report
from harness.errors import BadInput, HarnessError, RunFailed, UnknownName
from harness.planning.studies import all_studies, find
from harness.planning.trials import judge_trials
from harness.records.store import Store
from harness.words.design import Design
from harness.words.study_file import load_study


def run_many(names: Sequence[str], tier: str | None, settings: Settings, as_json: bool = False) -> None:
    """Run the studies, of all in `studies/` where none is named, and end with the ledger.

    Controls come first: they decide whether the others can be trusted. A study that is done is passed
    over, one that fails is told and the others go on. Raises RunFailed where any failed, UnknownName
    for a tier that none has.
    """
    asked = _in_order(names, tier)
    failed = []
    for number, one in enumerate(asked, 1):
        show.progress(f"\n{number} of {len(asked)}: {one.name}{f', tier {one.tier}' if one.tier else ''}")
        if not _runs(one, settings):
            failed.append(one.name)
    ledger = ledger_of(settings.results, settings.reports, tier)
    show.json(ledger.model_dump(mode="json")) if as_json else show_ledger(ledger)
    write_ledger(ledger, settings.reports)
    if failed:
        raise RunFailed(f"{len(failed)} of {len(asked)} studies failed: {', '.join(failed)}")


def run_controls(names: Sequence[str], tier: str | None, settings: Settings) -> list[str]:
    """Run the controls of these names, each in the tier where it has that; those that failed."""
    failed = []
    for name in names:
        show.progress(f"\nthe control {name} has no verdict yet: running it (--no-controls: not)")
        has_tier = tier in load_study(find(name)).study.tiers
        if not _runs(Asked(name, tier if has_tier else None), settings):
            failed.append(name)
    return failed


def _in_order(names: Sequence[str], tier: str | None) -> list[Asked]:
    """What to run, controls first, each in the tier where it has that."""
    paths = [find(name) for name in names] if names else all_studies()
    if not paths:
        raise BadInput("there are no studies here: a study is a file studies/NAME.yaml")
    tiers, controls = {}, set()
    for path in paths:
        try:
            study = load_study(path).study
        except HarnessError:  # said when its turn comes
            continue
        tiers[path] = set(study.tiers)
        controls |= {path} if study.control else set()
    if tier is not None and not any(tier in known for known in tiers.values()):
        raise UnknownName("tier", tier, set().union(*tiers.values()))
    ordered = sorted(dict.fromkeys(paths), key=lambda path: path not in controls)
    return [Asked(_name(p, names), tier if tier in tiers.get(p, ()) else None) for p in ordered]


def _name(path: Path, names: Sequence[str]) -> str:
    """As it was named; a study of `studies/` by its name."""
    return next((name for name in names if find(name) == path), path.stem)


def _runs(asked: Asked, settings: Settings) -> bool:
    """Bring one study to its report; False where that failed, which is told."""
    try:
        headline = _done_before(load_design(asked), settings) or _run(asked, settings)
    except HarnessError as error:
        show.error(str(error))
    except Exception:  # a bug that one study meets must not cost the night's other studies
        show.error(f"{asked.name} met a bug:\n{traceback.format_exc()}")
    else:
        show.progress(headline)
        return True
    settings.executor.restart()  # it may still be busy with the one that failed
    return False


def _run(asked: Asked, settings: Settings) -> str:
    done = run_to_report(asked, settings)
    if done.mirror is not None:
        finish_mirror(done.mirror, done.paths.html.parent.name)
    return done.verdict.headline


def _done_before(design: Design, settings: Settings) -> str | None:
    """The headline of a study that needs no run, its report rebuilt where that is out of date; else None."""
    if not is_judged(design, settings.results):
        return None
    stored = design.folder
    verdict = Kept(settings.results, settings.reports).verdict(stored)
    if verdict is None:
        verdict, _ = rebuild(stored, settings.results, settings.reports)
    return f"done before. {verdict.headline}"


def is_judged(design: Design, results: Path) -> bool:
    """Whether this very design has run to its end, and every trial that it judges is there."""
    store = Store(results, design.folder, read_only=True)
    frozen, choices, executions = store.frozen(), store.choices(), store.executions()
    if frozen is None or frozen.design_hash != design.hash:
        return False
    if not executions or executions[-1].get("status") != "done":
        return False
    chosen = [(arm, choices[arm.label]) for arm in design.arms if arm.label in choices]
    judged = {
        trial.id
        for arm, choice in chosen
        if choice.chosen is not None
        for trial, _ in judge_trials(design, arm, choice.params)
    }
    return len(chosen) == len(design.arms) and judged <= store.finished()
