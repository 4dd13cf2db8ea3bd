"""One dropout of a user's own network, called at several places of a pass."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from harness.catalogue.dropout import Dropout
from harness.catalogue.own_network import ours
from harness.errors import BadInput


class Reused(nn.Module):
    """Gives the masks of two calls and of a layer called once."""

    def __init__(self):
        super().__init__()
        self.a, self.drop, self.once = nn.Linear(64, 64), nn.Dropout(0.5), nn.Dropout(0.5)

    def forward(self, x):
        return torch.stack([self.drop(x), self.drop(x), self.once(x)])


class Checkpointed(nn.Module):
    def __init__(self, places: int):
        super().__init__()
        self.a, self.drop, self.places = nn.Linear(64, 64), nn.Dropout(0.5), places

    def part(self, x):
        for _ in range(self.places):
            x = self.drop(torch.tanh(self.a(x)))
        return x

    def forward(self, x):
        return checkpoint(self.part, x, use_reentrant=False)


X = torch.ones(32, 64)


def agreement(a, b):
    return ((a > 0) == (b > 0)).float().mean().item()


def test_every_call_draws_anew_and_every_pass_begins_anew():
    module = ours(Reused())
    first, second, other = module(X)
    for a, b in ((first, second), (first, other), (second, other)):
        assert agreement(a, b) == pytest.approx(0.5, abs=0.06)  # 2,048 draws: five standard errors
    assert torch.equal(module(X), torch.stack([first, second, other]))
    assert torch.equal(first, Dropout(0.5, module.drop.first)(X))
    assert torch.equal(module.eval()(X), torch.stack([X] * 3))


def test_checkpoint_repeats_the_draws_of_a_single_call():
    module = ours(Checkpointed(1))
    weights = list(module.parameters())
    found = torch.autograd.grad(module(X).sum(), weights)
    wanted = torch.autograd.grad(module.part(X).sum(), weights)  # as in its first call
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_checkpoint_of_several_calls_is_refused():
    module = ours(Checkpointed(2))
    with pytest.raises(BadInput, match=r"one nn\.Dropout a place"):
        module(X).sum().backward()
