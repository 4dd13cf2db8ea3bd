"""A design's trials: every tuning point and replicate, judged or a pilot's, with its place in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.catalogue.resolve import resolved_with
from harness.words.base import content_hash
from harness.words.config import while_tuning
from harness.words.design import Arm, Design
from harness.words.trial import Phase, Planned, Trial

Params = Mapping[str, Any]
Placed = tuple[Trial, Planned]


def tune_trials(
    design: Design,
    arm: Arm,
    points: Sequence[Params],
    first_point: int = 0,
    seeds: Iterable[int] | None = None,
) -> list[Placed]:
    """The trials of an arm's tuning points, point by point: each on every tuning seed.

    `first_point` is the index of the first of `points` among all of the arm's. Raises ConfigError
    where a point's value is refused.
    """
    replicates = list(range(design.study.tune.seeds) if seeds is None else seeds)
    return [
        _placed(design, arm, _Place("tune", replicate, first_point + index), params)
        for index, params in enumerate(points)
        for replicate in replicates
    ]


def judge_trials(
    design: Design, arm: Arm, params: Params, replicates: Iterable[int] | None = None
) -> list[Placed]:
    """The judged trials of an arm at its tuned values, replicates 0 to n - 1 unless given.

    Where an ensemble is made of the arm, every replicate has its members, one after another.
    """
    wanted = range(design.study.judge.replicates) if replicates is None else replicates
    members = range(design.members(arm.label))
    return [_placed(design, arm, _Place("judge", r, member=m), params) for r in wanted for m in members]


def pilot_trials(design: Design, arm: Arm, params: Params, replicates: Iterable[int]) -> list[Placed]:
    """The trials of a pilot: as judged ones, on seeds of a phase of its own.

    Of the nets that an ensemble is made of the first alone: ensembles need the test split.
    """
    members = range(1 if design.ensembled(arm.label) else design.members(arm.label))
    return [_placed(design, arm, _Place("pilot", r, member=m), params) for r in replicates for m in members]


def tuned_as(design: Design) -> dict[str, str]:
    """Tuned arm -> the first arm whose tuning trials are its own too: itself, unless an earlier one's are.

    Arms that differ in what acts on judged trials alone share their points, on a grid or drawn, and so the
    trials at them.
    """
    first: dict[str, str] = {}
    found = {}
    for arm in (a for a in design.arms if a.tuned):
        tuning = [while_tuning(arm.config), [d.model_dump() for d in arm.tuned]]
        found[arm.label] = first.setdefault(content_hash(tuning), arm.label)
    return found


def n_trials(design: Design) -> int:
    """Trials the study takes if no range is extended, those that arms share counted once."""
    tuned = design.points * design.study.tune.seeds * len(set(tuned_as(design).values()))
    return tuned + sum(design.study.judge.replicates * design.members(arm.label) for arm in design.arms)


def with_whole_numbers(arm: Arm, params: Params) -> dict[str, Any]:
    """The params with the values of whole-number options rounded."""
    whole = {d.path for d in arm.tuned if d.whole}
    return {path: round(value) if path in whole else value for path, value in params.items()}


class _Place(NamedTuple):
    phase: Phase
    replicate: int
    point: int | None = None
    member: int = 0


def _placed(design: Design, arm: Arm, place: _Place, params: Params) -> Placed:
    values = with_whole_numbers(arm, params)
    config = resolved_with(arm.config, values).tree()
    if place.phase == "tune":
        config = while_tuning(config)
    trial = Trial(
        study=design.name, phase=place.phase, replicate=place.replicate, config=config, member=place.member
    )
    return trial, Planned(arm=arm.label, trial=trial.id, params=values, **place._asdict())
