"""What analysis works on: a study's design, what tuning chose, and every record, as data frames."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness.words.design import Choice, Design, Frozen
from harness.words.predictions import Predictions
from harness.words.record import Record, Status
from harness.words.search import Search
from harness.words.trial import Planned


@dataclass(frozen=True)
class Evidence:
    """All that a verdict and a report are made from.

    `trials` has one row a planned trial: arm, phase, replicate, point, trial, status, reason,
    diverged_at_step, time_s, and one column a final metric (`test/accuracy`; NaN where diverged).
    Of an ensemble's nets all of that is the first one's: the others are `members`, seen only through
    their `predictions`.
    """

    design: Design
    choices: Mapping[str, Choice]
    frozen: Frozen | None
    trials: pd.DataFrame
    records: Mapping[str, Record] = field(repr=False)  # trial id -> record
    planned: tuple[Planned, ...] = field(repr=False, default=())
    members: tuple[Planned, ...] = field(repr=False, default=())  # the second and further of ensembles
    predictions: Mapping[str, Predictions] = field(repr=False, default_factory=dict)  # by trial id
    checks: tuple[Mapping[str, Any], ...] = ()  # reruns: trial, arm, same (bool), max_difference
    controls: tuple[Mapping[str, Any], ...] = ()  # control studies run here: name, passed (bool), detail
    executions: tuple[Mapping[str, Any], ...] = ()  # what ran when, on what
    search: Search | None = None  # of a study of that kind
    outcomes: dict[Hashable, pd.DataFrame] = field(init=False, repr=False, default_factory=dict)  # so far

    @property
    def judged(self) -> tuple[tuple[Planned, Record], ...]:
        """Every judged trial with its record, failed ones left out."""
        found = ((p, self.records[p.trial]) for p in self.planned if p.phase == "judge")
        return tuple((p, r) for p, r in found if r.status is not Status.FAILED)

    def curves(self, metrics: Collection[str]) -> pd.DataFrame:
        """The judged runs' curves of these metrics (`val/loss`): arm, replicate, step, metric, value.

        A row a value. Made when asked for: all curves of thousands of trials would fill the memory.
        """
        found = [
            (p, r.steps, name, r.curves[name]) for p, r in self.judged for name in r.curves if name in metrics
        ]
        lengths = [len(curve) for *_, curve in found]
        columns = {
            "arm": pd.Categorical([p.arm for p, *_ in found]).repeat(lengths),
            "replicate": np.repeat([p.replicate for p, *_ in found], lengths),
            "step": np.fromiter((s for _, steps, *_ in found for s in steps), np.int64),
            "metric": pd.Categorical([name for _, _, name, _ in found]).repeat(lengths),
            "value": np.fromiter((v for *_, curve in found for v in curve), float),
        }
        return pd.DataFrame(columns)


def gather(
    design: Design,
    choices: Mapping[str, Choice],
    frozen: Frozen | None,
    planned: Iterable[Planned],
    records: Iterable[Record],
) -> Evidence:
    """Join the plan with the records. Planned trials without a record are left out."""
    by_id = {r.trial: r for r in records}
    recorded = [p for p in planned if p.trial in by_id]
    kept = tuple(p for p in recorded if p.member == 0)
    return Evidence(
        design=design,
        choices=choices,
        frozen=frozen,
        trials=pd.DataFrame([_trial_row(p, by_id[p.trial]) for p in kept]),
        records=by_id,
        planned=kept,
        members=tuple(p for p in recorded if p.member > 0),
    )


def _trial_row(planned: Planned, record: Record) -> dict[str, Any]:
    return {
        "arm": planned.arm,
        "phase": planned.phase,
        "replicate": planned.replicate,
        "point": planned.point,
        "trial": planned.trial,
        "status": record.status.value,
        "reason": record.reason,
        "diverged_at_step": record.diverged_at_step,
        "time_s": record.time_s,
        **record.final,
    }
