"""What analysis works on: a study's design, what tuning chose, and every record, as data frames."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness.words.design import Choice, Design, Frozen
from harness.words.predictions import Predictions
from harness.words.record import Record
from harness.words.search import Search
from harness.words.trial import Planned

TEXTS = ("arm", "phase", "trial")
OWN = (*TEXTS, "replicate", "point")  # what a curve's values repeat of their trial


@dataclass(frozen=True)
class Evidence:
    """All that a verdict and a report are made from.

    `trials` has one row a planned trial: arm, phase, replicate, point, trial, status, reason,
    diverged_at_step, time_s, and one column a final metric (`test/accuracy`; NaN where diverged).
    `curves` is long: arm, phase, replicate, point, trial, step, metric, value; its texts are categories.
    Of an ensemble's nets all of that is the first one's: the others are `members`, seen only through
    their `predictions`.
    """

    design: Design
    choices: Mapping[str, Choice]
    frozen: Frozen | None
    trials: pd.DataFrame
    curves: pd.DataFrame
    records: Mapping[str, Record] = field(repr=False)  # trial id -> record
    planned: tuple[Planned, ...] = field(repr=False, default=())
    members: tuple[Planned, ...] = field(repr=False, default=())  # the second and further of ensembles
    predictions: Mapping[str, Predictions] = field(repr=False, default_factory=dict)  # by trial id
    checks: tuple[Mapping[str, Any], ...] = ()  # reruns: trial, arm, same (bool), max_difference
    controls: tuple[Mapping[str, Any], ...] = ()  # control studies run here: name, passed (bool), detail
    executions: tuple[Mapping[str, Any], ...] = ()  # what ran when, on what
    search: Search | None = None  # of a study of that kind
    outcomes: dict[Hashable, pd.DataFrame] = field(init=False, repr=False, default_factory=dict)  # so far


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
    trials = pd.DataFrame([_trial_row(p, by_id[p.trial]) for p in kept])
    return Evidence(
        design=design,
        choices=choices,
        frozen=frozen,
        trials=trials,
        curves=_curve_frame(trials, [by_id[p.trial] for p in kept]) if kept else pd.DataFrame(),
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


def _curve_frame(trials: pd.DataFrame, records: Sequence[Record]) -> pd.DataFrame:
    """One row a value of a curve. `records[i]` is that of row i of `trials`."""
    lengths = [len(curve) for r in records for curve in r.curves.values()]
    metrics = pd.Categorical([name for r in records for name in r.curves])
    row = np.repeat(np.arange(len(records)), [sum(map(len, r.curves.values())) for r in records])
    frame = trials[list(OWN)].astype(dict.fromkeys(TEXTS, "category")).iloc[row].reset_index(drop=True)
    return frame.assign(
        step=np.fromiter((s for r in records for _ in r.curves for s in r.steps), np.int64),
        metric=metrics.repeat(lengths),
        value=np.fromiter((v for r in records for curve in r.curves.values() for v in curve), float),
    )
