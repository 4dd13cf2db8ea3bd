"""What an optimizer is, and the few operations its rules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from harness.catalogue.optimizers.fused import Fused
from harness.words.base import Word
from harness.words.ranges import OwnRange

Hyper = Mapping[str, Tensor]
State = tuple[Tensor, ...]
Coefficients = Callable[[Hyper, Tensor], Hyper]  # of the number of the step, counted from 1, float64
Rule = Callable[[Tensor, State, Tensor, Hyper], tuple[Tensor, State]]
EffectiveRate = Callable[[State, Hyper], Tensor]


class Optimizer(NamedTuple):
    """A pure optimizer: its options with defaults, its state's size, its rule and where that comes from.

    `effective_rate(state, coefficients)`, of the state after a step and that step's coefficients, is each
    parameter's own learning rate (..., P): what the step multiplied the gradient by, or the mean of
    gradients, freed of the bias of its zero start, that stands for it. None where that is the plain `lr`.
    `fused(grads, state, params, coefficients)` is the rule for rows (P,) of models in float32 on a CPU, in
    place and one model after another, by coefficients that are the same numbers for all. It may spoil grads.
    """

    options: type[Word]
    n_slots: int  # state tensors of the parameters' shape, all starting at 0
    coefficients: Coefficients
    rule: Rule
    lr_range: OwnRange
    formula: str
    source: str
    effective_rate: EffectiveRate | None = None
    fused: Fused | None = None

    def init(self, params: Tensor) -> State:
        """The state before the first update: `n_slots` zero tensors shaped like params (..., P)."""
        return tuple(torch.zeros_like(params) for _ in range(self.n_slots))

    def update(
        self, grads: Tensor, state: State, params: Tensor, hyper: Hyper, step: int
    ) -> tuple[Tensor, State]:
        """New parameters and state after one step on grads (..., P); nothing given is changed."""
        return self.rule(grads, state, params, self.rounded(hyper, step, grads.dtype))

    def rounded(self, hyper: Hyper, step: int | Tensor, dtype: torch.dtype) -> Hyper:
        """The step's coefficients, (..., 1), in the parameters' dtype.

        Steps (S, 1, 1) and hyperparameters (M, 1) or (S, M, 1) give those of S steps at once, (S, M, 1);
        what is the same at every step may stay (M, 1).
        """
        number = torch.as_tensor(step, dtype=torch.float64, device=hyper["lr"].device)
        return {name: value.to(dtype) for name, value in self.coefficients(hyper, number).items()}


# Options that several optimizers have, with their search ranges.
Beta1 = Annotated[float, Field(ge=0, lt=1), OwnRange(0.8, 0.99, log=False)]
Beta2 = Annotated[float, Field(ge=0, lt=1), OwnRange(0.9, 0.9999, log=False)]


class SgdOptions(Word):
    """Learning rate and L2 penalty (added to the gradient)."""

    lr: PositiveFloat = 0.1
    weight_decay: NonNegativeFloat = 0.0


def as_they_are(hyper: Hyper, _step: Tensor) -> Hyper:
    """The hyperparameters themselves, at every step."""
    return hyper


def penalised(grads: Tensor, params: Tensor, c: Hyper) -> Tensor:
    """The gradient plus the L2 penalty's, where any member has one."""
    decay = c.get("weight_decay")
    return grads if decay is None else torch.addcmul(grads, decay, params)


def kept(hyper: Hyper) -> Hyper:
    """What a step of decoupled weight decay leaves of a weight, 1 - lr wd, where any member has one."""
    decay = hyper.get("weight_decay")
    return {} if decay is None else {"kept": 1 - hyper["lr"] * decay}


def shrunk(params: Tensor, c: Hyper) -> Tensor:
    """The parameters after decoupled weight decay."""
    return params * c["kept"] if "kept" in c else params


def divided(params: Tensor, numerator: Tensor, denominator: Tensor) -> Tensor:
    """Params - numerator / denominator."""
    return torch.addcdiv(params, numerator, denominator, value=-1)


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """Base to the exponent by logarithm: torch.pow's last bit depends on where an element stands."""
    return torch.exp(exponent * torch.log(base))
