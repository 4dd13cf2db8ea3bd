"""Metrics of a stack over splits, in evaluation mode unless asked otherwise: one value a member.

During training only their statistics are taken (`statistics`): what the metrics are functions of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.catalogue.losses import PerExample
from harness.catalogue.metrics import Measure, Measures, WholeMeasure
from harness.training.members import Split, StackData
from harness.training.program import Buffers, Program
from harness.words.config import batch_size_of

# By a metric's own function: its mean over examples, or its value over a split. (M,) or (M, K) float64.
Statistics = dict[PerExample, Tensor]

# Examples evaluated at once, whatever the stack: sums must not depend on it. Small enough for caches.
CHUNK = 250


def statistics(
    program: Program,
    state: tuple[Tensor, Buffers],
    data: StackData,
    split: Split,
    metrics: Measures,
    chunk: int = CHUNK,
) -> Statistics:
    """What the metrics are made of, over a split's examples. An empty split gives nothing."""
    if len(split) == 0:
        return {}
    params, buffers = state
    functions = dict.fromkeys(m.per_example for m in metrics.values() if isinstance(m, Measure))
    wholes = [m.of_split for m in metrics.values() if isinstance(m, WholeMeasure)]
    totals: Statistics = {}
    kept: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for x, y in data.chunks(split, chunk):
            outputs = program.outputs(params, buffers, x)
            for function in functions:
                part = function(outputs, y).sum(1, dtype=torch.float64)
                totals[function] = totals[function] + part if function in totals else part
            if wholes:
                kept.append((outputs, y))
    found = {function: total / len(split) for function, total in totals.items()}
    if wholes:
        outputs, y = (torch.cat(parts, 1) for parts in zip(*kept, strict=True))
        found |= {of_split: of_split(outputs, y) for of_split in wholes}
    return found


def value(metric: Measure | WholeMeasure, found: Statistics) -> Tensor:
    """The metric (..., M) by statistics (..., M) or (..., M, K)."""
    if isinstance(metric, Measure):
        return metric.of_mean(found[metric.per_example])
    return found[metric.of_split]


def over_splits(
    program: Program,
    state: tuple[Tensor, Buffers],
    data: StackData,
    splits: Mapping[str, Split],
    metrics: Measures,
    chunk: int = CHUNK,
) -> dict[str, Tensor]:
    """Each metric over each split, (M,), by its full name: `val/accuracy`."""
    return {
        f"{name}/{metric}": value(metrics[metric], found)
        for name, split in splits.items()
        if (found := statistics(program, state, data, split, metrics, chunk))
        for metric in metrics
    }


def tested(program: Program, config: dict[str, Any], n_train: int) -> tuple[Program, int]:
    """The program that sees the test split, and how many examples it sees at once (`train.test_mode`).

    In training mode dropout draws as in the last step, and batch normalisation takes the statistics of
    each batch.
    """
    if config["train"]["test_mode"] == "eval":
        return program, CHUNK
    return program._replace(outputs=program.outputs_in_training), batch_size_of(config, n_train)
