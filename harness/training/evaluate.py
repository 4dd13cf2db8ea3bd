"""Metrics of a stack over splits, in evaluation mode unless asked otherwise: one value a member.

During training only their statistics are taken (`statistics`): what the metrics are functions of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from harness.catalogue.losses import PerExample
from harness.catalogue.metrics import Measure, Measures, WholeMeasure
from harness.training.functions import Buffers
from harness.training.members import Split, StackData
from harness.training.program import Program
from harness.words.config import batch_size_of

# Examples evaluated at once, whatever the stack: sums must not depend on it. Small enough for caches.
CHUNK = 250


class Statistics(NamedTuple):
    """What metrics over a split of `n` examples are functions of, by a metric's own function.

    `sums` over the examples and values of the `whole` split, (..., M) or (..., M, K) float64.
    """

    n: int
    sums: dict[PerExample, Tensor]
    whole: dict[PerExample, Tensor]

    def value(self, metric: Measure | WholeMeasure) -> Tensor:
        """The metric, (..., M)."""
        if isinstance(metric, Measure):
            return metric.of_mean(self.sums[metric.per_example] / self.n)
        return self.whole[metric.of_split]

    def changed(self, change: Callable[[Tensor], Tensor]) -> Statistics:
        """With every tensor changed."""
        sums, whole = ({f: change(value) for f, value in own.items()} for own in self[1:])
        return Statistics(self.n, sums, whole)

    def and_of(self, rest: Statistics) -> Statistics:
        """Those of this part of a split and the rest of it, which know nothing of the split as a whole."""
        return Statistics(self.n + rest.n, {f: self.sums[f] + more for f, more in rest.sums.items()}, {})


def stacked(every: Sequence[Statistics]) -> Statistics:
    """Statistics of the same split at E times as one, (E, M) or (E, M, K); what the first one has of them."""
    first = every[0]
    sums = {f: torch.stack([own.sums[f] for own in every]) for f in first.sums}
    return Statistics(first.n, sums, {f: torch.stack([own.whole[f] for own in every]) for f in first.whole})


def statistics(
    program: Program,
    state: tuple[Tensor, Buffers],
    data: StackData,
    split: Split,
    metrics: Measures,
    chunk: int = CHUNK,
) -> Statistics:
    """What the metrics are made of, over a split's examples, of which there is one at least."""
    params, buffers = state
    functions = dict.fromkeys(m.per_example for m in metrics.values() if isinstance(m, Measure))
    wholes = [m.of_split for m in metrics.values() if isinstance(m, WholeMeasure)]
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
    if not wholes:
        return Statistics(len(split), totals, {})
    outputs, y = (torch.cat(parts, 1) for parts in zip(*kept, strict=True))
    return Statistics(len(split), totals, {of_split: of_split(outputs, y) for of_split in wholes})


def values(metrics: Measures, seen: Mapping[str, Statistics]) -> dict[str, Tensor]:
    """Each metric over each split, (..., M), by its full name: `val/accuracy`."""
    return {
        f"{split}/{name}": found.value(metric)
        for split, found in seen.items()
        for name, metric in metrics.items()
    }


def tested(program: Program, config: dict[str, Any], n_train: int) -> tuple[Program, int]:
    """The program that sees the test split, and how many examples it sees at once (`train.test_mode`).

    In training mode dropout draws as in the last step, and batch normalisation takes the statistics of
    each batch.
    """
    if config["train"]["test_mode"] == "eval":
        return program, CHUNK
    return program._replace(outputs=program.outputs_in_training), batch_size_of(config, n_train)
