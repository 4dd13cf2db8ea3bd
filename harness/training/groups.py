"""The members of a stack by optimizer: all share one gradient, then each group follows its own rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from harness.catalogue.optimizers import OPTIMIZERS, Hyper, Optimizer, State
from harness.training.graph.capture import ByShape
from harness.training.members import hyperparameters
from harness.training.stack import optimizer_of
from harness.training.update import Update, fused_of, fused_update, update_of
from harness.words.trial import Trial


class Group(NamedTuple):
    """n neighbours among the m members still training, all of one optimizer."""

    name: str  # of the optimizer
    place: slice  # in m
    hyper: Hyper  # name -> (n, 1) float64, but for the learning rate
    state: State  # (n, P) a slot

    @property
    def optimizer(self) -> Optimizer:
        """Its rule and what that needs."""
        return OPTIMIZERS[self.name]

    def coefficients(self, rates: Tensor, numbers: Tensor, dtype: torch.dtype) -> list[Hyper]:
        """The rule's coefficients at each of S steps, (n, 1) each: many steps' for the calls of one.

        `rates` (S, m, 1) are learning rates, `numbers` (S, 1, 1) count the steps from 1; both float64.
        """
        found = self.optimizer.rounded({**self.hyper, "lr": rates[:, self.place]}, numbers, dtype)
        columns = (v.unbind() if v.dim() == 3 else (v,) * len(numbers) for v in found.values())
        return [dict(zip(found, values, strict=True)) for values in zip(*columns, strict=True)]

    def bound(self, params: Tensor) -> Update:
        """What changes the group's rows of params (m, P), and its state, by gradients (m, n) a tensor."""
        own, place = (_rows(params, self.place), self.state), self.place
        fused = fused_of(self.optimizer, own[0])
        update = _update_of(self.name).bound(own) if fused is None else fused_update(fused, own)
        return lambda grads, coefficients: update([_rows(part, place) for part in grads], coefficients)

    def stepped(self, grads: Tensor, params: Tensor, coefficients: Hyper) -> Tensor:
        """The group's parameters (n, P) after a step on gradients (m, P); nothing is changed."""
        own = (_rows(grads, self.place), self.state, _rows(params, self.place), coefficients)
        after: Tensor = _recorded(self.optimizer.rule)(*own)[0]
        return after

    def effective_rate(self, rates: Tensor, coefficients: Hyper) -> Tensor:
        """Each parameter's own learning rate in the step just taken, (n, P) or, where all share it, (n, 1).

        `rates` (m, 1) are the learning rates of that step, `coefficients` its.
        """
        rule = self.optimizer.effective_rate
        own: Tensor = rates[self.place] if rule is None else _recorded(rule)(self.state, coefficients)
        return own


def groups_of(trials: Sequence[Trial], params: Tensor) -> list[Group]:
    """The groups of a stack with parameters (M, P), before its first step."""
    groups, start = list[Group](), 0
    for name, own in groupby(trials, key=optimizer_of):
        members = list(own)
        place = slice(start, start + len(members))
        state = OPTIMIZERS[name].init(params[place])
        groups.append(Group(name, place, hyperparameters(members, params.device), state))
        start = place.stop
    return groups


def kept(groups: Sequence[Group], keep: Tensor) -> list[Group]:
    """The groups of the members at `keep` (indices into m, ascending) alone."""
    left, start = list[Group](), 0
    for group in groups:
        own = keep[(keep >= group.place.start) & (keep < group.place.stop)] - group.place.start
        if len(own):
            place = slice(start, start + len(own))
            hyper = {name: value[own] for name, value in group.hyper.items()}
            left.append(Group(group.name, place, hyper, tuple(slot[own] for slot in group.state)))
            start = place.stop
    return left


def _rows(values: Tensor, block: slice) -> Tensor:
    """Some models' rows; the tensor itself where that is all of them, for less than a view costs."""
    return values if block.start == 0 and block.stop >= len(values) else values[block]


@cache
def _update_of(optimizer: str) -> ByShape:
    return update_of(OPTIMIZERS[optimizer])


@cache
def _recorded(rule: Callable[..., Any]) -> ByShape:
    """Recorded like the step: a root by another library may differ in its last bit from place to place."""
    return ByShape(rule)


def forget() -> None:
    """Let go of what was recorded, so that it is recorded anew."""
    _update_of.cache_clear()
    _recorded.cache_clear()
