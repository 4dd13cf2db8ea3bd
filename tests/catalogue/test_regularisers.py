"""Every regulariser of the table: against torch where it has it, else its formula; off, it does nothing."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harness.catalogue.losses import LOSSES
from harness.catalogue.regularisers import REGULARISERS
from harness.training.penalty import Penalties
from tests.training.examples import config_of

WEIGHTS = torch.tensor([[0.5, -2.0, 0.0], [1.0, 3.0, -0.25]], dtype=torch.float64)
GRADS = torch.tensor([[1.0, 1.0, -1.0], [30.0, 4.0, -5.0]], dtype=torch.float64)
Z = torch.linspace(-3, 3, 20, dtype=torch.float64).view(5, 4)
Y = torch.arange(5) % 4


def strength(value):
    return torch.full((2, 1), value, dtype=torch.float64)


def of_penalty(name, value, penalty):
    """Ours on given gradients, and the gradients plus autograd's of the penalty."""
    weights = WEIGHTS.clone().requires_grad_()
    (extra,) = torch.autograd.grad(penalty(weights), weights)
    return REGULARISERS[name].function(GRADS, WEIGHTS, strength(value)), GRADS + extra


def clipped(value):
    rows = [nn.Parameter(torch.zeros(3, dtype=torch.float64)) for _ in GRADS]
    for row, grad in zip(rows, GRADS, strict=True):
        row.grad = grad.clone()
        nn.utils.clip_grad_norm_([row], value)
    return REGULARISERS["clip_norm"].function(GRADS, strength(value)), torch.stack([r.grad for r in rows])


def decayed(value):
    """A step of torch's SGD at rate 1 goes by the decayed gradient."""
    parameter = nn.Parameter(WEIGHTS.clone())
    parameter.grad = GRADS.clone()
    torch.optim.SGD([parameter], lr=1.0, weight_decay=value).step()
    ours = REGULARISERS["weight_decay"].function(GRADS, WEIGHTS, {"weight_decay": strength(value)})
    return ours, WEIGHTS - parameter.detach()


def smoothed(value):
    ours = REGULARISERS["label_smoothing"].function(LOSSES["cross_entropy"], value).per_example(Z, Y)
    return ours, F.cross_entropy(Z, Y, reduction="none", label_smoothing=value)


def dropped(rate):
    """What is kept is scaled as torch's is; which elements are kept is another draw, so they are counted."""
    x = torch.ones(2, 20_000, dtype=torch.float64)
    layer = REGULARISERS["dropout"].function(rate)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        pair = layer(x), F.dropout(x, rate)
    for found in pair:
        share = float((found == 0).double().mean())
        assert share == pytest.approx(rate, abs=5 * (rate * (1 - rate) / x.numel()) ** 0.5)
    return tuple(found.max() for found in pair)


def stopped(patience):
    """When a run of evaluations stops, against the rule by hand."""
    values = [5, 4, 6, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    best, ends, waited = 9, [], torch.zeros(1, dtype=torch.int64)
    for value in values:
        better = torch.tensor([value < best])
        waited, stops = REGULARISERS["early_stopping"].function(better, waited, patience)
        best = min(best, value)
        ends.append(bool(stops))
    lowest = [values.index(min(values[: k + 1])) for k in range(len(values))]
    by_hand = [k - first >= patience for k, first in enumerate(lowest)]
    return torch.tensor(ends), torch.tensor(by_hand)


# name -> strengths, and ours beside torch's own or the formula by hand. A new entry belongs here.
CHECKS = {
    "l1": ([0.0, 0.3], lambda s: of_penalty("l1", s, lambda w: s * w.abs().sum())),
    "l2": ([0.0, 0.3], lambda s: of_penalty("l2", s, lambda w: s / 2 * w.square().sum())),
    "clip_norm": ([1e-3, 2.0, 1e3], clipped),
    "weight_decay": ([0.0, 0.3], decayed),
    "label_smoothing": ([0.0, 0.1, 0.9], smoothed),
    "dropout": ([0.0, 0.3, 0.8], dropped),
    "early_stopping": ([1, 2, 4, 100], stopped),
}


@pytest.mark.parametrize("name", REGULARISERS)
def test_is_torchs_own_or_its_formula(name):
    strengths, check = CHECKS[name]
    for value in strengths:
        ours, theirs = check(value)
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


OFF = {
    "l1": lambda f: (f(GRADS, WEIGHTS, strength(0.0)), GRADS),
    "l2": lambda f: (f(GRADS, WEIGHTS, strength(0.0)), GRADS),
    "clip_norm": lambda f: (f(GRADS, strength(1e9)), GRADS),
    "weight_decay": lambda f: (f(GRADS, WEIGHTS, {}), GRADS),
    "label_smoothing": lambda f: (
        f(LOSSES["cross_entropy"], 0).per_example(Z, Y),
        LOSSES["cross_entropy"].per_example(Z, Y),
    ),
    "dropout": lambda f: (f(0.0)(Z), Z),
    "early_stopping": lambda f: (f(Y == 0, Y, 1000)[1], torch.zeros(5, dtype=torch.bool)),
}


@pytest.mark.parametrize("name", REGULARISERS)
def test_off_it_changes_nothing(name):
    ours, plain = OFF[name](REGULARISERS[name].function)
    assert torch.equal(ours, plain)


@pytest.mark.parametrize("name", REGULARISERS)
def test_entry_says_what_it_is(name):
    """Its strength is an option of a run, which takes both ends of the range."""
    entry = REGULARISERS[name]
    assert entry.formula
    assert entry.source
    assert inspect.getdoc(entry.function)
    assert entry.range.low < entry.range.high
    for end in entry.range[:2]:
        config_of(**{entry.option: end})


@pytest.mark.parametrize("on", ["weights", "gradient"])
def test_a_line_of_the_table_is_all_that_a_gradient_needs(on, monkeypatch):
    """Weights are matrices alone; a gradient is that of all parameters, biases too."""
    double = (lambda g, w, s: g + s * w) if on == "weights" else (lambda g, s: g * (1 + s))
    monkeypatch.setitem(REGULARISERS, "double", REGULARISERS["l2"]._replace(function=double, on=on))
    whole = Penalties({"double": strength(1.0)}, (True, False))
    params = torch.cat([WEIGHTS, WEIGHTS], 1)
    found = torch.cat(whole.applied([GRADS, GRADS], params), 1)
    expected = [GRADS + WEIGHTS, GRADS] if on == "weights" else [2 * GRADS, 2 * GRADS]
    assert torch.equal(found, torch.cat(expected, 1))
