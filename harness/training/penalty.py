"""What a run does to its gradients before the optimizer sees them: L1 and L2 penalties, clipping.

Each is there or isn't for a whole stack (`SWITCHES`); how strong it is may differ from member to member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from harness.training.program import Layout
from harness.words.trial import Trial

SWITCHES = ("train.l1", "train.l2", "train.clip_norm")
SMALL = 1e-3  # below this a weight counts as none: subgradient steps jitter around 0 and don't rest there
CLIP_EPS = 1e-6  # added to the norm, as in torch's clip_grad_norm_


class Penalties(NamedTuple):
    """The penalties of a stack's m members; None where no member has any."""

    l1: Tensor | None  # (m, 1)
    l2: Tensor | None  # (m, 1)
    clip_norm: Tensor | None  # (m, 1)
    is_weight: Tensor  # (P,) 1 where a parameter is a weight, else 0

    @property
    def any(self) -> bool:
        """Whether any member has any."""
        return any(strength is not None for strength in self[:3])

    def applied(self, grads: Tensor, params: Tensor) -> Tensor:
        """Gradients (m, P) of loss + l1 sum|w| + l2/2 sum w^2 over weights, each row's norm then clipped.

        The subgradient of |w| is sign(w), 0 at 0. Nothing given is changed.
        """
        if self.l1 is not None or self.l2 is not None:
            weights = params * self.is_weight
            if self.l1 is not None:
                grads = torch.addcmul(grads, self.l1, weights.sign())
            if self.l2 is not None:
                grads = torch.addcmul(grads, self.l2, weights)
        return grads if self.clip_norm is None else clipped(grads, self.clip_norm)

    def of(self, members: Tensor) -> Penalties:
        """Those of some members, by index (n,)."""
        l1, l2, clip_norm = (None if s is None else s[members] for s in self[:3])
        return Penalties(l1, l2, clip_norm, self.is_weight)


def penalties(trials: Sequence[Trial], layout: Layout, like: Tensor) -> Penalties:
    """The penalties of a stack's trials, in dtype and device of `like`."""
    l1, l2, clip_norm = (_strength(trials, path.removeprefix("train."), like) for path in SWITCHES)
    return Penalties(l1, l2, clip_norm, weight_mask(layout).to(like))


def _strength(trials: Sequence[Trial], name: str, like: Tensor) -> Tensor | None:
    values = [trial.config["train"].get(name) or 0.0 for trial in trials]
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1) if any(values) else None


def weight_mask(layout: Layout) -> Tensor:
    """Which parameters are weights, (P,) bool: those of matrices and kernels.

    Biases and the scales of normalisations are vectors, and no penalty is meant for them.
    """
    parts = [torch.full((shape.numel(),), len(shape) > 1) for shape in layout.shapes]
    return torch.cat(parts)


def clipped(grads: Tensor, largest: Tensor) -> Tensor:
    """Each row of grads (m, P) scaled down to a norm of at most `largest` (m, 1), direction kept.

    g <- g min(1, c / (|g| + 1e-6)) (Pascanu et al. 2013). A row's norm doesn't depend on the others.
    """
    norms: Tensor = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    return grads * (largest / (norms + CLIP_EPS)).clamp(max=1)


def sparsity(weights: Tensor) -> Tensor:
    """The share of weights (...) with |w| < 1e-3, () float64."""
    return (weights.abs() < SMALL).double().mean()
