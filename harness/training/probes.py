"""Probes: what a stack's hidden layers do, at its start, its end and on the way.

A probe gives every member L values, one a hidden layer (`catalogue.layers`), measured over the whole
training set in evaluation mode; gradients are the training loss's, in training mode. Sums are taken
member by member, so that a value depends neither on the stack nor on a neighbour. One new probe: one
function and one line here, and its facts in `words.probes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from harness.catalogue.dropout import mix
from harness.catalogue.layers import hidden_layers
from harness.training.activity import Activity, activity
from harness.training.evaluate import CHUNK
from harness.training.leaving import Weights
from harness.training.members import StackData
from harness.training.penalty import sparsity as share_of_small
from harness.training.run import Run
from harness.training.start import noise_key
from harness.words.probes import PROBES as FACTS

EXAMPLES = 2  # that a network's layers are found on


class Standing:
    """Some members of a stack after `step` optimizer steps, and what several probes share of them."""

    def __init__(self, run: Run, rows: Sequence[int], weights: Weights, data: StackData, step: int) -> None:
        self.run, self.rows, self.step = run, rows, step
        # Copies, as a network may write into what it is given.
        self.params, self.buffers = weights.params.clone(), {n: b.clone() for n, b in weights.buffers.items()}
        self.data = data
        self.layers = hidden_layers(run.program.module, data.example(EXAMPLES)[0])

    @cached_property
    def activity(self) -> list[list[Activity]]:
        """Each member's hidden layers on the training set, m x L."""
        chunks = self.data.chunks(self.data.splits["train"], CHUNK)
        inputs = (x for x, _ in chunks)
        return activity(self.run.program, self.layers, Weights(self.params, self.buffers), inputs)

    @cached_property
    def gradient(self) -> Tensor:
        """Of the mean training loss over the training set, (m, P) float64, with the first step's dropout."""
        train = self.data.splits["train"]
        keys = torch.tensor([noise_key(self.run.stack.trials[i]) for i in self.rows]).to(self.params.device)
        drawn = {f"{path}.key": mix(mix(keys)) for path in self.run.program.dropouts}
        total = torch.zeros_like(self.params, dtype=torch.float64)
        for x, y in self.data.chunks(train, CHUNK):
            buffers = {name: b.clone() for name, b in {**self.buffers, **drawn}.items()}
            grads, _ = self.run.program.gradient(self.params, buffers, x, y)
            total += torch.cat(grads, 1).double() * (x.shape[1] / len(train))
        return total

    def by_weight(self, flat: Tensor, number: Callable[[Tensor], Tensor]) -> Tensor:
        """`number` of every layer's part of flat (m, P), taken as one weight matrix: (m, L) float64."""
        layout = self.run.program.layout
        named = [layout.unflatten(row.double()) for row in flat]
        return torch.stack([torch.stack([number(own[la.weight]) for la in self.layers]) for own in named])

    def by_activity(self, number: Callable[[Activity], Tensor]) -> Tensor:
        """`number` of every layer's activity: (m, L) float64."""
        return torch.stack([torch.stack([number(layer) for layer in member]) for member in self.activity])


def activation_mean(at: Standing) -> Tensor:
    """The mean activation over units and samples."""
    return at.by_activity(lambda layer: layer.mean.mean())


def total_spread(at: Standing) -> Tensor:
    """The standard deviation over all units and samples.

    sqrt(mean_u var_s a + var_u mean_s a), for units u and samples s.
    """
    return at.by_activity(lambda layer: (layer.variance.mean() + layer.mean.var(correction=0)).sqrt())


def between_sample_spread(at: Standing) -> Tensor:
    """The mean over units of the standard deviation over samples.

    What is left of the spread once the units' constant parts are removed: 0 where the layer tells
    no two samples apart.
    """
    return at.by_activity(lambda layer: layer.variance.sqrt().mean())


def saturated_fraction(at: Standing) -> Tensor:
    """The share of (unit, sample) within 1 % of the range's width from a limit; NaN for unbounded ranges."""
    return at.by_activity(lambda layer: layer.saturated)


def dead_fraction(at: Standing) -> Tensor:
    """The share of units whose activation has derivative 0 on every sample: they can't learn."""
    return at.by_activity(lambda layer: layer.dead.double().mean())


def activation_histogram(at: Standing) -> Tensor:
    """Activations counted in the fixed bins of `words.probes`: (m, L x bins), layer by layer."""
    return at.by_activity(lambda layer: layer.counts).flatten(1)


def gradient_norm(at: Standing) -> Tensor:
    """||dE/dW|| of the layer's weights W (Frobenius), E the mean training loss over the training set."""
    return at.by_weight(at.gradient, _norm)


def sparsity(at: Standing) -> Tensor:
    """The share of the layer's weights with |w| < 1e-3: what an L1 penalty drives to 0."""
    return at.by_weight(at.params, share_of_small)


def update_ratio(at: Standing) -> Tensor:
    """||dW|| / ||W|| of the next optimizer step, were it taken on the training set's gradient."""
    parts = at.run.program.layout.split(at.gradient.to(at.params.dtype))
    grads = torch.cat(at.run.penalties.applied(parts, at.params), 1)
    (coefficients,) = at.run.coefficients(range(at.step, at.step + 1))
    by_group = zip(at.run.groups, coefficients, strict=True)
    params = torch.cat([group.stepped(grads, at.params, its) for group, its in by_group])
    return at.by_weight(params.double() - at.params.double(), _norm) / at.by_weight(at.params, _norm)


def effective_rate(at: Standing) -> Tensor:
    """The median over the layer's weights of the learning rate that the last step gave each of them.

    lr / (sqrt(G) + eps) for AdaGrad, say; lr itself where the rule scales no parameter on its own.
    """
    last = range(at.step - 1, at.step)
    (rates,), (coefficients,) = at.run.learning_rates(last), at.run.coefficients(last)
    by_group = zip(at.run.groups, coefficients, strict=True)
    own = [group.effective_rate(rates, its).expand(-1, at.params.shape[1]) for group, its in by_group]
    return at.by_weight(torch.cat([rate.double() for rate in own]), torch.median)


def _norm(weights: Tensor) -> Tensor:
    return weights.square().sum().sqrt()


PROBES: dict[str, Callable[[Standing], Tensor]] = {
    "activation_mean": activation_mean,
    "total_spread": total_spread,
    "between_sample_spread": between_sample_spread,
    "saturated_fraction": saturated_fraction,
    "dead_fraction": dead_fraction,
    "gradient_norm": gradient_norm,
    "sparsity": sparsity,
    "update_ratio": update_ratio,
    "effective_rate": effective_rate,
    "activation_histogram": activation_histogram,
}


def probe_plan(config: Mapping[str, Any], total: int) -> dict[int, list[str]]:
    """Which probes are due after which steps of a run of `total`, its end left out.

    `all` is at the start and after 1, 2, 4, ... steps: evenly spaced in log steps.
    """
    powers = [1 << k for k in range(total.bit_length()) if 1 << k < total]
    due: dict[int, list[str]] = {}
    for name, whens in (config.get("probes") or {}).items():
        first = [0] if {"start", "all"} & set(whens) and not FACTS[name].moves else []
        for step in [*first, *(powers if "all" in whens else [])]:
            due.setdefault(step, []).append(name)
    return due


def probe(run: Run, step: int, names: Sequence[str]) -> None:
    """Measure the members still training after `step` steps; each keeps its own in `run.probed`."""
    rows = run.rows.tolist()
    at = Standing(run, rows, Weights(run.params, run.buffers), run.data, step)
    _keep(run, at, names, dict.fromkeys(rows, step), run.training)


def probe_end(run: Run, total: int) -> None:
    """Measure what is due at the end: of members that stopped early, their best weights."""
    asked = run.stack.config.get("probes") or {}
    names = [name for name, whens in asked.items() if {"end", "all"} & set(whens)]
    if not names:
        return
    if run.stopping is None:
        probe(run, total, [name for name in names if total or not FACTS[name].moves])
        return
    rows = list(range(len(run.stack.trials)))
    best = Weights(run.stopping.params, run.stopping.buffers)
    at = Standing(run, rows, best, run.everyone, total)
    of_weights = [name for name in names if not FACTS[name].state]
    _keep(run, at, of_weights, dict(enumerate(run.stopping.steps)), ~run.diverged)


def _keep(run: Run, at: Standing, names: Sequence[str], steps: Mapping[int, int], whose: Tensor) -> None:
    """Note the values of the members in `whose` (M,), as of `steps` by member."""
    kept = whose.tolist()
    for name in names:
        values = PROBES[name](at).tolist()
        for row, own in zip(at.rows, values, strict=True):
            if kept[row]:
                run.probed[row].setdefault(name, {})[steps[row]] = own
