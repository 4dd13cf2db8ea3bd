"""A record as MLflow's params, tags and metrics: pure functions, within MLflow's limits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from mlflow.entities import Metric, Param

from harness.records.parts import Stored
from harness.words.base import content_hash
from harness.words.paths import flatten
from harness.words.trial import Planned
from harness.words.verdict import StudyVerdict

T = TypeVar("T")
PARAMS_A_CALL = 100
METRICS_A_CALL = 1000
CURVE_VALUES = 128  # of a run, about, at 0.07 ms each: four curves of a run of 30 epochs are shown whole
FEWEST_POINTS = 10  # a curve keeps, however many curves there are
LONGEST_VALUE = 500  # characters; MLflow cuts params at 6,000 and tags at 8,000 without a word


def trial_tags(stored: Stored, places: Sequence[Planned], study_hash: str) -> dict[str, str]:
    """The tags of a trial's run. `places`: where the plan has the trial; two equal arms share one."""
    record = stored.record
    points = [str(p.point) for p in places if p.point is not None]
    tags = {
        "kind": "trial",
        "trial": record.trial,
        "study": record.study,
        "execution": stored.execution,
        "arm": arm_tag(places),
        "phase": record.phase,
        "replicate": str(record.replicate),
        "member": str(record.member or ""),
        "point": points[0] if points else "",
        "status": record.status.value,
        "reason": record.reason,
        "diverged_at_step": "" if record.diverged_at_step is None else str(record.diverged_at_step),
        "study_hash": study_hash,
        "data_fingerprint": record.provenance.data_fingerprint,
        "code_version": record.provenance.versions.get("harness", ""),
        "device": record.provenance.device,
        "stack_size": str(record.provenance.stack_size),
        "fallback": record.provenance.fallback or "",
    }
    return {k: cut(v) for k, v in tags.items() if v}


def arm_tag(places: Sequence[Planned]) -> str:
    """The arm a trial is grouped by; two arms of equal content share one trial, and are both named."""
    return cut(" = ".join(dict.fromkeys(p.arm for p in places)))


def run_name(tags: dict[str, str]) -> str:
    """What the run is called in tables: arm, phase, point, replicate."""
    parts = [tags.get("arm", tags["trial"]), tags["phase"]]
    if "point" in tags:
        parts.append(f"p{tags['point']}")
    return cut(" ".join([*parts, f"r{tags['replicate']}"]))


def params(config: dict[str, Any]) -> tuple[list[Param], bool]:
    """The flattened config, and whether something was too long or too many to be shown whole."""
    texts = {clean(path): _text(value) for path, value in flatten(config)}
    whole = all(len(t) <= LONGEST_VALUE for t in texts.values())
    return [Param(k, cut(t)) for k, t in texts.items()], not whole


def span_ms(stored: Stored) -> tuple[int, int]:
    """When the trial began and ended, in milliseconds since 1970: its share of time before it was written."""
    ended = round(stored.written_at * 1000)
    time_s = stored.record.time_s
    return ended - (round(time_s * 1000) if math.isfinite(time_s) else 0), ended


def metrics(stored: Stored) -> list[Metric]:
    """The curves' finite values, thinned where many, and the final metrics, as `final/split/metric`."""
    record = stored.record
    started_ms, ended_ms = span_ms(stored)
    n = len(record.steps)
    drawn = [(i, started_ms + (ended_ms - started_ms) * (i + 1) // n) for i in points(n, len(record.curves))]
    # Last values first: MLflow keeps a run's latest, and would overwrite it at every later one.
    found = [
        Metric(key, curve[i], time, record.steps[i])
        for key, curve in ((clean(name), curve) for name, curve in record.curves.items())
        for i, time in reversed(drawn)
        if math.isfinite(curve[i])
    ]
    single = {f"final/{name}": value for name, value in record.final.items()}
    single |= {"time/trial_s": record.time_s, "size/parameters": float(record.n_parameters)}
    # At step 0 MLflow draws a bar an arm; at any other step, a line of one point.
    return found + [Metric(clean(k), v, ended_ms, 0) for k, v in single.items() if math.isfinite(v)]


def points(evaluations: int, curves: int) -> list[int]:
    """Which evaluations a run shows, first and last among them: all, or as many as make `CURVE_VALUES`."""
    most = max(FEWEST_POINTS, CURVE_VALUES // max(curves, 1))
    if evaluations <= most:
        return list(range(evaluations))
    return [round(i * (evaluations - 1) / (most - 1)) for i in range(most)]


def arm_metrics(verdict: StudyVerdict, time_ms: int) -> list[Metric]:
    """An execution's summary: every arm's mean outcomes and how many trials it had and lost."""
    values: dict[str, float | None] = {}
    for arm in verdict.arms:
        values[f"trials/{arm.arm}"] = float(arm.n)
        values[f"diverged/{arm.arm}"] = float(arm.n_diverged)
        values |= {f"{outcome}/{arm.arm}": facts.get("mean") for outcome, facts in arm.outcomes.items()}
    finite = {k: v for k, v in values.items() if v is not None and math.isfinite(v)}
    return [Metric(clean(k), v, time_ms, 0) for k, v in finite.items()]


def clean(name: str) -> str:
    """The name in the characters MLflow allows, others as `_`; at most 250, no empty or dotted part."""
    allowed = re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)
    parts = [p if p.strip(".") else "_" + p for p in allowed.split("/")]
    return "/".join(parts)[:250]


def digest(value: Any) -> str:
    """A short hash of a JSON value, to tell whether something changed."""
    return content_hash(json.dumps(value, sort_keys=True))


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def cut(text: str) -> str:
    """The text, shortened where it is longer than tables can show."""
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
