"""Learning-rate schedules: against torch's, their ends, their warm-up."""

import inspect
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.catalogue.schedules import SCHEDULES, CosineOptions

NAMES = sorted(SCHEDULES)


def factors(name, total, **options):
    entry = SCHEDULES[name]
    return [entry.factor(step, total, entry.options(**options)) for step in range(total)]


def torchs(make, total):
    """The learning rates torch's scheduler uses at each step, from a peak of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(total):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("total", [1, 2, 10, 333])
def test_cosine_against_torch(total, final):
    theirs = torchs(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=total, eta_min=final), total
    )
    assert factors("cosine", total, final=final) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_constant():
    assert factors("constant", 20) == [1.0] * 20


def test_warm_up_is_linear_to_the_peak_and_then_half_a_cosine():
    found = factors("cosine", 100, warmup=0.2, final=0.1)
    assert found[:20] == pytest.approx([(k + 1) / 20 for k in range(20)])
    assert found[20] == 1.0
    theirs = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 80, eta_min=0.1), 80)
    assert found[20:] == pytest.approx(theirs, rel=1e-9)
    assert found[60] == pytest.approx(0.55)  # half way


@given(
    total=st.integers(1, 500),
    final=st.floats(0, 1),
    warmup=st.floats(0, 0.99),
)
def test_cosine_stays_within_bounds_and_only_falls_after_the_peak(total, final, warmup):
    found = factors("cosine", total, final=final, warmup=warmup)
    assert all(0 <= f <= 1 for f in found)
    start = round(warmup * total)
    after = found[start:]
    assert all(a >= b - 1e-12 for a, b in pairwise(after))
    assert all(f >= final - 1e-12 for f in after)


@pytest.mark.parametrize("name", NAMES)
def test_entry(name):
    entry = SCHEDULES[name]
    assert entry.formula
    assert entry.source
    assert inspect.getdoc(entry.factor)
    assert inspect.getdoc(entry.options)
    found = factors(name, 50)
    assert all(isinstance(f, float) and 0 <= f <= 1 for f in found)
    assert max(found) == 1  # the peak is the optimizer's learning rate


@pytest.mark.parametrize("wrong", [{"final": -0.1}, {"final": 1.1}, {"warmup": 1.0}, {"warmup": -0.1}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CosineOptions(**wrong)
