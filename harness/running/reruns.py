"""Whether a trial run again gives what its record says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from harness.errors import BadInput
from harness.records.store import Store
from harness.running.job import CACHE, Job, run_job
from harness.training.stack import Stack
from harness.words.record import Record
from harness.words.tolerance import tolerance_of
from harness.words.trial import Trial

SHORTEST_ID = 4


def reproduce(results: Path, trial: str, device: str | None = None) -> dict[str, Any]:
    """Run a recorded trial again, alone, and compare every metric; see `compare`. Nothing is stored.

    `trial` is a trial's id or the beginning of one. Raises BadInput where it fits no record, or several.
    Runs on the record's own kind of device unless told otherwise; where there is no GPU, on the CPU.
    """
    recorded = find_record(results, trial)
    again = Trial(
        study=recorded.study,
        phase="judge" if recorded.phase == "judge" else "tune",
        replicate=recorded.replicate,
        config=dict(recorded.config),
        member=recorded.member,
    )
    where = device or ("cuda" if recorded.provenance.device != "cpu" and torch.cuda.is_available() else "cpu")
    job = Job(Stack("alone", (again,)), results.absolute() / CACHE, where)
    (record,) = run_job(job).records
    found = compare(recorded, record)
    then, now = recorded.provenance, record.provenance
    changed = {k: f"{v} then, {now.versions.get(k)} now" for k, v in then.versions.items()}
    differs = {k: v for k, v in changed.items() if then.versions[k] != now.versions.get(k)}
    return {
        "study": recorded.study,
        **found,
        "data_same": then.data_fingerprint == now.data_fingerprint,
        "versions_changed": differs,
        "recorded_on": then.device,
    }


def find_record(results: Path, trial: str) -> Record:
    """The one record whose trial id begins so, of all studies. Raises BadInput."""
    if len(trial) < SHORTEST_ID:
        raise BadInput(f"{trial!r} is too short for a trial's id: give at least {SHORTEST_ID} characters")
    stores = [Store(results, p.parent.name, read_only=True) for p in sorted(results.glob("*/design.json"))]
    places = [(store, key) for store in stores for key in store.statuses() if key.startswith(trial)]
    if len({key for _, key in places}) != 1:
        what = f"{len(places)} trials begin so" if places else "no record of such a trial"
        raise BadInput(
            f"{what}: {trial!r} in {results}. A trial's id stands in MLflow's tag `trial` and in the report"
        )
    store, key = places[0]
    return next(row.record for row in store.stored({key}))


def compare(recorded: Record, again: Record) -> dict[str, Any]:
    """The trial, whether every metric is the same to within the devices' `tolerance`, the largest difference.

    The tolerance is relative; on a CPU it is 0: the same bit for bit.
    """
    pairs = list(_pairs(recorded, again))
    tolerance = tolerance_of(recorded.provenance.device, again.provenance.device)
    differences = [0.0 if _same(a, b) else abs(a - b) for a, b in pairs]
    shape = recorded.steps == again.steps and recorded.status == again.status
    return {
        "trial": recorded.trial,
        "replicate": recorded.replicate,
        "same": shape and all(_same(a, b) or abs(a - b) <= tolerance * abs(a) for a, b in pairs),
        "tolerance": tolerance,
        "max_difference": max(differences, default=0.0),
        "compared": len(pairs),
        "stack_size": recorded.provenance.stack_size,
        "device": again.provenance.device,
    }


def _pairs(first: Record, second: Record) -> Iterator[tuple[float, float]]:
    for name, curve in first.curves.items():
        yield from zip(curve, second.curves.get(name, []), strict=False)
    for name, value in first.final.items():
        yield value, second.final.get(name, math.nan)
    for name, steps in first.probes.items():
        for step, values in steps.items():
            again = second.probes.get(name, {}).get(step, [math.nan] * len(values))
            yield from zip(values, again, strict=False)


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
