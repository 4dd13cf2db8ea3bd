"""A pilot: a few replicates of every arm on seeds of their own, before anything is judged.

It tells how much varies what the study will test, not which arm is ahead. Its seeds are those of a phase
that neither tuning nor judging has, the test split is left alone (validation stands in for it), and its
records lie apart from the study's, in `pilot/` of its results: no verdict, report, mirror or later run
sees them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import BadInput, HarnessError
from harness.planning.trials import pilot_trials
from harness.records.store import Store
from harness.running.batch import Bench, run_batch
from harness.running.freeze import judged_under, targets
from harness.words.design import Choice, Design, Dimension, Frozen, PointResult
from harness.words.record import Record

FOLDER = "pilot"  # in the study's results
LEAST = 3  # replicates: a deviation of fewer says next to nothing
TUNED, CENTRE = "at tuned settings", "at the centre of each tuning range"


def pilot_store(results: Path, folder: str, *, read_only: bool = False) -> Store:
    """The store of a study's pilot, by the folder of the study."""
    return Store(results / folder, FOLDER, read_only=read_only)


def check_not_judged(design: Design, results: Path) -> None:
    """Raises BadInput where the study has judged trials: they say what a pilot would, and more surely."""
    if judged_under(Store(results, design.folder, read_only=True)) is not None:
        raise BadInput(
            f"found --pilot, but {design.name!r} has judged trials; allowed: before the first of them. "
            "They tell more of what varies than a pilot: leave --pilot out"
        )


def run_pilot(design: Design, bench: Bench, study: Store, replicates: int) -> None:
    """Bring so many replicates of every arm into the bench's store; what is there is not run again.

    At the values that tuning chose, where `study` holds a choice for every arm as it is now; else at the
    centre of each tuned range. Raises RunFailed where trials failed.
    """
    before = _tuned(design, study)
    choices = before or {arm.label: _centre(arm.label, arm.tuned) for arm in design.arms}
    placed = [
        pair
        for arm in design.arms
        if choices[arm.label].chosen is not None
        for pair in pilot_trials(design, arm, choices[arm.label].params, range(replicates))
    ]
    bench.store.save_design(design)
    bench.store.save_choices(choices)
    bench.store.save_plan([planned for _, planned in placed])
    run_batch(bench, "pilot", [trial for trial, _ in placed])
    records = bench.store.load({trial.id for trial, _ in placed})
    runs = {a.label: [records[p.trial] for _, p in placed if p.arm == a.label] for a in design.arms}
    frozen = study.frozen() if before else None
    bench.store.save_frozen(frozen or _held_to(design, choices, runs))


def _tuned(design: Design, study: Store) -> dict[str, Choice] | None:
    """What tuning chose, where every arm is one that it was done for."""
    stored, choices = study.design(), study.choices()
    arms = {} if stored is None else {arm.label: arm for arm in stored.arms}
    if not any(arm.tuned for arm in design.arms):
        return None
    if any(arm != arms.get(arm.label) or arm.label not in choices for arm in design.arms):
        return None
    return {a.label: choices[a.label].model_copy(update={"reason": TUNED}) for a in design.arms}


def _centre(arm: str, dimensions: list[Dimension]) -> Choice:
    """The middle of every range, in the logarithm where the scale is one; of listed values the middle one."""
    params = {d.path: _middle(d) for d in dimensions}
    point = PointResult(index=0, params=params, values=[])
    reason = CENTRE if dimensions else "nothing is tuned"
    return Choice(arm=arm, outcome="", direction="higher", points=[point], chosen=0, reason=reason)


def _middle(dimension: Dimension) -> Any:
    if dimension.values is not None:
        return dimension.values[len(dimension.values) // 2]
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.log:
        return math.sqrt(dimension.low * dimension.high)
    return (dimension.low + dimension.high) / 2


def _held_to(design: Design, choices: Mapping[str, Choice], runs: Mapping[str, list[Record]]) -> Frozen:
    """Targets of times from the pilot itself, as they would come from tuning; else none."""
    found: dict[str, float] = {}
    with contextlib.suppress(HarnessError):  # the reference arm diverged: no target, and no sigma of times
        found = targets(design, {arm: {0: records} for arm, records in runs.items()})
    return Frozen(
        design_hash=design.hash,
        targets=found,
        choices={arm: choice.params for arm, choice in choices.items()},
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
