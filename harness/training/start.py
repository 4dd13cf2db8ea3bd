"""What a trial starts from: module, initial weights, batch order and noise key, each from its own stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from harness.catalogue.inits import INITS
from harness.catalogue.resolve import build_network
from harness.training.functions import Buffers
from harness.training.layout import Layout, layout_of
from harness.words.config import RunConfig
from harness.words.seeds import seed_for
from harness.words.trial import Trial

# What weights are kept in; tf32 and bfloat16 are of products alone.
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "tf32": torch.float32,
    "bfloat16": torch.float32,
}


def build_module(
    config: dict[str, Any], input_shape: tuple[int, ...], n_classes: int | None, n_targets: int = 1
) -> nn.Module:
    """The network of a resolved config, in its dtype."""
    run = RunConfig.model_validate(config)
    return _kept_in(build_network(run, input_shape, n_classes, n_targets=n_targets), run)


def _kept_in(module: nn.Module, config: RunConfig) -> nn.Module:
    """The module with floating tensors in the config's dtype; `Module.to` would make complex ones real."""
    return module.double() if DTYPES[config.train.dtype] is torch.float64 else module.float()


def initial_state(
    trial: Trial,
    module: nn.Module,
    input_shape: tuple[int, ...],
    n_classes: int | None,
    n_targets: int = 1,
    layout: Layout | None = None,
) -> tuple[Tensor, Buffers]:
    """The trial's initial parameters, flat (P,), and buffers, on the CPU wherever the module is.

    An own network is built anew with the trial's seed and keeps what its constructor drew. `layout`: that
    of its program, if not the usual one.
    """
    if "class" not in trial.config["model"]:
        return initial_params(trial, module), initial_buffers(trial, module)
    run = RunConfig.model_validate(trial.config)
    seed = seed_for("init", *trial.seed_parts())
    own = _kept_in(build_network(run, input_shape, n_classes, seed, n_targets), run)
    params = {name: p.detach() for name, p in own.named_parameters()}
    layout = layout or layout_of(own)
    return layout.flatten(params), {name: b.detach().clone() for name, b in own.named_buffers()}


def initial_params(trial: Trial, module: nn.Module) -> Tensor:
    """The trial's initial parameters, flat (P,): weights drawn by the config's init, the rest as built.

    A parameter's generator is named by its own name, so that arms of equal shapes start alike and a
    change to one layer leaves the others' draws as they were.
    """
    layout, own = layout_of(module), {name: p.detach().cpu() for name, p in module.named_parameters()}
    return layout.flatten({name: _initial(trial, name, own[name]) for name in layout.names})


def _initial(trial: Trial, name: str, own: Tensor) -> Tensor:
    model = trial.config["model"]
    if own.ndim < 2:  # a bias, the scale of a normalisation, the slope of an activation
        return torch.full_like(own, model.get("init_bias", 0.0)) if name.endswith("bias") else own
    generator = torch.Generator().manual_seed(seed_for("init", *trial.seed_parts(), name))
    gain: float = model.get("init_gain", 1.0)
    return INITS[model["init"]].draw(tuple(own.shape), generator, own.dtype) * gain


def initial_buffers(trial: Trial, module: nn.Module) -> Buffers:
    """The module's buffers, with the dropout rates of this trial."""
    buffers = {name: b.detach().cpu().clone() for name, b in module.named_buffers()}
    rate = trial.config["model"].get("dropout", 0.0)
    return {n: torch.full_like(b, rate) if n.endswith("dropout.rate") else b for n, b in buffers.items()}


def noise_key(trial: Trial) -> int:
    """The trial's key for dropout and noise, in [0, 2^32)."""
    return seed_for("noise", *trial.seed_parts()) & 0xFFFFFFFF


def batch_orders(trial: Trial, n_train: int, batch_size: int) -> Iterator[Tensor]:
    """Epoch after epoch, the indices of the training examples by step: (steps an epoch, B) int64.

    Each epoch is a fresh permutation; a last batch that would be short is left out, so that every
    step sees B examples.
    """
    generator = torch.Generator().manual_seed(seed_for("order", *trial.seed_parts()))
    steps = n_train // batch_size
    while True:
        yield torch.randperm(n_train, generator=generator)[: steps * batch_size].view(steps, batch_size)
