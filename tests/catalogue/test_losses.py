"""Losses, label smoothing and metrics: against torch.nn.functional and formulas by hand."""

import inspect

import pytest
import torch
import torch.nn.functional as F

from harness.catalogue.losses import LOSSES, as_values, cross_entropy, smoothed
from harness.catalogue.metrics import (
    CLASSIFICATION,
    CLASSIFICATION_AT_END,
    REGRESSION,
    REGRESSION_AT_END,
)
from harness.words.metrics import METRICS

B, C = 50, 7
GENERATOR = torch.Generator().manual_seed(5)
Z = 3 * torch.randn(B, C, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(C, (B,), generator=GENERATOR)
V = torch.randn(B, C, generator=GENERATOR, dtype=torch.float64)
ONE_HOT = F.one_hot(Y, C).double()

# name -> per-example values of (outputs, class indices or values) from torch. New entries belong here.
TORCH = {
    "cross_entropy": lambda z, y: F.cross_entropy(z, y, reduction="none"),
    "mse": lambda z, y: F.mse_loss(z, y, reduction="none").mean(1),
    "half_squared_error": lambda z, y: F.mse_loss(z, y, reduction="none").sum(1) / 2,
}
METRIC_TORCH = {
    "accuracy": lambda z, y: (z.argmax(1) == y).double(),
    "nll": lambda z, y: F.nll_loss(F.log_softmax(z, 1), y, reduction="none"),
    "brier": lambda z, y: ((F.softmax(z, 1) - F.one_hot(y, C)) ** 2).sum(1),
    "mse": lambda z, y: F.mse_loss(z, y, reduction="none").mean(1),
    "mae": lambda z, y: F.l1_loss(z, y, reduction="none").mean(1),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_against_torch(name):
    """Class indices; for the squared losses values, and classes as one-hot targets."""
    ours = LOSSES[name].per_example
    if name == "cross_entropy":
        torch.testing.assert_close(ours(Z, Y), TORCH[name](Z, Y), rtol=1e-12, atol=0)
        return
    torch.testing.assert_close(ours(Z, V), TORCH[name](Z, V), rtol=1e-12, atol=0)
    torch.testing.assert_close(ours(Z, Y), TORCH[name](Z, ONE_HOT), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_gradients_against_torch(name):
    targets = Y if name == "cross_entropy" else V
    grads = [
        torch.func.grad(lambda z, f=f: f(z, targets).mean())(Z)
        for f in (LOSSES[name].per_example, TORCH[name])
    ]
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_entry(name):
    entry = LOSSES[name]
    assert entry.formula
    assert entry.source
    assert inspect.getdoc(entry.per_example)
    values = entry.per_example(Z, Y)
    assert values.shape == (B,)
    assert (values >= 0).all()
    assert torch.equal(
        torch.stack([entry.per_example(Z[i : i + 1], Y[i : i + 1])[0] for i in range(B)]), values
    )
    stacked = torch.vmap(entry.per_example)(torch.stack([Z, 2 * Z]), torch.stack([Y, Y]))
    torch.testing.assert_close(stacked[0], values, rtol=1e-13, atol=0)


def test_cross_entropy_of_large_logits_is_finite():
    z = torch.tensor([[1e4, 0.0], [0.0, 1e4]])
    assert cross_entropy(z, torch.tensor([1, 1])).tolist() == [1e4, 0.0]


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.5, 0.9])
def test_label_smoothing_against_torch(smoothing):
    ours = smoothed(cross_entropy, smoothing)(Z, Y)
    theirs = F.cross_entropy(Z, Y, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_no_smoothing_and_other_losses_stay_as_they_are():
    assert smoothed(cross_entropy, 0.0) is cross_entropy
    mse = LOSSES["mse"].per_example
    assert smoothed(mse, 0.1) is mse


def test_as_values():
    assert torch.equal(as_values(Y, Z), ONE_HOT)
    assert torch.equal(as_values(V, Z), V)
    one = torch.randn(4, dtype=torch.float64)
    assert as_values(one, torch.zeros(4, 1)).shape == (4, 1)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        (n, t)
        for t in (CLASSIFICATION, CLASSIFICATION_AT_END, REGRESSION, REGRESSION_AT_END)
        for n in sorted(t)
    ],
)
def test_metrics_against_torch(name, table):
    """Each listed metric is a word that analysis knows, and its values are torch's."""
    assert name in METRICS
    targets = V if table in (REGRESSION, REGRESSION_AT_END) else Y
    values = table[name](Z, targets)
    assert values.shape == (B,)
    torch.testing.assert_close(values, METRIC_TORCH[name](Z, targets), rtol=1e-12, atol=1e-15)
    assert inspect.getdoc(table[name])


def test_what_is_measured_always_is_measured_at_the_end_too():
    assert CLASSIFICATION.keys() <= CLASSIFICATION_AT_END.keys()
    assert REGRESSION.keys() <= REGRESSION_AT_END.keys()
