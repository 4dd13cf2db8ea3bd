"""Every activation of the table: against torch's own, and the formula it gives."""

import inspect
import math

import pytest
import torch
from torch import nn

from harness.catalogue.activations import ACTIVATIONS

X = torch.linspace(-6, 6, 241, dtype=torch.float64)

# name -> torch's own module. A new entry that torch has belongs here.
TORCH = {
    "identity": nn.Identity(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.01),
    "elu": nn.ELU(alpha=1.0),
    "gelu": nn.GELU(),
    "swish": nn.SiLU(),
    "softplus": nn.Softplus(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
}
FORMULA_WORDS = {
    "max": lambda a, b: torch.maximum(*(torch.as_tensor(v, dtype=X.dtype).expand_as(X) for v in (a, b))),
    "exp": torch.exp,
    "log": torch.log,
    "tanh": torch.tanh,
    "Phi": lambda x: 0.5 * (1 + torch.erf(x / math.sqrt(2))),
}


@pytest.mark.parametrize("name", sorted(TORCH))
def test_is_torchs_own(name):
    assert torch.equal(ACTIVATIONS[name].function(X), TORCH[name](X))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_does_what_its_formula_says(name):
    """The formula, read as arithmetic; juxtaposition is a product."""
    text = ACTIVATIONS[name].formula.replace("0.01 x", "0.01 * x").replace("x Phi", "x * Phi")
    if " if x > 0 else " in text:
        above, below = text.split(" if x > 0 else ")
        expected = torch.where(X > 0, value_of(above), value_of(below))
    else:
        expected = value_of(text)
    torch.testing.assert_close(ACTIVATIONS[name].function(X), expected, rtol=1e-9, atol=1e-12)


def value_of(text):
    return eval(text, {"__builtins__": {}}, {**FORMULA_WORDS, "x": X})


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_elementwise_pure_and_documented(name):
    entry = ACTIVATIONS[name]
    x = X[:240].to(torch.float32).view(4, 6, 10)
    before = x.clone()
    y = entry.function(x)
    assert torch.equal(x, before)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert entry.source
    assert inspect.getdoc(entry.function)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_finite_far_from_zero(name):
    x = torch.tensor([-1e4, -100.0, 100.0, 1e4], requires_grad=True)
    y = ACTIVATIONS[name].function(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 7, 10, 37, 250, 4160])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_a_value_does_not_depend_on_where_it_stands(name, n, dtype):
    """Values and gradients of 7 models of n elements: the same alone and stacked, bit for bit."""
    function = ACTIVATIONS[name].function
    g = torch.Generator().manual_seed(n)
    x, weight = (torch.randn(7, n, generator=g, dtype=dtype) * 3 for _ in range(2))

    def value_and_slope(x, weight):
        return function(x), torch.func.grad(lambda x: (function(x) * weight).sum())(x)

    stacked = torch.vmap(value_and_slope)(x, weight)
    alone = [torch.vmap(value_and_slope)(x[i : i + 1], weight[i : i + 1]) for i in range(7)]
    for k in range(2):
        assert torch.equal(stacked[k], torch.cat([own[k] for own in alone]))
