"""A small Transformer encoder, its attention written out as matrix products and a softmax."""

from __future__ import annotations

import math

import torch
from pydantic import model_validator
from torch import Tensor, nn

from harness.catalogue.activations import ACTIVATIONS
from harness.catalogue.dropout import Dropout, Rate
from harness.catalogue.inits import InitOptions
from harness.catalogue.losses import softmax
from harness.errors import BadInput
from harness.words.limits import Layers, Units

Shape = tuple[int, ...]


class AttentionOptions(InitOptions):
    """`depth` encoder blocks of `width` features, in `heads` heads; `feed_forward` units between blocks."""

    width: Units = 32
    heads: Units = 4
    depth: Layers = 2
    feed_forward: Units = 64
    activation: str = "gelu"
    init: str = "xavier_uniform"
    dropout: Rate = 0.0

    @model_validator(mode="after")
    def _whole_heads(self) -> AttentionOptions:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} doesn't divide into {self.heads} heads; make it a multiple")
        return self


class SelfAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V in each head, then a linear map (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, width) -> (B, T, width)."""
        batch, steps, width = x.shape
        flat = x.flatten(0, 1)
        query, key, value = (
            self._by_head(part(flat), batch, steps) for part in (self.query, self.key, self.value)
        )
        weights = softmax(torch.bmm(query, key.transpose(1, 2)) * (1 / math.sqrt(width // self.heads)))
        read = torch.bmm(weights, value).view(batch, self.heads, steps, -1).transpose(1, 2)
        return self.output(read.reshape(batch * steps, width)).view(x.shape)  # type: ignore[no-any-return]

    def _by_head(self, part: Tensor, batch: int, steps: int) -> Tensor:
        """(B T, width) -> (B heads, T, width / heads)."""
        return part.view(batch, steps, self.heads, -1).transpose(1, 2).flatten(0, 1)


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)): norms first, as in Xiong et al. 2020."""

    def __init__(self, options: AttentionOptions, index: int) -> None:
        super().__init__()
        width = options.width
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, options.heads)
        self.wide, self.narrow = (
            nn.Linear(width, options.feed_forward),
            nn.Linear(options.feed_forward, width),
        )
        self.activation = ACTIVATIONS[options.activation].layer()
        on = options.dropout > 0
        self.attention_dropout = Dropout(options.dropout, 2 * index) if on else nn.Identity()
        self.feed_dropout = Dropout(options.dropout, 2 * index + 1) if on else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, width) -> (B, T, width)."""
        x = x + self.attention_dropout(self.attention(self.attention_norm(x)))
        h = self.activation(self.wide(self.feed_norm(x).flatten(0, 1)))
        return x + self.feed_dropout(self.narrow(h)).view(x.shape)  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Steps embedded linearly, learned positions, encoder blocks, the mean over steps, a linear output."""

    def __init__(self, options: AttentionOptions, features: Shape, n_outputs: int) -> None:
        super().__init__()
        steps, n_features = features if len(features) == 2 else (features[0], 1)
        self.embedding = nn.Linear(n_features, options.width)
        self.positions = nn.Parameter(torch.zeros(steps, options.width))
        self.blocks = nn.ModuleList(EncoderBlock(options, i) for i in range(options.depth))
        self.norm = nn.LayerNorm(options.width)
        self.output = nn.Linear(options.width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T) or (B, T, F) -> (B, n_outputs)."""
        x = x if x.dim() == 3 else x.unsqueeze(-1)
        h = self.embedding(x.flatten(0, 1)).view(*x.shape[:2], -1) + self.positions
        for block in self.blocks:
            h = block(h)
        return self.output(self.norm(h).mean(1))  # type: ignore[no-any-return]


def attention(options: AttentionOptions, features: Shape, n_outputs: int) -> nn.Module:
    """An encoder for sequences (T,) or (T, F). Raises BadInput for another shape."""
    if len(features) not in (1, 2):
        raise BadInput(f"attention reads examples of shape (T,) or (T, F); these data have {features}")
    return Encoder(options, features, n_outputs)
