"""The hidden layers of any network, found by watching one forward pass.

A hidden layer is a call of an activation, and its weights those of the last linear or convolutional
layer called before it; the last such layer of the pass is the output layer, and what follows it is
not hidden. Activations are what a module holds as its `activation`, and torch's own modules; a
function called in a `forward` (`F.relu`) can't be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from harness.catalogue.activations import ACTIVATIONS
from harness.errors import BadInput

Function = Callable[[Tensor], Tensor]
Limits = tuple[float | None, float | None]  # of an activation's range; None: unbounded
See = Callable[[Limits, Function, Tensor], None]  # is shown an activation and its input

# torch's activation modules, as the catalogue calls them.
TORCH: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.PReLU: "prelu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.SiLU: "swish",
    nn.Softplus: "softplus",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
}
BY_FUNCTION = {entry.function: entry for entry in ACTIVATIONS.values()}


class HiddenLayer(NamedTuple):
    """One hidden layer."""

    call: int  # which call of an activation it is, in a forward pass
    weight: str  # the name of its weight parameter
    limits: Limits


def hidden_layers(module: nn.Module, example: Tensor) -> list[HiddenLayer]:
    """The module's hidden layers in the order of a forward pass on example (B, *features).

    Raises BadInput where there is none to be seen.
    """
    weights: list[str] = []
    seen: list[tuple[str | None, Limits]] = []

    def see(limits: Limits, _function: Function, _x: Tensor) -> None:
        seen.append((weights[-1] if weights else None, limits))

    module.eval()
    with watched(module, see), _noted_weights(module, weights), torch.no_grad():
        module(example)
    output = weights[-1] if weights else None
    hidden = [
        HiddenLayer(call, weight, limits)
        for call, (weight, limits) in enumerate(seen)
        if weight is not None and weight != output
    ]
    if not hidden:
        raise BadInput(
            f"{type(module).__name__} has no hidden layer that a probe can see: probes see activations "
            "that are modules (nn.ReLU, not F.relu), between one layer with weights and the next"
        )
    return hidden


@contextmanager
def watched(module: nn.Module, see: See) -> Iterator[None]:
    """Within it, `see` is shown every call of an activation, before it is made, in the order of calls."""
    with ExitStack() as undo:
        for part in _activations(module):
            hook = part.register_forward_pre_hook(partial(_show, see))
            undo.callback(hook.remove)
        for part in module.modules():
            own = part.__dict__.get("activation")
            if callable(own):
                undo.callback(setattr, part, "activation", own)
                part.__dict__["activation"] = _shown(see, own)
        yield


def _activations(module: nn.Module) -> list[nn.Module]:
    """Every activation that is a module, once."""
    held = {id(part._modules.get("activation")) for part in module.modules()}
    return [part for part in module.modules() if type(part) in TORCH or id(part) in held]


def _show(see: See, part: nn.Module, given: tuple[Tensor, ...]) -> None:
    name = TORCH.get(type(part))
    limits = (None, None) if name is None else (ACTIVATIONS[name].low, ACTIVATIONS[name].high)
    see(limits, lambda x: part.forward(x.clone()), given[0])  # cloned: nn.ReLU may work in place


def _shown(see: See, function: Function) -> Function:
    entry = BY_FUNCTION.get(function)
    limits = (None, None) if entry is None else (entry.low, entry.high)

    def call(x: Tensor) -> Tensor:
        see(limits, function, x)
        return function(x)

    return call


@contextmanager
def _noted_weights(module: nn.Module, calls: list[str]) -> Iterator[None]:
    """Within it, every call of a layer with a weight matrix (or kernels) that learns is noted by name."""

    def note(name: str, _part: nn.Module, _given: Any) -> None:
        calls.append(name)

    with ExitStack() as undo:
        for name, weight in module.named_parameters():
            path, _, last = name.rpartition(".")
            if last == "weight" and weight.ndim >= 2:
                hook = module.get_submodule(path).register_forward_pre_hook(partial(note, name))
                undo.callback(hook.remove)
        yield
