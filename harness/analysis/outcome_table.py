"""Outcomes of judged trials as a table, and two arms of it as pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.evidence import Evidence
from harness.analysis.outcomes import Direction, Floats, outcome_direction, outcome_value
from harness.analysis.target import tuning_target
from harness.words.outcome import Outcome
from harness.words.record import Record, Status
from harness.words.trial import Planned

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


def outcome_table(evidence: Evidence, outcome: Outcome, target: float | None = None) -> pd.DataFrame:
    """One row a judged trial: arm, replicate, value, censored, diverged. Failed trials are left out.

    `target` is looked up where the outcome needs one. A diverged run of a metric without a known
    worst value (mean squared error, say) gets the worst value any judged run of the study had; the
    value stays NaN only where every run diverged. Raises BadInput as `outcome_value`.
    """
    if target is None and outcome.function == "steps_to":
        target = resolve_target(evidence, outcome.metric)
    rows = [
        (p.arm, p.replicate, *outcome_value(outcome, record, target, evidence.design.data[p.arm].n_classes))
        for p, record in finished(evidence, "judge")
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    if table["value"].isna().any() and outcome.function != "probe":
        lower = outcome_direction(outcome) == "lower"
        worst = table["value"].max() if lower else table["value"].min()
        table["value"] = table["value"].where(~(table["value"].isna() & table["diverged"]), worst)
    return table


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


def finished(evidence: Evidence, phase: str) -> Iterator[tuple[Planned, Record]]:
    """Planned trials of a phase with their records, failed ones left out."""
    for planned in evidence.planned:
        record = evidence.records[planned.trial]
        if planned.phase == phase and record.status is not Status.FAILED:
            yield planned, record


def tuning_points(evidence: Evidence, arm: str) -> dict[int, list[Record]]:
    """Tuning point -> its records, one a seed, failed ones too."""
    points: dict[int, list[Record]] = {}
    for planned in evidence.planned:
        if planned.arm == arm and planned.phase == "tune" and planned.point is not None:
            points.setdefault(planned.point, []).append(evidence.records[planned.trial])
    return points


def resolve_target(evidence: Evidence, metric: str) -> float:
    """The target of a metric: as frozen, else as the study gives it, else from the reference arm's tuning."""
    if evidence.frozen is not None and metric in evidence.frozen.targets:
        return evidence.frozen.targets[metric]
    given = evidence.design.study.target
    if given.value is not None:
        return given.value
    reference = (evidence.design.target_reference() or evidence.design.arms[0]).label
    return tuning_target(metric, tuning_points(evidence, reference), given.margin)
