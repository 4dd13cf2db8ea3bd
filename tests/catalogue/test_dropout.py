"""Dropout: masks are a function of key, layer and element, fair, independent, and scaled to keep the mean."""

import math

import pytest
import torch

from harness.catalogue.dropout import Dropout, mix, uniform

N = 40_000
SIGMAS = 4.5  # two-sided chance 7e-6 a comparison; the keys are fixed, so a pass stays a pass


def mask(rate, key, layer=0, n=N, dtype=torch.float32):
    """Which of n elements are kept."""
    return drop(torch.ones(n // 100, 100, dtype=dtype), rate, key, layer).flatten() != 0


def drop(x, rate, key, layer=0):
    module = Dropout(rate, layer)
    module.key.fill_(key)
    return module(x)


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1])


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("key", [0, 1, 12345, 2**32 - 1])
def test_share_kept_is_binomial(rate, key):
    kept = float(mask(rate, key).double().mean())
    assert abs(kept - (1 - rate)) < SIGMAS * math.sqrt(rate * (1 - rate) / N)


def test_mask_is_a_function_of_key_layer_and_element():
    first = mask(0.5, 7, 2)
    before = torch.random.get_rng_state()
    assert torch.equal(first, mask(0.5, 7, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(first, mask(0.5, 8, 2))
    assert not torch.equal(first, mask(0.5, 7, 3))
    assert torch.equal(first[:5000], mask(0.5, 7, 2, n=5000))  # an element's fate knows no later element
    assert torch.equal(first, mask(0.5, 7, 2, dtype=torch.float64))


def test_draws_are_the_hash_in_plain_integers():
    """Whatever words the program computes in, the draws are these: records hold to them."""

    def hashed(x):
        for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
            x = ((x ^ (x >> shift)) * factor) % 2**32
        return x ^ (x >> 15)

    keys = [0, 1, 12345, 2**31 - 1, 2**31, 2**32 - 1]
    wanted = [[(hashed(hashed(i * 0x9E3779B9 % 2**32) ^ k) >> 8) / 2**24 for i in range(500)] for k in keys]
    assert uniform(torch.tensor(keys), 500).tolist() == wanted
    assert mix(torch.tensor(keys)).tolist() == [hashed(k) for k in keys]


def test_a_higher_rate_drops_the_same_elements_and_more():
    low, high = mask(0.2, 3), mask(0.6, 3)
    assert not (high & ~low).any()


@pytest.mark.parametrize(
    "pairs",
    [
        [((7, layer), (7, layer + 1)) for layer in range(6)],
        [
            ((int(mix(mix(torch.tensor(99 ^ s)))), 0), (int(mix(mix(torch.tensor(99 ^ (s + 1))))), 0))
            for s in range(6)
        ],
        [((key, 1), (key + 1, 1)) for key in range(6)],
        [((key, 0), (key ^ 0x85EBCA6B, 0)) for key in (0, 5, 2**31)],
    ],
    ids=["layers", "steps", "keys", "keys a layer's constant apart"],
)
def test_masks_are_independent(pairs):
    for (key_a, layer_a), (key_b, layer_b) in pairs:
        found = correlation(mask(0.5, key_a, layer_a), mask(0.5, key_b, layer_b))
        assert abs(found) < SIGMAS / math.sqrt(N)


@pytest.mark.parametrize("lag", [1, 2, 3, 32, 64, 100, 1024])
def test_neighbouring_elements_are_independent(lag):
    kept = mask(0.5, 11)
    assert abs(correlation(kept[:-lag], kept[lag:])) < SIGMAS / math.sqrt(N - lag)


@pytest.mark.parametrize("key", [0, 3, 2**31 + 17])
def test_draws_are_uniform(key):
    """Chi-square over 256 cells: mean 255, deviation sqrt(510)."""
    draws = uniform(torch.tensor(key), N)
    assert 0 <= float(draws.min()) <= float(draws.max()) < 1
    counts = torch.histc(draws, 256, 0, 1).double()
    statistic = float(((counts - N / 256) ** 2 / (N / 256)).sum())
    assert abs(statistic - 255) < SIGMAS * math.sqrt(510)


def test_mix_is_a_bijection_on_a_sample():
    words = torch.arange(0, 2**32, 65_521)
    mixed = mix(words)
    assert len(mixed.unique()) == len(words)
    assert 0 <= int(mixed.min()) <= int(mixed.max()) < 2**32


def test_rate_0_and_evaluation_are_the_identity():
    x = torch.randn(20, 30)
    assert torch.equal(drop(x, 0.0, 5), x)
    module = Dropout(0.7).eval()
    assert torch.equal(module(x), x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
def test_what_is_kept_is_scaled_to_keep_the_mean(rate):
    kept = drop(torch.ones(400, 100), rate, 9)
    assert sorted(kept.unique().tolist()) == pytest.approx([0.0, 1 / (1 - rate)])
    error = math.sqrt(rate / (1 - rate) / N)  # of the mean of 1/(1-rate) times a coin
    assert abs(float(kept.mean()) - 1) < SIGMAS * error


def test_gradient_goes_through_what_is_kept():
    x = torch.randn(20, 30, requires_grad=True)
    out = drop(x, 0.4, 2)
    out.sum().backward()
    assert torch.equal(x.grad != 0, out != 0)
    torch.testing.assert_close(x.grad[out != 0], torch.full_like(x.grad[out != 0], 1 / 0.6))


@pytest.mark.parametrize("m", [2, 7, 64])
def test_masks_in_a_stack_are_the_masks_alone(m):
    """Rates and keys vary along the stack: (M,) buffers."""
    module = Dropout(0.5, 1)
    rates = torch.linspace(0, 0.9, m, dtype=torch.float64)
    keys = torch.arange(m) * 999_983 % 2**32
    x = torch.randn(m, 5, 13)

    def one(rate, key, x):
        return torch.func.functional_call(module, {"rate": rate, "key": key}, (x,))

    stacked = torch.vmap(one)(rates, keys, x)
    for i in range(m):
        assert torch.equal(stacked[i], drop(x[i], float(rates[i]), int(keys[i]), 1))
