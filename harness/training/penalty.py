"""What a run does to its gradients before the optimizer sees them: the catalogue's penalties, clipping.

Each is there or isn't for a whole stack (`SWITCHES`); how strong it is may differ from member to member.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from harness.catalogue.regularisers import REGULARISERS
from harness.training.layout import Layout
from harness.words.trial import Trial

OF_GRADIENTS = {name: own.option for name, own in REGULARISERS.items() if own.on in ("weights", "gradient")}
SWITCHES = tuple(OF_GRADIENTS.values())
SMALL = 1e-3  # below this a weight counts as none: subgradient steps jitter around 0 and don't rest there


class Penalties(NamedTuple):
    """How strong each regulariser of gradients is for a stack's m members; what none has is left out."""

    strengths: dict[str, Tensor]  # (m, 1) each, by name in the order of the table
    is_weight: tuple[bool, ...]  # of each parameter tensor: see `are_weights`

    @property
    def any(self) -> bool:
        """Whether any member has any."""
        return bool(self.strengths)

    def applied(self, grads: Sequence[Tensor], params: Tensor) -> tuple[Tensor, ...]:
        """Gradients with those of the penalties on weights added, then each row changed as a whole.

        They come and go a parameter tensor at a time, (m, n) each, or clipped as one (m, P). Nothing given
        is changed.
        """
        parts = torch.split(params, [grad.shape[1] for grad in grads], 1)
        whole = tuple(grads)
        for function, strength in self._on("weights"):
            whole = tuple(
                function(grad, part, strength) if is_weight else grad
                for grad, part, is_weight in zip(whole, parts, self.is_weight, strict=True)
            )
        for function, strength in self._on("gradient"):
            whole = (function(torch.cat(whole, 1), strength),)
        return whole

    def _on(self, what: str) -> list[tuple[Callable[..., Tensor], Tensor]]:
        entries = ((REGULARISERS[name], strength) for name, strength in self.strengths.items())
        return [(entry.function, strength) for entry, strength in entries if entry.on == what]

    def of(self, members: Tensor) -> Penalties:
        """Those of some members, by index (n,)."""
        return Penalties({name: s[members] for name, s in self.strengths.items()}, self.is_weight)


def penalties(trials: Sequence[Trial], layout: Layout, like: Tensor) -> Penalties:
    """The penalties of a stack's trials, in dtype and device of `like`."""
    found = {name: _strength(trials, path, like) for name, path in OF_GRADIENTS.items()}
    return Penalties({name: s for name, s in found.items() if s is not None}, are_weights(layout))


def _strength(trials: Sequence[Trial], path: str, like: Tensor) -> Tensor | None:
    section, _, option = path.partition(".")
    values = [trial.config[section].get(option) or 0.0 for trial in trials]
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1) if any(values) else None


def are_weights(layout: Layout) -> tuple[bool, ...]:
    """Which parameter tensors are weights: matrices and kernels.

    Biases and the scales of normalisations are vectors, and no penalty is meant for them.
    """
    return tuple(len(shape) > 1 for shape in layout.shapes)


def sparsity(weights: Tensor) -> Tensor:
    """The share of weights (...) with |w| < 1e-3, () float64."""
    return (weights.abs() < SMALL).double().mean()
