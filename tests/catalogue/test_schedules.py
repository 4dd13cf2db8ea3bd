"""Learning-rate schedules: against torch's, their ends, their warm-up, what they make of a plateau."""

import inspect
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.catalogue.schedules import SCHEDULES, silence

NAMES = sorted(SCHEDULES)
LR = torch.optim.lr_scheduler


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
    theirs = torchs(lambda o: LR.CosineAnnealingLR(o, T_max=total, eta_min=final), total)
    assert factors("cosine", total, final=final) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("gamma", "every"), [(0.1, 0.3), (0.5, 0.25), (0.9, 1.0), (0.2, 0.001)])
@pytest.mark.parametrize("total", [1, 10, 200, 333])
def test_step_against_torch(total, gamma, every):
    size = max(1, round(every * total))
    theirs = torchs(lambda o: LR.StepLR(o, size, gamma), total)
    assert factors("step", total, gamma=gamma, every=every) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("final", [1e-4, 0.5, 1.0])
@pytest.mark.parametrize("total", [1, 10, 333])
def test_exponential_against_torch(total, final):
    theirs = torchs(lambda o: LR.ExponentialLR(o, final ** (1 / total)), total)
    assert factors("exponential", total, final=final) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    ("warmup", "start", "final"), [(0.3, 0.04, 4e-6), (0.45, 0.2, 0.1), (0.9, 0.5, 0.01)]
)
@pytest.mark.parametrize("total", [1, 7, 50, 333])
def test_one_cycle_against_torch(total, warmup, start, final):
    def make(optimizer):
        shape = {"pct_start": warmup, "div_factor": 1 / start, "final_div_factor": start / final}
        return LR.OneCycleLR(optimizer, max_lr=1.0, total_steps=total, cycle_momentum=False, **shape)

    found = factors("one_cycle", total, warmup=warmup, start=start, final=final)
    assert found == pytest.approx(torchs(make, total)[:total], rel=1e-9, abs=1e-12)


def test_one_cycle_where_the_first_step_is_the_peak():
    """A division by zero in torch."""
    found = factors("one_cycle", 10, warmup=0.1)
    assert found[0] == 1
    assert found[-1] == pytest.approx(4e-6)


@pytest.mark.parametrize("total", [20, 333])
def test_linear_warmup_against_torch(total):
    width = round(0.2 * total)
    theirs = torchs(lambda o: LR.LinearLR(o, 1 / width, total_iters=width - 1), total)
    assert factors("linear_warmup", total, warmup=0.2) == pytest.approx(theirs, rel=1e-9)


def test_inverse_time():
    found = factors("inverse_time", 100, decay=4.0)
    assert found[0] == 1
    assert found[50] == pytest.approx(1 / 3)
    theirs = torchs(lambda o: LR.LambdaLR(o, lambda t: 1 / (1 + 0.04 * t)), 100)
    assert found == pytest.approx(theirs, rel=1e-12)


def heard_after(losses, **options):
    """The factors (M,) after each evaluation, for losses (evaluations, M)."""
    entry = SCHEDULES["reduce_on_plateau"]
    heard, seen = silence(losses.shape[1], losses.device), []
    for loss in losses:
        heard = entry.on_evaluation(heard, loss, entry.options(**options))
        seen.append(heard.factor)
    return torch.stack(seen)


def noisy_descents(n, m):
    """Validation losses that fall, level off and jitter; one of them is NaN from the tenth on."""
    generator = torch.Generator().manual_seed(2)
    falling = torch.exp(-torch.arange(n) / 8.0).unsqueeze(1) + 0.5
    losses = falling + 0.03 * torch.randn(n, m, generator=generator)
    losses[10:, -1] = torch.nan
    return losses


@pytest.mark.parametrize(("gamma", "patience", "threshold"), [(0.1, 3, 1e-3), (0.5, 0, 0.0), (0.3, 7, 0.05)])
def test_on_plateau_against_torch(gamma, patience, threshold):
    losses = noisy_descents(60, 5)
    found = heard_after(losses, gamma=gamma, patience=patience, threshold=threshold)
    for member in range(5):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        theirs = LR.ReduceLROnPlateau(
            optimizer, factor=gamma, patience=patience, threshold=threshold, eps=0.0
        )
        rates = []
        for loss in losses[:, member].tolist():
            theirs.step(loss)
            rates.append(optimizer.param_groups[0]["lr"])
        assert found[:, member].tolist() == pytest.approx(rates, rel=1e-12)
        assert rates[-1] < 1  # it did hear something


def test_a_plateau_is_each_members_own():
    losses = noisy_descents(60, 5)
    together = heard_after(losses)
    for member in range(5):
        assert torch.equal(together[:, member], heard_after(losses[:, member : member + 1])[:, 0])


def test_a_loss_that_keeps_falling_keeps_its_rate():
    falling = torch.logspace(0, -3, 50).unsqueeze(1)
    assert (heard_after(falling, patience=0) == 1).all()
    assert heard_after(falling, patience=0, threshold=0.5)[-1] < 1e-9  # none of the steps was a gain


def test_constant():
    assert factors("constant", 20) == [1.0] * 20


def test_warm_up_is_linear_to_the_peak_and_then_half_a_cosine():
    found = factors("cosine", 100, warmup=0.2, final=0.1)
    assert found[:20] == pytest.approx([(k + 1) / 20 for k in range(20)])
    assert found[20] == 1.0
    theirs = torchs(lambda o: LR.CosineAnnealingLR(o, 80, eta_min=0.1), 80)
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


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *[("cosine", {"final": value}) for value in (-0.1, 1.1)],
        *[("cosine", {"warmup": value}) for value in (1.0, -0.1)],
        *[("step", {"gamma": value}) for value in (0.0, 1.1)],
        *[("step", {"every": value}) for value in (0.0, 1.1)],
        ("exponential", {"final": 0.0}),
        ("inverse_time", {"decay": -1.0}),
        ("linear_warmup", {"warmup": 1.0}),
        ("one_cycle", {"warmup": 0.0}),
        ("reduce_on_plateau", {"gamma": 1.0}),
        ("reduce_on_plateau", {"patience": -1}),
        ("reduce_on_plateau", {"threshold": 1.0}),
    ],
)
def test_impossible_options_are_refused(name, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SCHEDULES[name].options(**wrong)
