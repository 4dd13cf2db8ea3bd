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
    is_weight: tuple[bool, ...]  # of each parameter tensor: see `are_weights`

    @property
    def any(self) -> bool:
        """Whether any member has any."""
        return any(strength is not None for strength in self[:3])

    def applied(self, grads: Sequence[Tensor], params: Tensor) -> tuple[Tensor, ...]:
        """Gradients of loss + l1 sum|w| + l2/2 sum w^2 over weights, each row's norm then clipped.

        They come and go a parameter tensor at a time, (m, n) each, or clipped as one (m, P). The
        subgradient of |w| is sign(w), 0 at 0. Nothing given is changed.
        """
        parts = torch.split(params, [grad.shape[1] for grad in grads], 1)
        whole = tuple(
            self._penalised(grad, part) if is_weight else grad
            for grad, part, is_weight in zip(grads, parts, self.is_weight, strict=True)
        )
        return whole if self.clip_norm is None else (clipped(torch.cat(whole, 1), self.clip_norm),)

    def _penalised(self, grad: Tensor, weights: Tensor) -> Tensor:
        if self.l1 is not None:
            grad = torch.addcmul(grad, self.l1, weights.sign())
        return grad if self.l2 is None else torch.addcmul(grad, self.l2, weights)

    def of(self, members: Tensor) -> Penalties:
        """Those of some members, by index (n,)."""
        l1, l2, clip_norm = (None if s is None else s[members] for s in self[:3])
        return Penalties(l1, l2, clip_norm, self.is_weight)


def penalties(trials: Sequence[Trial], layout: Layout, like: Tensor) -> Penalties:
    """The penalties of a stack's trials, in dtype and device of `like`."""
    l1, l2, clip_norm = (_strength(trials, path.removeprefix("train."), like) for path in SWITCHES)
    return Penalties(l1, l2, clip_norm, are_weights(layout))


def _strength(trials: Sequence[Trial], name: str, like: Tensor) -> Tensor | None:
    values = [trial.config["train"].get(name) or 0.0 for trial in trials]
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1) if any(values) else None


def are_weights(layout: Layout) -> tuple[bool, ...]:
    """Which parameter tensors are weights: matrices and kernels.

    Biases and the scales of normalisations are vectors, and no penalty is meant for them.
    """
    return tuple(len(shape) > 1 for shape in layout.shapes)


def clipped(grads: Tensor, largest: Tensor) -> Tensor:
    """Each row of grads (m, P) scaled down to a norm of at most `largest` (m, 1), direction kept.

    g <- g min(1, c / (|g| + 1e-6)) (Pascanu et al. 2013). A row's norm doesn't depend on the others.
    """
    norms: Tensor = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    return grads * (largest / (norms + CLIP_EPS)).clamp(max=1)


def sparsity(weights: Tensor) -> Tensor:
    """The share of weights (...) with |w| < 1e-3, () float64."""
    return (weights.abs() < SMALL).double().mean()
