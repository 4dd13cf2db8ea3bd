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
    "step": lambda x: torch.heaviside(x, torch.zeros_like(x)),
    "relu": nn.ReLU(),
    "prelu": nn.PReLU(init=0.25).double(),
    "leaky_relu": nn.LeakyReLU(0.01),
    "elu": nn.ELU(alpha=1.0),
    "gelu": nn.GELU(),
    "swish": nn.SiLU(),
    "softplus": nn.Softplus(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
}


def wide(*values):
    return (torch.as_tensor(v, dtype=X.dtype).expand_as(X) for v in values)


FORMULA_WORDS = {
    "max": lambda a, b: torch.maximum(*wide(a, b)),
    "min": lambda a, b: torch.minimum(*wide(a, b)),
    "pi": math.pi,
    "a": 0.25,
    "atan": torch.atan,
    "exp": torch.exp,
    "log": torch.log,
    "tanh": torch.tanh,
    "Phi": lambda x: 0.5 * (1 + torch.erf(x / math.sqrt(2))),
}


@pytest.mark.parametrize("name", sorted(TORCH))
def test_is_torchs_own(name):
    assert torch.equal(ACTIVATIONS[name].function(X), TORCH[name](X))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_its_limits_are_those_of_its_range(name):
    """Reached, or approached to a thousandth, and never passed; unbounded where there is none."""
    entry = ACTIVATIONS[name]
    far = torch.cat([torch.linspace(-1e4, 1e4, 20_001, dtype=X.dtype), X])
    y = entry.function(far)
    for limit, end, found in ((entry.low, -1, float(y.min())), (entry.high, 1, float(y.max()))):
        if limit is None:
            assert end * found >= 99
        else:
            assert 0 <= end * (limit - found) < 1e-3


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_never_falls_again_once_it_rises(name):
    """A single valley at most, whose floor is then its lower limit."""
    rises = ACTIVATIONS[name].function(X).diff().sign()
    assert (rises[rises != 0].diff() >= 0).all()
    assert (rises > 0).any()
    assert (rises >= 0).all() or ACTIVATIONS[name].low is not None


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_slope_is_that_of_finite_differences(name):
    """Between the kinks, which lie on the grid of tenths."""
    x, h = (torch.arange(-60, 60, dtype=X.dtype) + 0.5) / 10, 1e-5
    function = ACTIVATIONS[name].function
    slope = torch.func.grad(lambda x: function(x).sum())(x)
    torch.testing.assert_close(slope, (function(x + h) - function(x - h)) / (2 * h), rtol=1e-6, atol=1e-8)


def test_step_has_no_slope():
    slope = torch.func.grad(lambda x: ACTIVATIONS["step"].function(x).sum())(X)
    assert torch.equal(slope, torch.zeros_like(X))


def test_ramp_is_the_tangent_of_the_sigmoid():
    x = torch.zeros((), dtype=X.dtype)
    ours, sigmoid = (ACTIVATIONS[name].function for name in ("ramp", "sigmoid"))
    assert ours(x) == sigmoid(x)
    assert torch.func.grad(ours)(x) == torch.func.grad(sigmoid)(x)


def test_prelu_learns_its_slope_as_torchs_own_does():
    ours, theirs = ACTIVATIONS["prelu"].layer().double(), nn.PReLU(init=0.25).double()
    (slope,) = ours.parameters()
    assert slope.tolist() == [0.25]
    for layer in (ours, theirs):
        layer(X).square().sum().backward()
    torch.testing.assert_close(slope.grad, theirs.weight.grad, rtol=1e-12, atol=0)
    assert ACTIVATIONS["prelu"].layer() is not ACTIVATIONS["prelu"].layer()  # a slope each


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"prelu"}))
def test_the_others_learn_nothing(name):
    assert ACTIVATIONS[name].layer() is ACTIVATIONS[name].function


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_does_what_its_formula_says(name):
    """The formula up to a comma, read as arithmetic; juxtaposition is a product."""
    text = ACTIVATIONS[name].formula.partition(", a learned")[0]
    text = text.replace("0.01 x", "0.01 * x").replace("x Phi", "x * Phi").replace("a min", "a * min")
    if " if x > 0 else " in text:
        above, below = text.split(" if x > 0 else ")
        expected = torch.where(X > 0, *wide(value_of(above), value_of(below)))
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
