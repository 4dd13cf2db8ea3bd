"""Augmentations: what they may change, how much, and that a trial's draws are its own."""

import inspect
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from harness.catalogue.augmentation import AUGMENTATIONS, STREAM, augmented
from harness.catalogue.dropout import Dropout, mix, uniform
from harness.catalogue.resolve import ConfigError
from harness.words.record import Status
from tests.training.examples import config_of, splits_for, train_together, trial_of

SIGMAS = 4.5  # two-sided chance 7e-6 a comparison; the keys are fixed, so a pass stays a pass
CHANGING = sorted(AUGMENTATIONS.keys() - {"none"})
SHAPES = [(40,), (7, 9)]  # of a sequence, of an image


def inputs(m, b, shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(m, b, *shape, generator=generator, dtype=dtype)


def keys(m):
    return torch.arange(m) * 999_983 % 2**32


def strengths(m, value=None):
    steps = torch.linspace(0.05, 0.8, m, dtype=torch.float64)
    return steps if value is None else torch.full((m,), value, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_strength_0_changes_nothing(name, shape, dtype):
    x = inputs(3, 5, shape, dtype)
    assert torch.equal(augmented(name, x, keys(3), strengths(3, 0.0)), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("m", [2, 7, 64])
def test_a_member_of_a_stack_gets_what_it_gets_alone(name, shape, dtype, m):
    """Keys and strengths vary along the stack; batches of odd sizes, so that no vector ends with a member."""
    x = inputs(m, 13, shape, dtype)
    whole = augmented(name, x, keys(m), strengths(m))
    assert whole.shape == x.shape
    assert whole.dtype == x.dtype
    for i in range(m):
        one = slice(i, i + 1)
        assert torch.equal(whole[one], augmented(name, x[one], keys(m)[one], strengths(m)[one]))
    if m == 64:
        assert not torch.equal(whole, x)


@pytest.mark.parametrize("name", CHANGING)
def test_draws_are_a_function_of_the_key(name):
    x = inputs(1, 50, (40,)).expand(3, -1, -1)
    before = torch.random.get_rng_state()
    one, same, other = augmented(name, x, torch.tensor([7, 7, 8]), strengths(3, 0.5))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CHANGING)
def test_a_gpu_draws_the_same(name, shape):
    x = inputs(7, 13, shape)
    there = augmented(name, x.cuda(), keys(7).cuda(), strengths(7).cuda()).cpu()
    torch.testing.assert_close(there, augmented(name, x, keys(7), strengths(7)))


PRODUCTS = {
    "x (": "x[i] * (",
    "s (": "s * (",
    ") u": ") * u",
    "2 u": "2 * u",
    "2 m": "2 * m",
    "s n": "s * n",
    "s z": "s * z",
    "n u": "n * u",
}


def value_of(formula, **names):
    """A formula read as arithmetic, juxtaposition a product; what it names after commas comes first."""
    for written, meant in {**PRODUCTS, " mod ": " % "}.items():
        formula = formula.replace(written, meant)
    expression, *named = formula.split(", ")
    words = {"__builtins__": {}, "floor": math.floor, "round": round, **names}
    for name, _, value in (part.partition(" = ") for part in reversed(named)):
        words[name] = eval(value, words)
    found = eval(expression, words)
    return found[words["i"]] if isinstance(found, list) else found


@pytest.mark.parametrize("strength", [0.0, 0.07, 0.3, 1.0])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_does_what_its_formula_says(name, strength):
    """Element by element of sequences, by the draws that the key stands for."""
    b, n = 30, 11
    x = inputs(1, b, (n,), torch.float64)
    formula = AUGMENTATIONS[name].formula.replace("x + s z", "x[i] + s z")
    key = mix(keys(1) ^ STREAM)
    each = uniform(key, b)[0].double() + 2.0**-25
    every = norm.ppf(uniform(key, b * n)[0].double() + 2.0**-25).reshape(b, n)
    expected = [
        [value_of(formula, x=own.tolist(), i=i, n=n, s=strength, u=float(u), z=float(z[i])) for i in range(n)]
        for own, u, z in zip(x[0], each, every, strict=True)
    ]
    found = augmented(name, x, keys(1), strengths(1, strength))[0]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=3e-6)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_entry_says_what_it_is(name):
    entry = AUGMENTATIONS[name]
    assert entry.strength
    assert entry.source
    assert inspect.getdoc(entry.function)
    assert 0 < entry.range.low < entry.range.high <= 1
    for end in entry.range[:2]:
        config_of(train__augment=name, train__augment_strength=end)


def offsets(strength, n=40, examples=4000):
    """How far each of many examples was shifted, found by the place of a single 1."""
    x = torch.zeros(1, examples, n)
    x[..., 0] = 1
    moved = augmented("shift", x, keys(1), strengths(1, strength))[0]
    assert torch.equal(moved.sum(1), torch.ones(examples))  # rolled: nothing is lost
    places = moved.argmax(1).numpy()
    return np.where(places > n // 2, places - n, places)


def test_shifts_are_whole_and_uniform_up_to_the_strength():
    found = offsets(0.1)
    assert found.min() == -4
    assert found.max() == 4
    counts = np.bincount(found + 4, minlength=9)
    expected = 4000 / 9
    assert ((counts - expected) ** 2 / expected).sum() < 8 + SIGMAS * math.sqrt(16)


def test_an_image_is_shifted_along_both_axes_as_a_whole():
    x = torch.zeros(1, 2000, 10, 20)
    x[..., 5, 10] = 1
    moved = augmented("shift", x, keys(1), strengths(1, 0.2))[0]
    rows, columns = moved.flatten(1).argmax(1) // 20 - 5, moved.flatten(1).argmax(1) % 20 - 10
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (-2, 2, -4, 4)
    correlation = float(torch.corrcoef(torch.stack([rows.double(), columns.double()]))[0, 1])
    assert abs(correlation) < SIGMAS / math.sqrt(2000)


def test_shift_is_numpys_roll():
    x = inputs(1, 20, (9,))
    moved = augmented("shift", x, keys(1), strengths(1, 0.5))[0].numpy()
    for before, after in zip(x[0].numpy(), moved, strict=True):
        assert any(np.array_equal(np.roll(before, d), after) for d in range(-4, 5))


def test_scale_is_one_factor_an_example_within_the_strength():
    x = torch.ones(1, 5000, 6)
    factors = augmented("scale", x, keys(1), strengths(1, 0.3))[0]
    assert torch.equal(factors, factors[:, :1].expand(-1, 6))
    factors = factors[:, 0].double()
    assert 0.7 <= float(factors.min()) < 0.705
    assert 1.295 < float(factors.max()) <= 1.3
    assert abs(float(factors.mean()) - 1) < SIGMAS * 0.3 / math.sqrt(3 * 5000)


def test_noise_is_normal_and_independent():
    """Moments and tail shares of a normal, elements uncorrelated."""
    noise = augmented("noise", torch.zeros(1, 1000, 100), keys(1), strengths(1, 0.5))[0].double() / 0.5
    n = noise.numel()
    assert abs(float(noise.mean())) < SIGMAS / math.sqrt(n)
    assert abs(float(noise.var()) - 1) < SIGMAS * math.sqrt(2 / n)
    assert abs(float((noise**4).mean()) - 3) < SIGMAS * math.sqrt(96 / n)
    for bound, share in ((1.0, 0.317311), (2.0, 0.045500), (3.0, 0.002700)):
        assert abs(float((noise.abs() > bound).double().mean()) - share) < SIGMAS * math.sqrt(share / n)
    flat = noise.flatten()
    for lag in (1, 2, 64, 100):
        found = float(torch.corrcoef(torch.stack([flat[:-lag], flat[lag:]]))[0, 1])
        assert abs(found) < SIGMAS / math.sqrt(n - lag)


def test_flip_reverses_the_share_asked_for():
    x = inputs(1, 5000, (4, 3))
    out = augmented("flip", x, keys(1), strengths(1, 0.3))
    flipped = (out == x.flip(-1)).flatten(2).all(2)[0]
    untouched = (out == x).flatten(2).all(2)[0]
    assert torch.equal(flipped, ~untouched)
    assert abs(float(flipped.double().mean()) - 0.3) < SIGMAS * math.sqrt(0.21 / 5000)


@pytest.mark.parametrize(("shape", "zeros"), [((40,), 10), ((8, 12), 2 * 3)])
def test_mask_zeroes_one_window_an_example(shape, zeros):
    out = augmented("mask", torch.ones(1, 500, *shape), keys(1), strengths(1, 0.25))[0]
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert ((out == 0).flatten(1).sum(1) == zeros).all()
    assert (out == 0).any(0).all()  # every place is hit some time
    if len(shape) == 1:
        edges = (out != out.roll(1, -1)).sum(-1)
        assert (edges == 2).all()  # one run


def test_draws_are_apart_from_those_of_dropout():
    """Both hash the step's key: a mask that followed the augmentation would bias its study."""
    key = torch.tensor([12345])
    noise = augmented("noise", torch.zeros(1, 400, 100), key, strengths(1, 1.0))[0].flatten().double()
    for layer in range(4):
        dropout = Dropout(0.5, layer)
        dropout.key.fill_(12345)
        kept = (dropout(torch.ones(400, 100)) != 0).flatten().double()
        found = float(torch.corrcoef(torch.stack([noise, kept]))[0, 1])
        assert abs(found) < SIGMAS / math.sqrt(40_000)


@pytest.mark.parametrize("name", CHANGING)
def test_trials_train_the_same_alone_and_in_a_stack_of_mixed_strengths(name, cache_dir):
    trials = [
        trial_of(
            i % 3,
            train__steps=30,
            train__evaluations=2,
            train__augment=name,
            train__augment_strength=0.3 * (i % 4),
            model__dropout=0.2,
        )
        for i in range(7)
    ]
    together = train_together(trials, cache_dir)
    plain = train_together(
        [trial_of(0, train__steps=30, train__evaluations=2, model__dropout=0.2)], cache_dir
    )
    assert together[0].curves == plain[0].curves  # strength 0
    for i in (0, 1, 6):
        (alone,) = train_together([trials[i]], cache_dir)
        assert alone.status is Status.DONE
        assert alone.curves == together[i].curves
        assert alone.final == together[i].final
    assert together[1].curves["train/loss"][1:] != together[3].curves["train/loss"][1:]


def test_every_step_draws_anew_and_the_data_stay(cache_dir, monkeypatch):
    seen = []

    def listening(name, x, key, strength):
        seen.append(int(key[0]))
        return augmented(name, x, key, strength)

    monkeypatch.setattr("harness.training.train.augmented", listening)
    trial = trial_of(train={"batch_size": "full", "steps": 5, "augment": "shift", "augment_strength": 0.2})
    splits = splits_for(trial, cache_dir)
    before = splits.x_train.copy()
    train_together([trial], cache_dir)
    assert len(set(seen)) == 5
    np.testing.assert_array_equal(splits.x_train, before)


def test_unknown_augmentations_and_strengths_are_refused():
    with pytest.raises(ConfigError, match=r"train\.augment: unknown augmentation 'shifts'.*'shift'"):
        config_of(train__augment="shifts")
    with pytest.raises(ConfigError, match=r"train\.augment_strength"):
        config_of(train__augment_strength=1.5)
