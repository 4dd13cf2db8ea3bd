"""What is fixed between tuning and judging: the design, the targets, every arm's choice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.analysis.target import tuning_target
from harness.errors import BadInput
from harness.records.store import Store
from harness.words.design import Choice, Design, Frozen
from harness.words.form_errors import shown
from harness.words.outcome import Outcome
from harness.words.paths import flatten
from harness.words.record import Record

STUDY, REPLICATES = "study.", "judge.replicates"
MOST_TOLD = 5  # changes that a refusal lists
DESIGN = "the study (claim, arms, tuning, replicates, hypotheses or gates)"

Changes = Mapping[str, tuple[Any, Any]]  # dotted path -> the value before and now
Tuned = Mapping[str, Mapping[int, list[Record]]]  # arm -> point -> one record a seed


def target_metrics(design: Design) -> list[str]:
    """The metrics that some `steps_to` outcome of the study needs a target for."""
    outcomes: list[Outcome | None] = [design.study.tune.select]
    outcomes += [getattr(h, "outcome", None) for h in design.study.hypotheses]
    named = [o.metric for o in outcomes if o is not None and o.function == "steps_to"]
    return list(dict.fromkeys(named))


def targets(design: Design, tuned: Tuned) -> dict[str, float]:
    """Every target that is needed, by its name: given, or from a reference arm's tuning seeds."""
    given, margin = design.study.target.value, design.study.target.margin
    wanted = {
        design.target_name(m, a.label): (m, a.label) for m in target_metrics(design) for a in design.arms
    }
    if given is not None:
        return dict.fromkeys(wanted, given)
    references = {arm: design.target_reference(arm) or design.arms[0] for _, arm in wanted.values()}
    return {
        name: tuning_target(metric, tuned[references[arm].label], margin)
        for name, (metric, arm) in wanted.items()
    }


def freeze(
    design: Design,
    found: tuple[Mapping[str, float], Mapping[str, Choice]],
    before: Frozen | None,
    amendment: str | None,
) -> Frozen:
    """What judging will hold to. `before` is what an earlier judging held to, if any did.

    Raises BadInput where that differs, unless the user says by `amendment` why: judged results were
    seen under another design, and the report then says so.
    """
    new_targets, choices = found
    frozen = Frozen(
        design_hash=design.hash,
        targets=dict(new_targets),
        choices={arm: choice.params for arm, choice in choices.items()},
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        amendments=before.amendments if before else [],
    )
    if before is None or before.hash == frozen.hash:
        return before or frozen
    if amendment is None:
        raise _refusal(design, before, changed(_found(before), _found(frozen)))
    note = f"{frozen.time}: {amendment} ({_difference(before, frozen)})"
    return frozen.model_copy(update={"amendments": [*before.amendments, note]})


def judged_under(store: Store) -> Frozen | None:
    """What the store's judged records were judged under; None where nothing has been judged yet."""
    frozen = store.frozen()
    if frozen is None or not any(r.phase == "judge" and r.final for r in store.records()):
        return None
    return frozen


def check_design(design: Design, store: Store, amendment: str | None, command: str = "") -> Frozen | None:
    """What an earlier judging held to, None where there was none; nothing is run or written.

    Raises BadInput for another design that no `amendment` explains: it says what changed from what to
    what, and how to go on. `command` runs the study as its file says.
    """
    before = judged_under(store)
    if before is None or before.design_hash == design.hash or amendment is not None:
        return before
    old = _design_of(before, store)
    changes = changed(old.deciding(), design.deciding()) if old is not None else {}
    said = {path.removeprefix(STUDY): pair for path, pair in changes.items() if path.startswith(STUDY)}
    raise _refusal(design, before, said or changes, command)  # the rest follows from what the study says


def keep_judged(design: Design, before: Frozen | None, store: Store) -> None:
    """Keep the design that was judged, where another is about to take its place, until that is frozen."""
    old = store.design()
    if before is not None and old is not None and old.hash == before.design_hash != design.hash:
        store.save_judged_design(old)


def _design_of(frozen: Frozen, store: Store) -> Design | None:
    """The design that was frozen: an amendment that was cut off has left another as the store's."""
    judged = store.judged_design()
    return judged if judged is not None and judged.hash == frozen.design_hash else store.design()


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    """Dotted path -> its value before and now, of all that differs; None where there is none."""
    before, now = (dict(flatten(tree, lists=True)) for tree in (old, new))
    paths = dict.fromkeys([*before, *now])
    return {p: (before.get(p), now.get(p)) for p in paths if before.get(p) != now.get(p)}


def _found(frozen: Frozen) -> dict[str, Any]:
    """What tuning found, of all that is frozen."""
    return {"target": frozen.targets, "tuned": frozen.choices}


def _refusal(design: Design, before: Frozen, changes: Changes, command: str = "") -> BadInput:
    command = command or f"harness run {design.name}" + (f" --tier {design.tier}" if design.tier else "")
    told = [f"{path} {shown(old)} -> {shown(new)}" for path, (old, new) in changes.items()]
    more = [f"{len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
    old, new = (f"{command} --replicates {n}" for n in changes.get(REPLICATES, (None, None)))
    back = f"Go on as it was judged: {old}" if list(changes) == [REPLICATES] else "Take the change back"
    return BadInput(
        f"study {design.name!r} was judged under another design, frozen {before.time}; changed since: "
        f"{', '.join([*told[:MOST_TOLD], *more]) or DESIGN}. Results seen under one design don't count for "
        f"another. {back}; or disclose the change in the report: "
        f'{new if REPLICATES in changes else command} --amend "why it changed"'
    )


def _difference(before: Frozen, after: Frozen) -> str:
    parts = {
        DESIGN: before.design_hash != after.design_hash,
        "the targets": before.targets != after.targets,
        "the tuned values": before.choices != after.choices,
    }
    return "changed are " + " and ".join(name for name, changed in parts.items() if changed)
