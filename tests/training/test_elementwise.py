"""tanh and roots by NumPy: as exact as torch's, the same for a number wherever it stands, also in a stack."""

import math

import numpy as np
import pytest
import torch

from harness.training import elementwise as module
from harness.training.elementwise import SQRT, TANH, fastest
from harness.training.graph.capture import captured
from harness.training.run import _shared_program
from tests.training.examples import train_together, trial_of
from tests.training.test_equality import assert_same

aten = torch.ops.aten
tanh, tanh_in_place = TANH.values()
sqrt, sqrt_in_place = SQRT.values()
WIDE = torch.linspace(-12, 12, 20_001)


def test_within_two_units_in_the_last_place():
    small = torch.logspace(-30, 0, 10_001)
    for x in (WIDE, small, -small):
        exact = np.tanh(x.double().numpy())
        unit = np.spacing(np.abs(exact).astype(np.float32))
        assert np.all(np.abs(tanh(x).numpy() - exact) <= 2 * unit)
    special = torch.tensor([0.0, torch.inf, -torch.inf, torch.nan])
    torch.testing.assert_close(tanh(special), special.tanh(), equal_nan=True)


def test_a_number_gives_the_same_wherever_it_stands():
    whole = tanh(WIDE)
    for n in range(1, 70):
        assert torch.equal(tanh(WIDE[3 : 3 + n].clone()), whole[3 : 3 + n])
    turned = WIDE[:600].view(20, 30).t()
    assert tanh(turned).stride() == turned.stride()
    assert torch.equal(tanh(turned), whole[:600].view(20, 30).t())
    own = WIDE.clone()
    assert tanh_in_place(own) is own
    assert torch.equal(own, whole)


@pytest.mark.parametrize("amd", [True, False])
def test_which_library_is_the_processors_matter(amd, monkeypatch):
    monkeypatch.setattr(module, "is_amd", lambda: amd)
    assert fastest(aten.tanh.default, [WIDE]) is (tanh if amd else aten.tanh.default)
    assert fastest(aten.tanh_.default, [WIDE]) is (tanh_in_place if amd else aten.tanh_.default)
    assert fastest(aten.tanh.default, [WIDE.double()]) is aten.tanh.default
    assert fastest(aten.tanh.default, [WIDE.to("meta")]) is aten.tanh.default
    run = captured(torch.tanh, (WIDE,))
    assert torch.equal(run(WIDE), tanh(WIDE) if amd else torch.tanh(WIDE))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_roots_are_rounded_as_the_standard_says(dtype):
    """The nearest number to the root, whatever the place: so is torch's but for speed."""
    x = torch.cat([torch.zeros(7), torch.logspace(-37, 38, 10_001), torch.tensor([torch.inf])]).to(dtype)
    exact = torch.tensor([math.sqrt(value) for value in x.tolist()], dtype=torch.float64).to(dtype)
    assert torch.equal(sqrt(x), exact)
    own = x.clone()
    assert sqrt_in_place(own) is own
    assert torch.equal(own, exact)
    assert fastest(aten.sqrt.default, [x]) is sqrt
    assert fastest(aten.sqrt.default, [x.bfloat16()]) is aten.sqrt.default
    run = captured(lambda a: (a.sqrt(), (a + 0.0).sqrt()), (x,))
    for found in run(x):
        assert torch.equal(found, exact)


@pytest.mark.parametrize("amd", [True, False])
def test_training_alone_and_in_a_stack(amd, cache_dir, monkeypatch):
    monkeypatch.setattr(module, "is_amd", lambda: amd)
    _shared_program.cache_clear()
    trials = [trial_of(r, model__activation="tanh", train__steps=40) for r in range(5)]
    together = train_together(trials, cache_dir)
    for trial, record in zip(trials, together, strict=True):
        (alone,) = train_together([trial], cache_dir)
        assert_same(alone, record, 0.0)
    _shared_program.cache_clear()
