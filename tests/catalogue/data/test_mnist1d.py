"""MNIST-1D against the authors' package and against published numbers."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.neighbors import KNeighborsClassifier

os.environ.setdefault("MPLBACKEND", "Agg")  # the package imports pyplot
from mnist1d import data as package

from harness.catalogue.data import mnist1d, prepare
from harness.catalogue.data.base import Splits
from harness.catalogue.data.mnist1d import Mnist1dOptions, draw, load


@pytest.fixture
def global_generators() -> Iterator[None]:
    """The package seeds the global generators: put them back."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    yield
    np.random.set_state(numpy_state)
    random.setstate(python_state)


@pytest.fixture(scope="module")
def frozen() -> Splits:
    return load(Mnist1dOptions(frozen=True, n_val=0), 0, 0)


@pytest.mark.parametrize(("seed", "n"), [(42, 5000), (0, 500), (7, 1230)])
def test_draws_are_the_packages_bit_for_bit(seed: int, n: int, global_generators: None) -> None:
    args = package.get_dataset_args()
    args.seed, args.num_samples = seed, n
    theirs = package.make_dataset(args)
    x, y = draw(np.random.RandomState(seed), n)
    np.testing.assert_array_equal((x - x.mean()) / x.std(), np.concatenate([theirs["x"], theirs["x_test"]]))
    np.testing.assert_array_equal(y, np.concatenate([theirs["y"], theirs["y_test"]]))


def test_smoothing_is_scipys() -> None:
    noise = np.random.RandomState(3).standard_normal((20, 72))
    expected = gaussian_filter1d(noise, 2, axis=1)
    np.testing.assert_allclose(mnist1d._smoothed(noise), expected, rtol=0, atol=1e-15)


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()
    load(Mnist1dOptions(n_train=10, n_val=0, n_test=0), 1, 1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_frozen_class_counts(frozen: Splits) -> None:
    assert np.bincount(frozen.y_train).tolist() == [398, 396, 411, 394, 394, 402, 401, 404, 402, 398]
    assert (len(frozen.y_train), len(frozen.y_val), len(frozen.y_test)) == (4000, 0, 1000)


@pytest.mark.parametrize(("k", "accuracy"), [(1, 0.567), (5, 0.600), (15, 0.564)])
def test_frozen_nearest_neighbours(frozen: Splits, k: int, accuracy: float) -> None:
    model = KNeighborsClassifier(k).fit(frozen.x_train, frozen.y_train)
    assert round(model.score(frozen.x_test, frozen.y_test), 3) == accuracy


def _cross_entropy(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross-entropy (nats) and gradient of softmax regression; weights (410,), x (n, 41)."""
    logits = x @ weights.reshape(41, 10)
    log_p = logits - logsumexp(logits, axis=1, keepdims=True)
    residual = np.exp(log_p)
    residual[np.arange(len(y)), y] -= 1
    return float(-log_p[np.arange(len(y)), y].mean()), (x.T @ residual / len(y)).ravel()


def test_frozen_softmax_regression_optimum(frozen: Splits) -> None:
    """In coordinates in which the inputs are orthogonal: the optimum is the same, and soon found."""
    x, x_test = (
        np.column_stack([part.astype(np.float64), np.ones(len(part))])
        for part in (frozen.x_train, frozen.x_test)
    )
    upper = np.linalg.qr(x, mode="r") / np.sqrt(len(x))
    x, x_test = (np.linalg.solve(upper.T, part.T).T for part in (x, x_test))
    best = minimize(
        _cross_entropy,
        np.zeros(410),
        (x, frozen.y_train),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 10000, "ftol": 1e-14, "gtol": 1e-7},
    )
    weights = best.x.reshape(41, 10)
    assert round(best.fun, 4) == 1.5832
    assert round(_cross_entropy(best.x, x_test, frozen.y_test)[0], 4) == 1.6651
    assert np.mean((x @ weights).argmax(1) == frozen.y_train) == pytest.approx(0.3723, abs=5.1e-5)
    assert np.mean((x_test @ weights).argmax(1) == frozen.y_test) == pytest.approx(0.3240, abs=1e-9)


def test_a_fresh_draw_depends_on_the_data_seed_alone() -> None:
    options = Mnist1dOptions(n_train=50, n_val=20, n_test=30)
    one, same, other = load(options, 1, 5), load(options, 1, 6), load(options, 2, 5)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.x_train.shape == (50, 40)
    assert one.x_train.dtype == np.float32
    assert one.y_train.dtype == np.int64


def test_standardised_on_the_training_part() -> None:
    splits = load(Mnist1dOptions(n_train=300, n_val=100, n_test=100), 3, 0)
    assert splits.x_train.mean() == pytest.approx(0, abs=1e-6)
    assert splits.x_train.std() == pytest.approx(1, abs=1e-6)
    assert abs(splits.x_test.mean()) > 1e-4


def test_sizes_are_nested_and_evaluation_parts_shared() -> None:
    small, large = (load(Mnist1dOptions(n_train=n, n_val=40, n_test=40), 9, 0) for n in (250, 2300))
    np.testing.assert_array_equal(small.y_train, large.y_train[:250])
    np.testing.assert_array_equal(small.y_test, large.y_test)
    scaled = np.polyfit(small.x_test.ravel(), large.x_test.ravel(), 1)  # they differ by the scaling alone
    np.testing.assert_allclose(np.polyval(scaled, small.x_test), large.x_test, atol=1e-5)


def test_parts_of_one_seed_are_different_examples() -> None:
    splits = load(Mnist1dOptions(n_train=1000, n_val=1000, n_test=1000), 4, 0)
    rows = {row.tobytes() for x in (splits.x_train, splits.x_val, splits.x_test) for row in x}
    assert len(rows) == 3000


def test_shuffled_permutes_the_points_alike_everywhere() -> None:
    options = {"n_train": 100, "n_val": 10, "n_test": 10}
    plain, shuffled = (load(Mnist1dOptions(**options, shuffled=s), 2, 0) for s in (False, True))
    order = prepare.shuffled(np.arange(40)[None])[0]
    assert sorted(order) == list(range(40))
    np.testing.assert_array_equal(shuffled.x_train, plain.x_train[:, order])
    np.testing.assert_array_equal(shuffled.x_test, plain.x_test[:, order])


def test_label_noise_hits_training_labels_only() -> None:
    clean, noisy = (load(Mnist1dOptions(label_noise=rate), 6, 0) for rate in (0.0, 0.2))
    assert np.mean(clean.y_train != noisy.y_train) == pytest.approx(0.2, abs=0.03)
    np.testing.assert_array_equal(clean.y_val, noisy.y_val)
    np.testing.assert_array_equal(clean.y_test, noisy.y_test)
    np.testing.assert_array_equal(clean.x_train, noisy.x_train)


def test_frozen_defaults_and_limits() -> None:
    options = Mnist1dOptions(frozen=True)
    assert (options.n_train, options.n_val, options.n_test) == (3200, 800, 1000)
    assert Mnist1dOptions.model_validate(options.model_dump()) == options
    with pytest.raises(ValueError, match="4000 examples for n_train"):
        Mnist1dOptions(frozen=True, n_train=3500, n_val=800)
    with pytest.raises(ValueError, match="found 3200 \\+ 800 and 4000"):
        Mnist1dOptions(frozen=True, n_test=4000)


def test_frozen_needs_no_seed() -> None:
    options = Mnist1dOptions(frozen=True, label_noise=0.1)
    assert load(options, 1, 1).fingerprint == load(options, 2, 2).fingerprint
    assert mnist1d.seeds_used(options) == set()


def test_nine_thousand_examples_are_drawn_quickly() -> None:
    times_s = []
    for seed in range(3):
        start = time.perf_counter()
        load(Mnist1dOptions(), seed, 0)
        times_s.append(time.perf_counter() - start)
    assert min(times_s) < 1.0  # about 0.2 on an idle core; the package needs 1.6
