"""The list of trials that both sides of a comparison run, shares of it, and a share's time scaled up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.planning.points import grid
from harness.planning.trials import judge_trials, tune_trials
from harness.records.store import Store
from harness.words.design import Design
from harness.words.trial import Trial

Group = tuple[str, str]  # arm, phase


class Listed(NamedTuple):
    """A trial and the arm it belongs to."""

    arm: str
    trial: Trial

    @property
    def group(self) -> Group:
        """Trials of one group take about the same time."""
        return self.arm, self.trial.phase

    def as_json(self) -> dict[str, Any]:
        """Plain values, read back by `from_json`."""
        return {"arm": self.arm, "trial": self.trial.model_dump(mode="json")}


def from_json(value: Mapping[str, Any]) -> Listed:
    """The listed trial of `as_json`."""
    return Listed(value["arm"], Trial.model_validate(value["trial"]))


def of_design(design: Design) -> list[Listed]:
    """Every arm's tuning grid, and its judged replicates at the arm's own defaults."""
    return [
        Listed(planned.arm, trial)
        for arm in design.arms
        for trial, planned in (
            *tune_trials(design, arm, grid(arm.tuned, design.points)),
            *judge_trials(design, arm, {}),
        )
    ]


def of_store(store: Store) -> list[Listed]:
    """The trials that a finished study planned and ran, each once."""
    records = store.load()
    listed: dict[str, Listed] = {}
    for planned in store.plan():
        record = records[planned.trial]
        trial = Trial(
            study=record.study, phase=planned.phase, replicate=record.replicate, config=record.config
        )
        if trial.id != planned.trial:
            raise ValueError(f"record {planned.trial} is not the trial it names")
        listed.setdefault(trial.id, Listed(planned.arm, trial))
    return list(listed.values())


def share(listed: Sequence[Listed], scale: float, turn: int) -> list[Listed]:
    """The same share of every arm and phase, at least one trial, spread evenly; others in another turn."""
    groups: dict[Group, list[Listed]] = defaultdict(list)
    for item in listed:
        groups[item.group].append(item)
    chosen: list[Listed] = []
    for group in groups.values():
        n = len(group)
        count = min(n, max(1, round(scale * n)))
        chosen += [group[(turn + i * n // count) % n] for i in range(count)]
    return chosen


class Timed(NamedTuple):
    """What one trial took and reached on one side. `val` and `test`: accuracy, or MSE of a regression."""

    id: str
    arm: str
    phase: str
    time_s: float
    val: float | None
    test: float | None


def scaled_up(listed: Iterable[Listed], timed: Sequence[Timed], loop_s: float) -> float:
    """Seconds the whole list would take where the trials of `timed` took `loop_s` together.

    Each group's mean time counts for as many trials as the list has of it; what else the loop spent
    (or saved by running trials side by side) grows in proportion. Raises ValueError where a group of
    the list was never timed.
    """
    counts = Counter(item.group for item in listed)
    times: dict[Group, list[float]] = defaultdict(list)
    for t in timed:
        times[t.arm, t.phase].append(t.time_s)
    missing = counts.keys() - times.keys()
    if missing:
        raise ValueError(f"no trial was timed of {sorted(missing)}; each arm and phase needs one")
    whole = sum(counts[g] * sum(times[g]) / len(times[g]) for g in counts)
    return loop_s * whole / sum(t.time_s for t in timed)
