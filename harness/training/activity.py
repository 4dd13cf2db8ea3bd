"""What the hidden layers of a stack's members do with a data set: moments, saturation, dead units, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import vjp, vmap

from harness.catalogue.layers import Function, HiddenLayer, Limits, watched
from harness.training.functions import Buffers, buffers_of, holding, quiet
from harness.training.graph.capture import ByShape
from harness.training.leaving import Weights
from harness.training.program import Program
from harness.words.probes import HISTOGRAM_BINS, HISTOGRAM_RANGE

NEAR = 0.01  # of a range's width: so close to a limit is saturated

Seen = tuple[Tensor, Tensor]  # (B, U): a layer's activations, and where its derivative is 0


class Activity(NamedTuple):
    """One layer of one member, over samples. A unit is one number of what the layer gives a sample."""

    mean: Tensor  # (U,) over samples
    variance: Tensor  # (U,) over samples, of divisor n
    saturated: Tensor  # () share of (unit, sample); NaN where the range is unbounded
    dead: Tensor  # (U,) whether the derivative is 0 on every sample
    counts: Tensor  # (bins,) of the fixed bins


def activity(
    program: Program, layers: Sequence[HiddenLayer], weights: Weights, inputs: Iterable[Tensor]
) -> list[list[Activity]]:
    """The layers of each of m members over chunks of inputs (m, B, ...), in evaluation mode: m x L."""
    tallies = [[_Tally(layer.limits) for layer in layers] for _ in weights.params]
    run = _stacked(program, layers)
    program.module.eval()
    for x in inputs:
        for layer, (outputs, flat) in enumerate(run(weights.params, weights.buffers, x)):
            for member, own in enumerate(tallies):
                own[layer].add(outputs[member].flatten(1).double(), flat[member].flatten(1))
    return [[tally.activity() for tally in own] for own in tallies]


def _stacked(program: Program, layers: Sequence[HiddenLayer]) -> Callable[..., tuple[Seen, ...]]:
    """What the layers give m members on x (m, B, ...), (m, B, *units) each, and where it is flat."""

    def single(flat: Tensor, buffers: Buffers, x: Tensor) -> tuple[Seen, ...]:
        calls: list[Seen] = []

        def see(_limits: Limits, function: Function, given: Tensor) -> None:
            outputs, pull_back = vjp(function, given)[:2]
            (slope,) = pull_back(torch.ones_like(outputs))
            calls.append((outputs, slope == 0))

        held = {**program.layout.unflatten(flat), **buffers}
        with watched(program.module, see), holding(program.module, held):
            program.module(x)
        return tuple(calls[layer.call] for layer in layers)

    def one_by_one(params: Tensor, buffers: Buffers, x: Tensor) -> tuple[Seen, ...]:
        members = [single(row, buffers_of(buffers, i), x[i]) for i, row in enumerate(params)]
        return tuple(
            (torch.stack([a for a, _ in own]), torch.stack([s for _, s in own]))
            for own in zip(*members, strict=True)
        )

    def together(params: Tensor, buffers: Buffers, x: Tensor) -> tuple[Seen, ...]:
        with quiet():
            seen: tuple[Seen, ...] = vmap(single)(params, buffers, x)
        return seen

    return one_by_one if program.fallback else ByShape(together)


class _Tally:
    """One layer of one member, summed up chunk by chunk."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.n, self.near = 0, 0
        self.first = self.sums = self.squares = torch.zeros(())  # (U,) float64 from the first chunk on
        self.flat = torch.ones((), dtype=torch.bool)  # (U,)
        self.counts = torch.zeros(HISTOGRAM_BINS, dtype=torch.float64)

    def add(self, values: Tensor, flat: Tensor) -> None:
        """Take in values (B, U) float64 and where the derivative is 0, (B, U)."""
        if not self.n:
            self.first = values[0].clone()
        # Of differences from the first sample: squares of what hardly varies would cancel to nothing.
        moved = values - self.first
        self.sums = self.sums + moved.sum(0)
        self.squares = self.squares + moved.square().sum(0)
        self.flat = self.flat & flat.all(0)
        self.near += self._near(values)
        low, high = HISTOGRAM_RANGE
        self.counts += torch.histc(values.clamp(low, high), HISTOGRAM_BINS, low, high).cpu()
        self.n += len(values)

    def _near(self, values: Tensor) -> int:
        low, high = self.limits
        if low is None or high is None:
            return 0
        margin = NEAR * (high - low)
        return int(((values <= low + margin) | (values >= high - margin)).sum())

    def activity(self) -> Activity:
        """What the sums say."""
        shift = self.sums / self.n
        bounded = None not in self.limits
        share = self.near / (self.n * self.sums.numel()) if bounded else torch.nan
        return Activity(
            mean=self.first + shift,
            variance=(self.squares / self.n - shift.square()).clamp(min=0),
            saturated=torch.tensor(share, dtype=torch.float64),
            dead=self.flat,
            counts=self.counts,
        )
