"""Kernels that take a model after another: their rules' numbers, the same alone as in a stack."""

import pytest
import torch

from harness.catalogue.optimizers import OPTIMIZERS
from harness.training.update import FUSED, fused_of, fused_update, update_of

# Of seven models; neighbours that share everything take one call.
RATES = [0.01, 0.01, 0.0, 0.3, 0.3, 0.3, 0.01]
DECAYS = [0.1, 0.1, 0.1, 0.0, 0.0, 0.02, 0.1]
STEPS = 30
FUSED_NAMES = [name for name, optimizer in OPTIMIZERS.items() if optimizer.fused]


def hyper_of(rows, decay):
    columns = {
        "lr": RATES,
        "beta1": [0.9] * 6 + [0.0],
        "beta2": [0.99] * 7,
        "alpha": [0.9] * 7,
        "eps": [1e-8] * 7,
    }
    if decay:
        columns["weight_decay"] = DECAYS
    return {name: torch.tensor([[v[i]] for i in rows], dtype=torch.float64) for name, v in columns.items()}


def stepped(name, rows, decay, fused):
    """Parameters and state of some of the models after some steps on gradients in parts."""
    optimizer = OPTIMIZERS[name]
    generator = torch.Generator().manual_seed(0)
    params = torch.randn(7, FUSED + 13, generator=generator)[list(rows)]
    own = params, optimizer.init(params)
    assert fused_of(optimizer, params) is optimizer.fused
    update = fused_update(optimizer.fused, own) if fused else update_of(optimizer).bound(own)
    for step in range(1, STEPS + 1):
        grads = torch.randn(7, FUSED + 13, generator=generator)
        grads[1] = grads[1] if step < 9 else torch.nan  # diverges
        coefficients = optimizer.rounded(hyper_of(rows, decay), step, torch.float32)
        update(grads[list(rows)].split([FUSED, 10, 3], 1), coefficients)
    return [params, *own[1]]


def test_who_has_a_kernel():
    assert FUSED_NAMES == ["adagrad", "rmsprop", "adam", "adamw"]


@pytest.mark.parametrize("decay", [False, True], ids=["", "weight decay"])
@pytest.mark.parametrize("name", FUSED_NAMES)
def test_kernel_follows_the_rule(name, decay):
    found, wanted = (stepped(name, range(7), decay, fused) for fused in (True, False))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("decay", [False, True], ids=["", "weight decay"])
@pytest.mark.parametrize("name", FUSED_NAMES)
def test_a_model_is_the_same_alone_and_beside_others(name, decay):
    whole = stepped(name, range(7), decay, fused=True)
    assert whole[0][1].isnan().all()
    assert whole[0][[0, 2, 3, 4, 5, 6]].isfinite().all()
    for rows in ([0], [2], [4], [6], [2, 5], [3, 4, 5]):
        for a, b in zip(stepped(name, rows, decay, fused=True), whole, strict=True):
            assert torch.equal(a, b[rows])


@pytest.mark.parametrize("name", FUSED_NAMES)
def test_small_models_and_other_places_have_the_rule(name):
    assert fused_of(OPTIMIZERS[name], torch.zeros(1000, FUSED - 1)) is None
    assert fused_of(OPTIMIZERS[name], torch.zeros(2, FUSED, dtype=torch.float64)) is None
    assert fused_of(OPTIMIZERS[name], torch.zeros(2, FUSED, device="meta")) is None
