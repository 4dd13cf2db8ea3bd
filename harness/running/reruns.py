"""Whether a trial run again gives what its record says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from harness.words.record import Record


def compare(recorded: Record, again: Record) -> dict[str, Any]:
    """The trial, whether every metric is the same bit for bit, and the largest difference."""
    pairs = list(_pairs(recorded, again))
    differences = [0.0 if _same(a, b) else abs(a - b) for a, b in pairs]
    shape = recorded.steps == again.steps and recorded.status == again.status
    return {
        "trial": recorded.trial,
        "replicate": recorded.replicate,
        "same": shape and all(_same(a, b) for a, b in pairs),
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


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
