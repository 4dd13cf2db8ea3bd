"""Metrics of a stack over splits, in evaluation mode unless asked otherwise: one value a member."""

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

# Examples evaluated at once, whatever the stack: sums must not depend on it. Small enough for caches.
CHUNK = 250


def evaluate(
    program: Program,
    state: tuple[Tensor, Buffers],
    data: StackData,
    split: Split,
    metrics: Measures,
    chunk: int = CHUNK,
) -> dict[str, Tensor]:
    """Each metric over a split's examples, (M,) float64. An empty split gives nothing."""
    if len(split) == 0:
        return {}
    params, buffers = state
    means = {name: metric for name, metric in metrics.items() if isinstance(metric, Measure)}
    wholes = {name: metric for name, metric in metrics.items() if isinstance(metric, WholeMeasure)}
    functions = dict.fromkeys(metric.per_example for metric in means.values())
    totals: dict[PerExample, Tensor] = {}
    kept: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for x, y in data.chunks(split, chunk):
            outputs = program.outputs(params, buffers, x)
            for function in functions:
                part = function(outputs, y).sum(1, dtype=torch.float64)
                totals[function] = totals[function] + part if function in totals else part
            if wholes:
                kept.append((outputs, y))
    found = {name: m.of_mean(totals[m.per_example] / len(split)) for name, m in means.items()}
    if wholes:
        outputs, y = (torch.cat(parts, 1) for parts in zip(*kept, strict=True))
        found |= {name: metric.of_split(outputs, y) for name, metric in wholes.items()}
    return found


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
        f"{name}/{metric}": value
        for name, split in splits.items()
        for metric, value in evaluate(program, state, data, split, metrics, chunk).items()
    }


def tested(program: Program, config: dict[str, Any], n_train: int) -> tuple[Program, int]:
    """The program that sees the test split, and how many examples it sees at once (`train.test_mode`).

    In training mode dropout draws as in the last step, and batch normalisation takes the statistics of
    each batch.
    """
    if config["train"]["test_mode"] == "eval":
        return program, CHUNK
    return program._replace(outputs=program.outputs_in_training), batch_size_of(config, n_train)
