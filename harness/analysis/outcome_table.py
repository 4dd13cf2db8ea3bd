"""Outcomes of judged trials as a table, and two arms of it as pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.evidence import Evidence
from harness.analysis.outcomes import Direction, Floats, outcome_direction, outcome_value
from harness.analysis.target import tuning_target
from harness.errors import BadInput
from harness.words.metrics import split_metric
from harness.words.outcome import Outcome
from harness.words.record import Record, Status
from harness.words.trial import Planned

IMPUTED = ("final", "best", "area")  # outcomes of which a diverged run has no value of its own
COLUMNS = ["arm", "replicate", "value", "censored", "diverged"]


@dataclass(frozen=True)
class Pairs:
    """The outcomes of two arms, (n,) each, one pair a replicate that both arms finished."""

    a: Floats
    b: Floats
    a_censored: NDArray[np.bool_]
    b_censored: NDArray[np.bool_]
    diverged: NDArray[np.bool_]  # either of the two diverged

    def __len__(self) -> int:
        return len(self.a)

    def oriented(self, direction: Direction) -> Floats:
        """(n,) differences, above 0 where a is better."""
        return self.a - self.b if direction == "higher" else self.b - self.a

    def without_diverged(self) -> Pairs:
        """The pairs of which neither run diverged."""
        keep = ~self.diverged
        return Pairs(
            self.a[keep], self.b[keep], self.a_censored[keep], self.b_censored[keep], self.diverged[keep]
        )


def outcome_table(
    evidence: Evidence, outcome: Outcome, target: float | None = None, arms: Collection[str] = ()
) -> pd.DataFrame:
    """One row a judged replicate: arm, replicate, value, censored, diverged. Failed trials are left out.

    Of `arms` every record must hold the outcome's metric; others that don't measure it are left out.
    `target` is looked up where the outcome needs one. A diverged run gets the metric's worst value (of a
    constant guess), or the worst that any finished run of like data had where that is worse, or no worst
    value is known (mean squared error, say); the value stays NaN only where every run diverged. Raises
    BadInput as `outcome_value`. Many parts of a verdict ask for the same table: it is made once, and
    nobody writes into it.
    """
    key = outcome.model_dump_json(), target, frozenset(arms)
    if key not in evidence.outcomes:
        evidence.outcomes[key] = _outcome_table(evidence, outcome, target, arms)
    return evidence.outcomes[key]


def _outcome_table(
    evidence: Evidence, outcome: Outcome, target: float | None, arms: Collection[str]
) -> pd.DataFrame:
    targets = dict.fromkeys((arm.label for arm in evidence.design.arms), target)
    if target is None and outcome.function == "steps_to":
        targets = {arm: resolve_target(evidence, outcome.metric, arm) for arm in targets}
    rows = [
        (p.arm, p.replicate, *outcome_value(outcome, record, targets[p.arm], f.n_classes, f.n_train))
        for p, record in _judged(evidence, outcome)
        for f in (evidence.design.data[p.arm],)
        if p.arm in arms or _measured(outcome, record)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    if table["diverged"].any() and outcome.function in IMPUTED:
        of = {arm: str((f.n_classes, f.n_targets, f.input_shape)) for arm, f in evidence.design.data.items()}
        table["value"] = _no_better_than_finished(table, table["arm"].map(of), outcome_direction(outcome))
    return table


def _no_better_than_finished(table: pd.DataFrame, data: pd.Series, direction: Direction) -> pd.Series:
    """Values, those of diverged runs no better than the worst of finished ones, of like data or of any."""
    lower = direction == "lower"
    finished = table["value"].mask(table["diverged"])
    groups = finished.groupby(data)
    of_data = (groups.transform("max") if lower else groups.transform("min")).fillna(
        finished.max() if lower else finished.min()
    )
    worse = (np.fmax if lower else np.fmin)(table["value"].to_numpy(), of_data.to_numpy())
    return table["value"].mask(table["diverged"], pd.Series(worse, table.index))


def _measured(outcome: Outcome, record: Record) -> bool:
    return outcome.function != "final" or record.status is not Status.DONE or outcome.metric in record.final


def _judged(evidence: Evidence, outcome: Outcome) -> Iterator[tuple[Planned, Record]]:
    """Judged trials with their records; of restarts the one that does best on validation.

    Raises BadInput where an arm has fewer nets than there are restarts.
    """
    count = outcome.options.get("restarts", 1)
    others: dict[tuple[str, int], list[Record]] = {}
    for p in evidence.members if count > 1 else ():
        if p.phase == "judge" and p.member < count:
            others.setdefault((p.arm, p.replicate), []).append(evidence.records[p.trial])
    for planned, record in evidence.judged:
        nets = [record, *others.get((planned.arm, planned.replicate), ())]
        if len(nets) == count:
            yield planned, _best_on_validation(nets, outcome)
        elif evidence.design.members(planned.arm) >= count:
            raise BadInput(f"{count} restarts need as many nets; {planned.arm!r} has {len(nets)}: run again")


def _best_on_validation(nets: Sequence[Record], outcome: Outcome) -> Record:
    """The net with the best final validation metric, the first of equals; all diverged: the first."""
    done = [net for net in nets if net.status is Status.DONE]
    if len(nets) == 1 or not done:
        return nets[0]
    metric = split_metric(outcome.metric)[1]
    sign = 1.0 if metric.better == "higher" else -1.0
    return max(done, key=lambda net: sign * net.final[f"val/{metric.name}"])


def pairs(table: pd.DataFrame, a: str, b: str) -> Pairs:
    """The replicates that both arms finished, in order."""
    left, right = (table[table["arm"] == arm].set_index("replicate").sort_index() for arm in (a, b))
    both = left.index.intersection(right.index)
    left, right = left.loc[both], right.loc[both]
    return Pairs(
        left["value"].to_numpy(dtype=float),
        right["value"].to_numpy(dtype=float),
        left["censored"].to_numpy(dtype=bool),
        right["censored"].to_numpy(dtype=bool),
        left["diverged"].to_numpy(dtype=bool) | right["diverged"].to_numpy(dtype=bool),
    )


def arm_values(table: pd.DataFrame, arm: str) -> Floats:
    """(n,) the arm's outcomes by replicate."""
    return table[table["arm"] == arm].sort_values("replicate")["value"].to_numpy(dtype=float)


def tuning_points(evidence: Evidence, arm: str) -> dict[int, list[Record]]:
    """Tuning point -> its records, one a seed, failed ones too."""
    points: dict[int, list[Record]] = {}
    for planned in evidence.planned:
        if planned.arm == arm and planned.phase == "tune" and planned.point is not None:
            points.setdefault(planned.point, []).append(evidence.records[planned.trial])
    return points


def resolve_target(evidence: Evidence, metric: str, arm: str) -> float:
    """An arm's target: as frozen, else as the study gives it, else from the reference arm's tuning."""
    name = evidence.design.target_name(metric, arm)
    if evidence.frozen is not None and name in evidence.frozen.targets:
        return evidence.frozen.targets[name]
    given = evidence.design.study.target
    if given.value is not None:
        return given.value
    reference = (evidence.design.target_reference(arm) or evidence.design.arms[0]).label
    return tuning_target(metric, tuning_points(evidence, reference), given.margin)
