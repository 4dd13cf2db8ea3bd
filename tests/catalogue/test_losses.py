"""Losses and label smoothing: against torch.nn.functional and properties."""

import inspect
import math

import pytest
import torch
import torch.nn.functional as F

from harness.catalogue.losses import (
    LOSSES,
    SMOOTHED,
    as_values,
    cross_entropy,
    n_outputs,
    smoothed,
    two_logits,
)
from harness.catalogue.resolve import ConfigError, build_network, resolve
from harness.errors import BadInput
from harness.words.paths import set_paths

B, C = 50, 7
GENERATOR = torch.Generator().manual_seed(5)
Z = 3 * torch.randn(B, C, generator=GENERATOR, dtype=torch.float64)
HEAD = torch.randn(B, 2 * C, generator=GENERATOR, dtype=torch.float64)  # means and log variances
Y = torch.randint(C, (B,), generator=GENERATOR)
V = torch.randn(B, C, generator=GENERATOR, dtype=torch.float64)
ONE_HOT = F.one_hot(Y, C).double()


def torch_gaussian(z, y):
    mean, log_variance = z[:, :C], z[:, C:]
    return F.gaussian_nll_loss(mean, y, log_variance.exp(), full=True, reduction="none").mean(1)


# name -> per-example values of (outputs, class indices or values) from torch. New entries belong here.
TORCH = {
    "cross_entropy": lambda z, y: F.cross_entropy(z, y, reduction="none"),
    "cross_entropy_one_hot": lambda z, y: F.cross_entropy(z, F.one_hot(y, C).to(z), reduction="none"),
    "binary_cross_entropy": lambda z, y: F.binary_cross_entropy_with_logits(
        z[:, 1] - z[:, 0], y.to(z), reduction="none"
    ),
    "softmax_mse": lambda z, y: F.mse_loss(z.softmax(1), F.one_hot(y, C).to(z), reduction="none").mean(1),
    "mse": lambda z, y: F.mse_loss(z, y, reduction="none").mean(1),
    "half_squared_error": lambda z, y: F.mse_loss(z, y, reduction="none").sum(1) / 2,
    "rmse": lambda z, y: F.mse_loss(z, y, reduction="none").mean(1),
    "mae": lambda z, y: F.l1_loss(z, y, reduction="none").mean(1),
    "huber": lambda z, y: F.huber_loss(z, y, reduction="none").mean(1),
    "gaussian_nll": torch_gaussian,
}
OF_CLASSES = {name for name, loss in LOSSES.items() if loss.targets == "classes"}
OF_BOTH = {name for name, loss in LOSSES.items() if loss.targets == "any"}


def example(name):
    """Outputs and targets that the loss is for."""
    if LOSSES[name].one_logit:
        return two_logits(Z[:, :1]), Y % 2
    outputs = HEAD if LOSSES[name].outputs_per_target == 2 else Z
    return outputs, Y if name in OF_CLASSES else V


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_against_torch(name):
    z, y = example(name)
    torch.testing.assert_close(LOSSES[name].per_example(z, y), TORCH[name](z, y), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", sorted(OF_BOTH))
def test_classes_are_one_hot_targets(name):
    ours = LOSSES[name].per_example
    torch.testing.assert_close(ours(Z, Y), TORCH[name](Z, ONE_HOT), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_gradients_against_torch(name):
    z, y = example(name)
    of_mean = LOSSES[name].of_mean
    functions = LOSSES[name].per_example, TORCH[name]
    grads = [torch.func.grad(lambda z, f=f: of_mean(f(z, y).mean()))(z) for f in functions]
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_entry(name):
    entry, (z, y) = LOSSES[name], example(name)
    assert entry.formula
    assert entry.source
    assert inspect.getdoc(entry.per_example)
    values = entry.per_example(z, y)
    assert values.shape == (B,)
    assert torch.equal(
        torch.stack([entry.per_example(z[i : i + 1], y[i : i + 1])[0] for i in range(B)]), values
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 7, 30, 250])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_is_the_same_in_a_stack(name, n, dtype):
    """A batch's loss and its gradient, of 7 models of n examples: alone and stacked, bit for bit."""
    loss, g = LOSSES[name], torch.Generator().manual_seed(n)
    classes = 2 if loss.one_logit else C
    width = n_outputs(name, classes if name in OF_CLASSES else None, C)
    z = torch.randn(7, n, width, generator=g, dtype=dtype)
    y = torch.randn(7, n, classes, generator=g, dtype=dtype)
    y = y.argmax(-1) if name in OF_CLASSES else y
    said = two_logits if loss.one_logit else torch.Tensor.clone

    def one(z, y):
        return torch.func.grad_and_value(lambda z: loss.of_mean(loss.per_example(said(z), y).mean()))(z)

    stacked = torch.vmap(one)(z, y)
    alone = [torch.vmap(one)(z[i : i + 1], y[i : i + 1]) for i in range(7)]
    for k in range(2):
        assert torch.equal(stacked[k], torch.cat([own[k] for own in alone]))


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"gaussian_nll"}))
def test_losses_are_never_negative_and_0_where_the_target_is_hit(name):
    z, y = example(name)
    assert (LOSSES[name].per_example(z, y) >= 0).all()
    hit = 1e3 * as_values(y, z) if name in OF_CLASSES else V
    loss = LOSSES[name].of_mean(LOSSES[name].per_example(hit, y).mean())
    assert float(loss) == pytest.approx(0, abs=1e-100)


def test_cross_entropy_of_indices_is_that_of_one_hot_rows():
    assert torch.equal(cross_entropy(Z, Y), cross_entropy(Z, ONE_HOT))
    soft = V.softmax(1)
    theirs = F.cross_entropy(Z, soft, reduction="none")
    torch.testing.assert_close(cross_entropy(Z, soft), theirs, rtol=1e-12, atol=0)


def test_cross_entropy_of_large_logits_is_finite():
    z = torch.tensor([[1e4, 0.0], [0.0, 1e4]])
    assert cross_entropy(z, torch.tensor([1, 1])).tolist() == [1e4, 0.0]


def test_rmse_is_the_root_over_the_batch():
    """Not the mean of roots an example, and at a perfect fit with a gradient of 0."""
    loss = LOSSES["rmse"]
    outputs, targets = torch.tensor([[3.0], [0.0]]), torch.tensor([0.0, 4.0])
    assert float(loss.of_mean(loss.per_example(outputs, targets).mean())) == pytest.approx(math.sqrt(12.5))
    perfect = torch.func.grad(lambda z: loss.of_mean(loss.per_example(z, V).mean()))(V)
    assert torch.equal(perfect, torch.zeros_like(V))


def test_huber_joins_smoothly():
    """Value and slope are the same on both sides of an error of 1."""
    huber, y = LOSSES["huber"].per_example, torch.zeros(1, dtype=torch.float64)
    value, slope = huber, torch.func.grad(lambda z: huber(z, y).sum())
    for edge in (-1.0, 1.0):
        near, far = (torch.tensor([[edge * r]], dtype=torch.float64) for r in (1 - 1e-9, 1 + 1e-9))
        assert float(value(near, y)) == pytest.approx(float(value(far, y)), abs=1e-8)
        assert float(slope(near)) == pytest.approx(float(slope(far)), abs=1e-8)


def test_gaussian_nll_is_least_at_the_targets_own_moments():
    """Over a sample the best constant mean and log variance are the sample's (maximum likelihood)."""
    nll, y = LOSSES["gaussian_nll"].per_example, 2 + 3 * V[:, :1]
    best = torch.stack([y.mean(), y.var(correction=0).log()])
    gradient = torch.func.grad(lambda head: nll(head.expand(B, 2), y).mean())(best)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "n_classes", "n_targets", "expected"),
    [
        ("cross_entropy", 10, 1, 10),
        ("binary_cross_entropy", 2, 1, 1),
        ("mse", 10, 1, 10),
        ("huber", None, 3, 3),
        ("gaussian_nll", None, 3, 6),
    ],
)
def test_outputs_a_loss_takes(name, n_classes, n_targets, expected):
    assert n_outputs(name, n_classes, n_targets) == expected


@pytest.mark.parametrize("network", ["mlp", "cnn1d", "rnn", "attention"])
def test_networks_are_given_the_outputs_the_loss_takes(network):
    tree = {"data": {"name": "mnist1d"}, "model": {"name": network}, "train": {"steps": 1}}
    for loss, width in (("mse", 3), ("gaussian_nll", 6)):
        config = resolve(set_paths(tree, {"train.loss": loss}))
        module = build_network(config, (12,), None, n_targets=3)
        assert module(torch.zeros(5, 12)).shape == (5, width)
    with pytest.raises(ConfigError, match=r"train\.loss: gaussian_nll is for targets that are values"):
        build_network(config, (12,), 10)


@pytest.mark.parametrize(
    ("name", "n_classes"),
    [
        ("cross_entropy", None),
        ("gaussian_nll", 10),
        ("binary_cross_entropy", 10),
        ("binary_cross_entropy", 1),
        ("binary_cross_entropy", None),
    ],
)
def test_a_loss_that_is_not_for_the_targets_is_refused(name, n_classes):
    with pytest.raises(BadInput, match=f"{name} is for targets that are .*; allowed: .*mse"):
        n_outputs(name, n_classes)


@pytest.mark.parametrize("name", sorted(SMOOTHED))
@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.5, 0.9])
def test_label_smoothing_against_torch(smoothing, name):
    z, y = example(name)
    ours = smoothed(LOSSES[name], smoothing).per_example(z, y)
    theirs = F.cross_entropy(z, y, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_no_smoothing_and_other_losses_stay_as_they_are():
    assert smoothed(LOSSES["cross_entropy"], 0.0) is LOSSES["cross_entropy"]
    assert smoothed(LOSSES["mse"], 0.1) is LOSSES["mse"]


def test_as_values():
    assert torch.equal(as_values(Y, Z), ONE_HOT)
    assert torch.equal(as_values(V, Z), V)
    one = torch.randn(4, dtype=torch.float64)
    assert as_values(one, torch.zeros(4, 1)).shape == (4, 1)
