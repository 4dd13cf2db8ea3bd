"""A user's own network: built with seeds of its trial, its randomness and statistics made the trial's own.

`nn.Dropout`, `nn.Dropout1d` and `nn.Dropout2d` become our `OwnDropout`, and batch norms our `BatchNorm`:
torch's draw from a global generator and sum in another order when models are stacked. Parameters
that require no gradient become buffers, so that no optimizer moves them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.catalogue.config_error import ConfigError
from harness.catalogue.normalisation import BatchNorm
from harness.catalogue.own_class import FAILURES, FROM_DATA, RESERVED, OwnClass, own_class, said
from harness.catalogue.own_dropout import OwnDropout, count_calls

Shape = tuple[int, ...]
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
PLAIN = frozenset(vars(nn.Module()))  # a module's own attributes: registered modules, hooks, ...
PROBE = 2  # examples of zeros that a network is tried on


def build(
    section: Mapping[str, Any],
    input_shape: Shape,
    n_classes: int | None,
    seed: int,
    n_outputs: int,
) -> nn.Module:
    """The network of a resolved `model` section for inputs (B, *input_shape), drawn from `seed`.

    Raises ConfigError where the source has changed, or the constructor or a first forward pass fails.
    """
    own = own_class(section["class"])
    if section["source"] != own.source:
        message = f"the source of {section['class']} has changed since this trial was planned; plan it again"
        raise ConfigError("model.class", message)
    keywords = {k: v for k, v in section.items() if k not in RESERVED}
    keywords |= _from_data(own, input_shape, n_classes, n_outputs)
    with _seeded(seed):
        module = _constructed(own, keywords, input_shape)
    return ours(module)


def check(
    module: nn.Module,
    section: Mapping[str, Any],
    input_shape: Shape,
    n_classes: int | None,
    n_outputs: int,
) -> None:
    """Try the module on two examples of zeros, in training and in evaluation.

    Raises ConfigError where there is nothing to train or a complex parameter, the forward pass fails, gives
    another shape than (B, outputs), draws from a global generator, or replaces a buffer instead of writing
    into it.
    """
    name = section["class"]
    if not any(True for _ in module.parameters()):  # frozen ones are buffers by now
        message = f"{name} has no parameter to train; register some, or leave one with requires_grad"
        raise ConfigError("model.class", message)
    _real(module, name)
    for training in (True, False):
        module.train(training)
        with _unmoved(name), torch.no_grad():
            buffers = dict(module.named_buffers())
            outputs = _forward(module, name, input_shape)
            _same_buffers(module, name, buffers)
        wanted = (PROBE, n_outputs)
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        if found != wanted:
            per_class = n_outputs == n_classes
            what = "one output a class" if per_class else "one a target, or as many as the loss takes"
            message = f"{name} gives {found} for inputs {(PROBE, *input_shape)}; allowed: {wanted}, {what}"
            raise ConfigError("model.class", message)


def _real(module: nn.Module, name: str) -> None:
    """Raise ConfigError where a parameter is complex."""
    found = [(n, p.dtype) for n, p in module.named_parameters() if p.is_complex()]
    if found:
        message = (
            f"the parameter {found[0][0]!r} of {name} is {str(found[0][1]).removeprefix('torch.')}; allowed: "
            "real ones. Keep its real and imaginary parts as one of shape (..., 2) and read it by "
            "torch.view_as_complex"
        )
        raise ConfigError("model.class", message)


def ours(module: nn.Module) -> nn.Module:
    """The module with dropouts and batch norms swapped for ours and frozen parameters as buffers.

    Raises ConfigError where a swapped one is also held where it can't be replaced.
    """
    known: dict[int, nn.Module] = {}
    parts = list(module.modules())
    for layer, part in enumerate(parts):
        known[id(part)] = _swapped(part, layer, len(parts))
    _held_by_modules_alone(module, {key for key, part in known.items() if id(part) != key})
    for part in list(known.values()):
        for name, child in list(part._modules.items()):
            part._modules[name] = known.get(id(child), child)
    root = known[id(module)]
    for part in root.modules():
        _freeze(part)
    count_calls(root)
    return root


def _held_by_modules_alone(module: nn.Module, swapped: set[int]) -> None:
    """Raise ConfigError where a plain attribute holds a module of these ids: the one held would run on."""
    for path, part in module.named_modules():
        for name in vars(part).keys() - PLAIN:
            held = next((m for m in _modules_in(vars(part)[name]) if id(m) in swapped), None)
            if held is not None:
                where = ".".join(filter(None, (path, name)))
                message = (
                    f"the plain attribute {where} of {type(module).__name__} holds a {type(held).__name__}, "
                    "which can't be made each trial's own there; use nn.ModuleList or nn.ModuleDict"
                )
                raise ConfigError("model.class", message)


def _modules_in(value: Any) -> Iterator[nn.Module]:
    """The modules that a value of plain Python is or holds."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, list | tuple | set | frozenset | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _modules_in(part)


def _swapped(part: nn.Module, layer: int, layers: int) -> nn.Module:
    if type(part) in DROPOUTS:
        whole = not isinstance(part, nn.Dropout)
        rate = float(part.p)  # type: ignore[arg-type]
        return OwnDropout(rate, layer, layers, whole_channels=whole) if rate > 0 else nn.Identity()
    if isinstance(part, BATCH_NORMS) and type(part) in BATCH_NORMS and _is_plain(part):
        norm = BatchNorm(part.num_features, float(part.momentum or 0.0), part.eps)
        norm.load_state_dict({k: v for k, v in part.state_dict().items() if k != "num_batches_tracked"})
        for name, own in part.named_parameters():
            getattr(norm, name).requires_grad_(own.requires_grad)
        return norm
    return part


def _is_plain(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> bool:
    return bool(norm.affine and norm.track_running_stats and norm.momentum is not None)


def _freeze(part: nn.Module) -> None:
    for name, parameter in list(part.named_parameters(recurse=False)):
        if not parameter.requires_grad:
            delattr(part, name)
            part.register_buffer(name, parameter.detach())


def _from_data(own: OwnClass, input_shape: Shape, n_classes: int | None, n_outputs: int) -> dict[str, Any]:
    values = (tuple(input_shape), math.prod(input_shape), n_classes, n_outputs)
    return {n: v for n, v in zip(FROM_DATA, values, strict=True) if n in own.parameters}


def _constructed(own: OwnClass, keywords: Mapping[str, Any], input_shape: Shape) -> nn.Module:
    try:
        module = own.cls(**keywords)
    except FAILURES as error:
        called = ", ".join(f"{k}={v!r}" for k, v in keywords.items())
        raise ConfigError("model.class", f"{own.cls.__name__}({called}) raised {said(error)}") from error
    if any(isinstance(p, nn.UninitializedParameter) for p in module.parameters()):
        _forward(module.eval(), own.cls.__name__, input_shape)  # lazy layers learn their sizes
        module.train()
    return module


def _forward(module: nn.Module, name: str, input_shape: Shape) -> Any:
    try:
        return module(torch.zeros(PROBE, *input_shape))
    except FAILURES as error:
        message = f"the forward pass of {name} on inputs {(PROBE, *input_shape)} raised {said(error)}"
        raise ConfigError("model.class", message) from error


def _same_buffers(module: nn.Module, name: str, before: Mapping[str, Tensor]) -> None:
    """Raise ConfigError where a buffer is another tensor than before: a stack's are written in place."""
    after = dict(module.named_buffers())
    moved = [n for n, b in before.items() if after.get(n) is not b]
    if moved:
        raise ConfigError("model.class", f"{name} replaces its buffer {moved[0]!r} in forward; write into it")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global generators seeded for what a constructor draws, and put back."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


@contextmanager
def _unmoved(name: str) -> Iterator[None]:
    """Raise ConfigError where a global generator is drawn from: trials would share those draws."""
    before = torch.random.get_rng_state(), random.getstate(), str(np.random.get_state())
    yield
    after = torch.random.get_rng_state(), random.getstate(), str(np.random.get_state())
    if not torch.equal(before[0], after[0]) or before[1:] != after[1:]:
        message = (
            f"the forward pass of {name} draws from a global generator, which trials would share; "
            "use nn.Dropout (it is given draws of each trial's own) instead of functional dropout or rand"
        )
        raise ConfigError("model.class", message)
