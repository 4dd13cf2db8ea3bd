"""Metrics: against torch, scikit-learn and scipy, and their declared worst values against what they mean."""

import inspect
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from sklearn.metrics import r2_score

from harness.catalogue.metrics import (
    CLASSIFICATION_AT_END,
    GAUSSIAN_AT_END,
    NAMES,
    REGRESSION_AT_END,
    WholeMeasure,
    measured,
)
from harness.words.metrics import METRICS

B, C, K = 400, 7, 3
GENERATOR = torch.Generator().manual_seed(6)
Z = 3 * torch.randn(B, C, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(C, (B,), generator=GENERATOR)
V = 5 + torch.randn(B, K, generator=GENERATOR, dtype=torch.float64)
POINT = V + torch.randn(B, K, generator=GENERATOR, dtype=torch.float64)
HEAD = torch.cat([POINT, torch.randn(B, K, generator=GENERATOR, dtype=torch.float64)], 1)
TABLES = {"classes": CLASSIFICATION_AT_END, "values": REGRESSION_AT_END, "gaussian": GAUSSIAN_AT_END}
EXAMPLES = {"classes": (Z, Y), "values": (POINT, V), "gaussian": (HEAD, V)}
COVERAGES = {"coverage_error", "conditional_coverage_error"}
CASES = [(table, name) for table, metrics in TABLES.items() for name in metrics]


def value(measure, outputs, targets):
    if isinstance(measure, WholeMeasure):
        return float(measure.of_split(outputs[None], targets[None]))
    return float(measure.of_mean(measure.per_example(outputs, targets).mean(0)))


def ece_by_loop(z, y, bins=15):
    """Guo et al. 2017, equation 3, bin by bin."""
    confidence, guess = (part.numpy() for part in z.softmax(1).max(1))
    total = 0.0
    for k in range(bins):
        inside = (confidence > k / bins) & (confidence <= (k + 1) / bins)
        if inside.any():
            right = np.mean(guess[inside] == y.numpy()[inside])
            total += inside.mean() * abs(right - confidence[inside].mean())
    return total


def normal_nll(z, y):
    return -stats.norm.logpdf(y, z[:, :K], (z[:, K:] / 2).exp()).mean()


def coverage_error(z, y):
    low, high = stats.norm.interval(0.9, z[:, :K], (z[:, K:] / 2).exp())
    return abs(((low <= y.numpy()) & (y.numpy() <= high)).mean() - 0.9)


def conditional_coverage_error(z, y):
    """Tenth by tenth of the examples, in the order of what is predicted."""
    tenths = np.array_split(np.argsort(z[:, :K].sum(1).numpy(), kind="stable"), 10)
    low, high = stats.norm.interval(0.9, z[:, :K], (z[:, K:] / 2).exp())
    inside = (low <= y.numpy()) & (y.numpy() <= high)
    return np.mean([abs(inside[tenth].mean() - 0.9) for tenth in tenths])


def one_variance(z, y):
    return torch.cat([z, torch.full_like(z, float(F.mse_loss(z, y).log()))], 1)


def normal_nll_of_one_variance(z, y):
    return -stats.norm.logpdf(y, z, F.mse_loss(z, y).sqrt()).mean()


VALUE = {
    "mse": F.mse_loss,
    "rmse": lambda z, y: F.mse_loss(z, y).sqrt(),
    "mae": F.l1_loss,
    "r2": lambda z, y: r2_score(y, z, multioutput="variance_weighted"),
}
REFERENCE = {
    "classes": {
        "accuracy": lambda z, y: (z.argmax(1) == y).double().mean(),
        "error": lambda z, y: (z.argmax(1) != y).double().mean(),
        "nll": F.cross_entropy,
        "brier": lambda z, y: ((F.softmax(z, 1) - F.one_hot(y, C)) ** 2).sum(1).mean(),
        "ece": ece_by_loop,
    },
    "values": {
        **VALUE,
        "nll": normal_nll_of_one_variance,
        "coverage_error": lambda z, y: coverage_error(one_variance(z, y), y),
        "conditional_coverage_error": lambda z, y: conditional_coverage_error(one_variance(z, y), y),
    },
    "gaussian": {
        **{name: (lambda z, y, f=f: f(z[:, :K], y)) for name, f in VALUE.items()},
        "nll": normal_nll,
        "coverage_error": coverage_error,
        "conditional_coverage_error": conditional_coverage_error,
    },
}


@pytest.mark.parametrize(("table", "name"), CASES)
def test_metrics_against_others(table, name):
    """Each listed metric is a word that analysis knows, and its value is a peer's."""
    assert name in METRICS
    measure = TABLES[table][name]
    assert isinstance(measure, WholeMeasure) or inspect.getdoc(measure.of_mean)
    expected = float(REFERENCE[table][name](*EXAMPLES[table]))
    assert value(measure, *EXAMPLES[table]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [1, 5, 9])
def test_coverage_of_few_examples(n):
    """Of under 10 examples each is a group of its own: the mean distance of its coverage from 0.9."""
    measure = GAUSSIAN_AT_END["conditional_coverage_error"]
    low, high = stats.norm.interval(0.9, HEAD[:n, :K], (HEAD[:n, K:] / 2).exp())
    inside = (low <= V[:n].numpy()) & (V[:n].numpy() <= high)
    expected = np.abs(inside.mean(1) - 0.9).mean()
    assert value(measure, HEAD[:n], V[:n]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("table", "name"), CASES)
def test_a_metric_is_the_same_in_a_stack(table, name, dtype):
    """Summed over 250 examples as an evaluation does: 1 model, 7 and 64, bit for bit."""
    z, y = (part[:250].to(dtype) if part.is_floating_point() else part[:250] for part in EXAMPLES[table])
    models = torch.stack([z * (1 + i / 100) for i in range(64)])
    measure = TABLES[table][name]

    def of(models):
        if isinstance(measure, WholeMeasure):
            return measure.of_split(models, y.expand(len(models), *y.shape))
        total = measure.per_example(models, y.expand(len(models), *y.shape)).sum(1, dtype=torch.float64)
        return measure.of_mean(total / 250)

    whole = of(models)
    assert whole.dtype is torch.float64
    assert torch.equal(whole[:7], of(models[:7]))
    assert torch.equal(whole, torch.cat([of(models[i : i + 1]) for i in range(64)]))


@pytest.mark.parametrize(("table", "name"), CASES)
def test_better_is_the_way_to_the_truth(table, name):
    """A perfect prediction is better than the one at hand, in the direction that is declared."""
    outputs, targets = EXAMPLES[table]
    if "coverage" in name and table == "values":  # errors of one spread; one that grows with the value
        noise = torch.randn(B, K, generator=torch.Generator().manual_seed(0), dtype=V.dtype)
        rank = V.mean(1).argsort().argsort()[:, None] / B
        found = [value(TABLES[table][name], V + noise * spread, V) for spread in (1e-3, 1e-3 * rank**3)]
        assert found[0] < 0.06
        assert found[1] > found[0] or name == "coverage_error"  # which is blind to where
        return
    if "coverage" in name:
        bound = 0.03 if name == "coverage_error" else 0.06  # a tenth of the examples says less
        # sure errors; a perfect head is one that covers nine in ten
        assert value(TABLES[table][name], torch.cat([V + 1, V * 0 - 20], 1), V) == pytest.approx(0.9)
        noise = torch.randn(B, K, generator=torch.Generator().manual_seed(0), dtype=V.dtype)
        assert value(TABLES[table][name], torch.cat([V + noise, V * 0], 1), V) < bound
        return
    perfect = {
        "classes": 1e3 * F.one_hot(Y, C).double(),
        "values": V,
        "gaussian": torch.cat([V, V * 0 - 9], 1),
    }
    gain = value(TABLES[table][name], perfect[table], targets) - value(TABLES[table][name], outputs, targets)
    assert gain > 0 if METRICS[name].better == "higher" else gain < 0


@pytest.mark.parametrize("name", ["accuracy", "error", "nll", "brier", "ece"])
def test_worst_of_a_classification_is_a_constant_guess(name):
    """Over equal classes: of an even guess; for accuracy, error and calibration, of one class for all."""
    y = torch.arange(C).repeat(3)
    even = name in ("nll", "brier")
    outputs = torch.zeros(len(y), C) if even else 1e3 * F.one_hot(torch.zeros_like(y), C).float()
    found = value(CLASSIFICATION_AT_END[name], outputs.double(), y)
    assert METRICS[name].worst(C) == pytest.approx(found, abs=1e-12)


def test_worst_of_a_regression():
    """R2 of the mean, and intervals that never cover; of an error none is known."""
    mean = V.mean(0).expand(B, K)
    assert value(REGRESSION_AT_END["r2"], mean, V) == pytest.approx(METRICS["r2"].worst(None), abs=1e-12)
    assert {METRICS[name].worst(None) for name in COVERAGES} == {0.9}
    assert all(math.isnan(METRICS[name].worst(None)) for name in ("mse", "rmse", "mae", "nll", "loss"))


def test_one_target_has_no_r2():
    assert math.isnan(value(REGRESSION_AT_END["r2"], POINT[:1], V[:1].round()))


def test_a_constant_variance_does_no_better_than_the_declared_nll():
    """The NLL given to a network without a variance is a floor over all constant variances."""
    least = value(REGRESSION_AT_END["nll"], POINT, V)
    scales = np.linspace(0.5, 2, 31) * float(F.mse_loss(POINT, V).sqrt())
    assert all(-stats.norm.logpdf(V, POINT, scale).mean() >= least - 1e-12 for scale in scales)


@pytest.mark.parametrize(
    ("loss", "n_classes", "has", "lacks"),
    [
        ("cross_entropy", 10, {"loss", "accuracy", "error", "nll", "brier", "ece"}, {"mse"}),
        ("mse", None, {"loss", "mse", "rmse", "mae", "r2", "nll", *COVERAGES}, {"accuracy"}),
        ("gaussian_nll", None, {"loss", "mse", "rmse", "mae", "r2", "nll", *COVERAGES}, {"accuracy"}),
    ],
)
def test_what_is_measured(loss, n_classes, has, lacks):
    at_end, on_curve = (measured(loss, n_classes, at_end=end) for end in (True, False))
    assert at_end.keys() == has
    assert on_curve.keys() <= has
    assert not lacks & at_end.keys()
    assert has <= set(NAMES)


def test_the_loss_of_rmse_is_its_metric():
    found = measured("rmse", None, at_end=False)
    assert value(found["loss"], POINT, V) == value(found["rmse"], POINT, V) != value(found["mse"], POINT, V)
