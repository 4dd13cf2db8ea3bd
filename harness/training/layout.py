"""How a model's parameters lie in one flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.training.graph.matrices import NARROW

Parts = tuple[Tensor, ...]  # of flat parameters: one (..., n) a parameter tensor


class Layout(NamedTuple):
    """How a flat vector (P,) splits into a module's named parameters.

    A weight (fan_out, fan_in, *kernel) is kept as (*kernel, fan_in, fan_out), so that x W^T multiplies
    two row-major matrices: twice as fast on a CPU as with the second one transposed. A matrix of few
    rows stays as it is, as its products are computed turned (`graph.matrices`).
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    turned: bool = True  # False: every weight stays as it is, for a module that views it so
    copied: bool = False  # at every pass, for a module that asks of a weight where in memory it begins

    def split(self, flat: Tensor) -> Parts:
        """Views of flat (..., P), one (..., n) a parameter tensor."""
        return torch.split(flat, [shape.numel() for shape in self.shapes], -1)

    def named(self, parts: Parts) -> dict[str, Tensor]:
        """The parts (n,) by parameter name, in the module's own shapes: views, unless `copied`."""
        views = {n: self._view(p, s) for n, p, s in zip(self.names, parts, self.shapes, strict=True)}
        return {name: view.clone() for name, view in views.items()} if self.copied else views

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """Flat (P,) by parameter name, in the module's own shapes."""
        return self.named(self.split(flat))

    def flatten(self, named: Mapping[str, Tensor]) -> Tensor:
        """The flat vector (P,) of parameters in the module's own shapes."""
        parts = (named[name] for name in self.names)
        return torch.cat([self._stored(p).reshape(-1) for p in parts])

    def _stored(self, weight: Tensor) -> Tensor:
        """(fan_out, fan_in, *kernel) -> (*kernel, fan_in, fan_out), where it is kept that way."""
        return weight.permute(*range(2, weight.dim()), 1, 0) if self._turns(weight.shape) else weight

    def _turns(self, shape: torch.Size) -> bool:
        return self.turned and (len(shape) > 2 or (len(shape) == 2 and shape[0] >= NARROW))

    def _view(self, part: Tensor, shape: torch.Size) -> Tensor:
        if not self._turns(shape):
            return part.view(shape)
        fan_out, fan_in, *kernel = shape
        stored = part.view(*kernel, fan_in, fan_out)
        return stored.permute(-1, -2, *range(len(kernel))) if kernel else stored.t()


def layout_of(module: nn.Module) -> Layout:
    """The layout of a module's parameters, in its own order."""
    named = dict(module.named_parameters())
    return Layout(tuple(named), tuple(p.shape for p in named.values()))


def layouts_of(module: nn.Module) -> list[Layout]:
    """All that a module's parameters may have, the fastest first: some modules take only later ones."""
    fastest = layout_of(module)
    return [fastest, fastest._replace(turned=False), fastest._replace(turned=False, copied=True)]
