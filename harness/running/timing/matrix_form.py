"""What matrix form gains: a loop over units against one product, a loop over models against a stack."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from harness.running.timing.benchmark import Arm, Call, Pair, Setting

BATCH, FAN_IN = 100, 100
UNITS = (10, 100, 1000)
MODELS = (4, 16, 64)
WIDTHS = (64, 64, 10)  # of a digits-sized net, and batches of 64
MODEL_BATCH = 64


def settings() -> list[Setting]:
    """Both comparisons at every size."""
    layers = [
        Setting(units_name(n), (Arm("loop", partial(loop_of_units, n)), Arm("product", partial(product, n))))
        for n in UNITS
    ]
    nets = [
        Setting(
            models_name(m), (Arm("loop", partial(loop_of_models, m), m), Arm("stack", partial(stack, m), m))
        )
        for m in MODELS
    ]
    return layers + nets


def pairs() -> tuple[Pair, ...]:
    """The textbook's layer of 100 units first."""
    units = sorted(UNITS, key=lambda n: n != 100)
    return (
        *(Pair(units_name(n), "product", "loop") for n in units),
        *(Pair(models_name(m), "stack", "loop") for m in MODELS),
    )


def units_name(n: int) -> str:
    """A layer's setting as readers see it."""
    return f"a layer of {n:,} units"


def models_name(m: int) -> str:
    """A stack's setting as readers see it."""
    return f"{m} nets {'-'.join(map(str, WIDTHS))}"


def loop_of_units(n: int) -> Call:
    """Forward and backward of a layer, unit by unit: (B, I) times (I,), n times."""
    x, weights, bias, above = _layer(n)
    rows, columns = [w.detach().requires_grad_() for w in weights], above.unbind(1)

    def run() -> tuple[Tensor, ...]:
        outputs = [torch.mv(x, row) + b for row, b in zip(rows, bias, strict=True)]
        return torch.autograd.grad(outputs, rows, columns)

    return run


def product(n: int) -> Call:
    """Forward and backward of a layer as one product: (B, I) times (I, n)."""
    x, weights, bias, above = _layer(n)
    weights.requires_grad_()
    return lambda: torch.autograd.grad(torch.addmm(bias, x, weights.T), [weights], above)


def loop_of_models(m: int) -> Call:
    """Forward and backward of m nets, one after the other."""
    x, weights, above = _nets(m)
    members = [([w[i].clone().requires_grad_() for w in weights], x[i], above[i]) for i in range(m)]

    def run() -> list[tuple[Tensor, ...]]:
        return [torch.autograd.grad(_net(own, inputs), own, grad) for own, inputs, grad in members]

    return run


def stack(m: int) -> Call:
    """Forward and backward of m nets at once, as batched products."""
    x, weights, above = _nets(m)
    for weight in weights:
        weight.requires_grad_()
    return lambda: torch.autograd.grad(_net(weights, x), weights, above)


def _net(weights: list[Tensor], x: Tensor) -> Tensor:
    """Outputs (..., B, C) of inputs (..., B, I) by weights (..., I, O); ReLU between layers."""
    for weight in weights[:-1]:
        x = torch.relu(x @ weight)
    return x @ weights[-1]


def _layer(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs (B, I), weights (n, I), bias (n,), and the gradient from above (B, n)."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((BATCH, FAN_IN), (n, FAN_IN), (n,), (BATCH, n))
    x, weights, bias, above = (torch.randn(shape, generator=generator) for shape in shapes)
    return x, weights, bias, above


def _nets(m: int) -> tuple[Tensor, list[Tensor], Tensor]:
    """Inputs (M, B, I), weights (M, I, O) a layer, and the gradient from above (M, B, C)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(m, MODEL_BATCH, WIDTHS[0], generator=generator)
    weights = [torch.randn(m, i, o, generator=generator) / i**0.5 for i, o in pairwise(WIDTHS)]
    return x, weights, torch.randn(m, MODEL_BATCH, WIDTHS[-1], generator=generator)
