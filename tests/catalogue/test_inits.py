"""Every init of the table: moments and bounds of torch.nn.init's formulas, and its randomness."""

import math

import pytest
import torch
from torch import nn

from harness.catalogue.inits import INITS, InitOptions, fans
from harness.catalogue.networks import NETWORKS
from harness.catalogue.resolve import build_network, resolve
from harness.errors import BadInput
from harness.training.layout import layout_of
from harness.training.start import initial_params
from harness.words.trial import Trial

SHAPE = (300, 200)  # 60,000 draws: a standard deviation is known to 0.3 %

# name -> torch's own, in place. A new entry that torch has belongs here.
TORCH = {
    "he_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "he_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
    "lecun_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
    "lecun_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear"),
    "normal_1": lambda w: nn.init.normal_(w, 0.0, 1.0),
    "normal_001": lambda w: nn.init.normal_(w, 0.0, 0.01),
    "orthogonal": nn.init.orthogonal_,
    "zeros": nn.init.zeros_,
}
DRAWN = sorted(set(INITS) - {"zeros"})


def draw(name, shape=SHAPE, seed=0, dtype=torch.float64):
    return INITS[name].draw(shape, torch.Generator().manual_seed(seed), dtype)


def torchs(name, shape, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TORCH[name](torch.empty(shape, dtype=torch.float64))


@pytest.mark.parametrize("shape", [SHAPE, (40, 30, 5, 5)], ids=["dense", "kernel"])
@pytest.mark.parametrize("name", sorted(TORCH))
def test_has_the_distribution_of_torchs_own(name, shape):
    ours, theirs = draw(name, shape), torchs(name, shape)
    n = ours.numel()
    assert ours.mean().abs() <= 5 * theirs.std() / math.sqrt(n)
    torch.testing.assert_close(ours.std(), theirs.std(), rtol=0.02, atol=0)
    share = torch.linspace(0.01, 0.99, 9, dtype=torch.float64)
    quantiles = torch.quantile(ours.flatten(), share), torch.quantile(theirs.flatten(), share)
    torch.testing.assert_close(*quantiles, rtol=0, atol=0.04 * float(theirs.std()))
    if name.endswith("uniform"):  # the bound is theirs: reached and never passed
        bound = theirs.abs().max()
        torch.testing.assert_close(ours.abs().max(), bound, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", ["he_uniform", "xavier_uniform", "lecun_uniform"])
def test_uniform_bounds_by_hand(name):
    """fan_in 200, fan_out 300."""
    bound = math.sqrt({"he_uniform": 6 / 200, "xavier_uniform": 6 / 500, "lecun_uniform": 3 / 200}[name])
    largest = float(draw(name).abs().max())
    assert 0.999 * bound < largest <= bound


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("he_normal", math.sqrt(2 / 200)),
        ("xavier_normal", math.sqrt(2 / 500)),
        ("lecun_normal", math.sqrt(1 / 200)),
        ("normal_1", 1.0),
        ("normal_001", 0.01),
    ],
)
def test_normal_deviations_by_hand(name, std):
    """fan_in 200, fan_out 300; the fourth moment tells a normal from a uniform."""
    w = draw(name)
    assert float(w.std()) == pytest.approx(std, rel=0.015)
    assert float((w / std).pow(4).mean()) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(20, 20), (30, 12), (12, 30), (8, 3, 2, 2), (1, 5), (5, 1)])
def test_orthogonal_is_orthonormal(shape, dtype):
    w = draw("orthogonal", shape, dtype=dtype).reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    torch.testing.assert_close(small, torch.eye(len(small), dtype=dtype), rtol=0, atol=1e-5)


def test_orthogonal_signs_are_uniform():
    """Without the correction QR's first column would always have the same sign of R's diagonal."""
    traces = torch.stack([torch.trace(draw("orthogonal", (6, 6), seed)) for seed in range(400)])
    # Haar measure on O(n): the trace has mean 0 and variance 1
    assert abs(float(traces.mean())) < 4 / math.sqrt(400)
    assert float(traces.var()) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("name", sorted(INITS))
def test_entry_is_a_function_of_its_generator(name):
    entry = INITS[name]
    assert entry.formula
    assert entry.source
    before = torch.random.get_rng_state()
    first, again = draw(name, (7, 5), 3), draw(name, (7, 5), 3)
    assert torch.equal(first, again)
    assert torch.equal(before, torch.random.get_rng_state())  # the global generator is left alone
    assert first.shape == (7, 5)
    for dtype in (torch.float32, torch.float64):
        assert draw(name, (7, 5), dtype=dtype).dtype is dtype


@pytest.mark.parametrize("name", DRAWN)
def test_other_seeds_draw_other_weights(name):
    assert not torch.equal(draw(name, (7, 5), 0), draw(name, (7, 5), 1))


@pytest.mark.parametrize(("shape", "expected"), [((3, 4), (4, 3)), ((8, 2, 3, 5), (30, 120))])
def test_fans(shape, expected):
    assert fans(shape) == expected == tuple(nn.init._calculate_fan_in_and_fan_out(torch.empty(shape)))


FEATURES = {"cnn2d": (8, 8)}  # of an example, where sequences of 12 steps won't do


def starts(network, **options):
    """Initial parameters by name: of a trial as it trains."""
    tree = {"data": {"name": "mnist1d"}, "model": {"name": network, **options}, "train": {"steps": 1}}
    config = resolve(tree)
    module = build_network(config, FEATURES.get(network, (12,)), 10)
    trial = Trial(study="tests", phase="judge", replicate=0, config=config.tree())
    return layout_of(module).unflatten(initial_params(trial, module))


@pytest.mark.parametrize(
    "network", sorted(n for n, e in NETWORKS.items() if issubclass(e.options, InitOptions))
)
def test_biases_start_where_told_and_weights_are_scaled(network):
    plain, other = starts(network), starts(network, init_bias=-1.0, init_gain=3.0)
    assert plain.keys() == other.keys()
    for name, value in plain.items():
        if name.endswith("bias"):
            assert not value.any()
            assert torch.equal(other[name], torch.full_like(value, -1.0))
        else:
            scale = 3.0 if value.ndim >= 2 else 1.0  # a normalisation's scale is no weight
            assert torch.equal(other[name], scale * value)


def test_a_learned_activation_keeps_its_own_start():
    slopes = {n: v for n, v in starts("mlp", activation="prelu", init="zeros").items() if "slope" in n}
    assert [v.tolist() for v in slopes.values()] == [[0.25], [0.25]]


@pytest.mark.parametrize("options", [{"init_gain": 0}, {"init_gain": math.inf}, {"init_bias": math.nan}])
def test_no_start_without_finite_numbers(options):
    with pytest.raises(BadInput, match=next(iter(options))):
        starts("mlp", **options)
