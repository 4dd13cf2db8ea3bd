"""A record: what a trial left behind."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import PlainSerializer

from harness.words.base import Word


class Status(StrEnum):
    """How a trial ended. A trial that isn't `done` has no final metrics."""

    DONE = "done"
    DIVERGED = "diverged"  # NaN, Inf, or loss above 10 x its initial value
    FAILED = "failed"  # an error of the program; `reason` says which; run again next time


class Provenance(Word):
    """Where and with what a stack of trials ran."""

    device: str
    stack_size: int
    versions: dict[str, str]  # python, torch, harness, ...
    data_fingerprint: str
    fallback: str | None = None  # why the stack did not run as asked, if it didn't


class Record(Word):
    """One trial's outcome. Curves hold one value an evaluation; the final metrics one a split and metric.

    `curves["val/accuracy"][i]` was measured after `steps[i]` optimizer steps. `train/*` curves are
    measured, in evaluation mode, on the first `n_val` training examples; `final["train/*"]` on all.
    After divergence curves hold NaN; a trial that stopped early ends with the evaluation at which it did.
    `probes["gradient_norm"][step]` holds one number a hidden layer (`words.probes`), in the order of a
    forward pass.
    """

    trial: str
    study: str
    phase: str
    replicate: int
    config: dict[str, object]
    member: int = 0  # of an ensemble; see Trial
    status: Status
    reason: str = ""
    diverged_at_step: int | None = None
    best_step: int | None = None  # whose weights the final metrics are of, where a trial may stop early
    steps: list[int]
    curves: Annotated[Mapping[str, list[float]], PlainSerializer(dict)]
    final: dict[str, float]
    probes: dict[str, dict[int, list[float]]] = {}
    n_parameters: int
    time_s: float  # this trial's share of its stack's wall time
    provenance: Provenance
