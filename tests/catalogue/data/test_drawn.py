"""Drawn data sets against what they say of themselves: noise, optimum, conditions, and pairing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.catalogue.data import DATASETS
from harness.catalogue.data.base import Array, Splits
from harness.catalogue.data.drawn import Sizes
from harness.catalogue.data.exact import GATES
from harness.catalogue.data.noisy import HeteroscedasticOptions, noise_at

LINEAR = ("linear_regression",)  # its training inputs are made orthogonal together
DRAWN = [n for n, entry in DATASETS.items() if issubclass(entry.options, Sizes) and n not in LINEAR]
WITHOUT_FILES = sorted(DATASETS.keys() - {"mnist", "file"})
MANY = 20_000  # examples of a statistical test: a deviation is known to half a percent


def load(name: str, seed: int = 1, **options: Any) -> Splits:
    entry = DATASETS[name]
    return entry.load(entry.options(**options), seed, 0)


def closed_form(x: Array, y: Array) -> Array:
    """Least squares with a bias, which comes last."""
    solution: Array = np.linalg.lstsq(with_bias(x), y.astype(np.float64), rcond=None)[0]
    return solution


def with_bias(x: Array) -> Array:
    return np.column_stack([x.astype(np.float64), np.ones(len(x))])


@pytest.mark.parametrize("name", [*DRAWN, *LINEAR])
def test_validation_and_test_do_not_depend_on_the_training_set(name: str) -> None:
    few, many = load(name, n_train=50), load(name, n_train=300)
    for array in ("x_val", "y_val", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(few, array), getattr(many, array))
    if name in DRAWN:
        np.testing.assert_array_equal(few.x_train, many.x_train[:50])
        np.testing.assert_array_equal(few.y_train, many.y_train[:50])


@pytest.mark.parametrize("name", [*DRAWN, *LINEAR])
def test_splits_are_different_examples(name: str) -> None:
    splits = load(name, n_train=100, n_val=100, n_test=100)
    rows = {row.tobytes() for x in (splits.x_train, splits.x_val, splits.x_test) for row in x}
    assert len(rows) == 300


@pytest.mark.parametrize("name", WITHOUT_FILES)
def test_varying_options_change_no_fact(name: str) -> None:
    """What varies inside a stack: options there are, which leave shapes and classes as they were."""
    entry = DATASETS[name]
    others = {
        "widths": [3],
        "truth": "linear",
        "gate": "and",
        "noise": 0.3,
        "condition": 7.0,
        "outside": True,
        "signed": True,
    }
    for option in entry.varying:
        assert option in entry.options.model_fields
        changed = entry.options(**{option: others.get(option, 0.25)})
        assert entry.facts(changed) == entry.facts(entry.options())
        assert entry.load(changed, 1, 2).fingerprint != entry.load(entry.options(), 1, 2).fingerprint


def test_teachers_differ_between_replicates_and_have_unit_targets() -> None:
    one, other = (load("teacher", seed, n_train=MANY, noise=0.0) for seed in (1, 2))
    assert one.input_shape == (4,)
    for splits in (one, other):
        assert splits.y_train.mean() == pytest.approx(0, abs=0.06)
        assert splits.y_train.std() == pytest.approx(1, abs=0.05)
    fits = [closed_form(s.x_train, s.y_train) for s in (one, other)]
    assert np.abs(fits[0] - fits[1]).max() > 0.1
    residual = one.y_train - with_bias(one.x_train) @ fits[0]
    assert residual.std() > 0.3  # no line: hidden units have something to do


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_teachers_noise_is_the_difference_to_the_noiseless(split: str) -> None:
    sizes = {"n_train": MANY, "n_val": MANY, "n_test": MANY}
    clean, noisy = (getattr(load("teacher", noise=s, **sizes), f"y_{split}") for s in (0.0, 0.2))
    assert (noisy - clean).std() == pytest.approx(0.2, rel=0.02)
    assert (noisy - clean).mean() == pytest.approx(0, abs=0.01)


def test_a_teacher_without_hidden_layers_is_linear_and_one_of_classes_is_its_sign() -> None:
    linear = load("teacher", widths=[], noise=0.0)
    residual = linear.y_test - with_bias(linear.x_test) @ closed_form(linear.x_train, linear.y_train)
    assert np.abs(residual).max() < 1e-5
    values, classes = load("teacher"), load("teacher", task="classification")
    assert classes.n_classes == 2
    np.testing.assert_array_equal(classes.y_train, values.y_train > 0)


@pytest.mark.parametrize("condition", [1.0, 100.0])
def test_linear_regression_has_the_condition_asked_for(condition: float) -> None:
    splits = load("linear_regression", condition=condition, n_inputs=6)
    design = with_bias(splits.x_train)
    eigenvalues = np.linalg.eigvalsh(design.T @ design / len(design))
    expected = np.sort([1.0, *np.geomspace(1 / condition, 1, 6)])
    np.testing.assert_allclose(eigenvalues, expected, rtol=1e-4)
    covariance = np.cov(load("linear_regression", condition=condition, n_inputs=6, n_test=MANY).x_test.T)
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), expected[:-1], rtol=0.05)


def test_the_closed_form_reaches_the_noise_variance() -> None:
    splits = load("linear_regression", n_train=MANY, n_test=MANY, noise=0.3, condition=50.0)
    weights = closed_form(splits.x_train, splits.y_train)
    error = splits.y_test - with_bias(splits.x_test) @ weights
    assert np.mean(error**2) == pytest.approx(0.09, rel=0.03)
    assert (splits.y_test - error).std() == pytest.approx(1, abs=0.03)


def test_gradient_descent_follows_the_eigenvalues() -> None:
    """After k steps of rate 1 the error along the eigenvalue v is (1-v)^k of the start; above 2 it grows."""
    splits = load("linear_regression", condition=4.0, n_inputs=3)
    design, y = with_bias(splits.x_train), splits.y_train.astype(np.float64)
    best = closed_form(splits.x_train, splits.y_train)
    hessian = design.T @ design / len(design)

    def distance(rate: float, steps: int) -> float:
        w = np.zeros_like(best)
        for _ in range(steps):
            w -= rate * (hessian @ w - design.T @ y / len(design))
        return float(np.linalg.norm(w - best) / np.linalg.norm(best))

    assert distance(1.0, 20) <= 0.75**20 * 1.001
    assert distance(1.99, 2000) < 1e-3
    assert distance(2.01, 2000) > 1e3


def test_linear_regression_wants_more_examples_than_inputs() -> None:
    with pytest.raises(ValueError, match=r"n_train must be above n_inputs .* found 10 and 10"):
        load("linear_regression", n_train=10)


@pytest.mark.parametrize("truth", ["linear", "nonlinear"])
def test_outliers_are_in_training_alone_nested_and_as_many_as_asked(truth: str) -> None:
    shares = (0.0, 0.05, 0.2)
    none, few, many = (load("outliers", n_train=MANY, truth=truth, outliers=s) for s in shares)
    for splits, share in ((few, 0.05), (many, 0.2)):
        np.testing.assert_array_equal(splits.y_test, none.y_test)
        np.testing.assert_array_equal(splits.y_val, none.y_val)
        added = splits.y_train - none.y_train
        assert np.mean(added != 0) == pytest.approx(share, abs=0.01)
        assert added[added != 0].std() == pytest.approx(5.0, rel=0.06)
    hit = few.y_train != none.y_train
    np.testing.assert_array_equal(few.y_train[hit], many.y_train[hit])


def test_heteroscedastic_noise_grows_with_x() -> None:
    options = {"noise_low": 0.1, "noise_high": 0.7}
    splits = load("heteroscedastic", n_train=MANY, **options)
    x, noise = splits.x_train[:, 0], splits.y_train - np.sin(np.pi * splits.x_train[:, 0])
    assert -1 <= x.min() < -0.99
    assert 0.99 < x.max() <= 1
    standard = noise / noise_at(x, HeteroscedasticOptions(**options))
    for low in (-1.0, -0.5, 0.0, 0.5):
        here = (low <= x) & (x < low + 0.5)
        assert standard[here].std() == pytest.approx(1, abs=0.04)
    assert noise_at(np.array([-1.0, 1.0]), HeteroscedasticOptions(**options)) == pytest.approx([0.1, 0.7])


@pytest.mark.parametrize(("function", "variables"), [("sine", 1), ("step", 1), ("bump2d", 2)])
def test_functions_inside_and_outside(function: str, variables: int) -> None:
    inside, outside = (load("functions", function=function, outside=o, noise=0.1) for o in (False, True))
    assert inside.input_shape == (variables,)
    assert np.abs(inside.x_test).max() <= 1
    assert 1 <= np.abs(outside.x_test).min() <= np.abs(outside.x_test).max() <= 2
    np.testing.assert_array_equal(inside.y_train, outside.y_train)
    for splits in (inside, outside):
        np.testing.assert_allclose(splits.y_test, by_hand(function, splits.x_test), atol=1e-5)
    assert (inside.y_train - by_hand(function, inside.x_train)).std() == pytest.approx(0.1, rel=0.1)


def by_hand(function: str, x: Array) -> Array:
    values: Array = {
        "sine": np.sin(2 * np.pi * x[:, 0]),
        "step": np.heaviside(x[:, 0], 0.0),
        "bump2d": np.exp(-(np.linalg.norm(x, axis=1) ** 2) / 0.18),
    }[function]
    return values


@pytest.mark.parametrize("length", [2, 7, 50])
def test_adding_has_a_marker_in_each_half(length: int) -> None:
    splits = load("adding", n_train=MANY, length=length)
    values, markers = splits.x_train[..., 0], splits.x_train[..., 1]
    assert splits.input_shape == (length, 2)
    np.testing.assert_array_equal(markers[:, : length // 2].sum(1), 1)
    np.testing.assert_array_equal(markers[:, length // 2 :].sum(1), 1)
    np.testing.assert_allclose(splits.y_train, (values * markers).sum(1), rtol=1e-6)
    assert np.mean((splits.y_train - 1) ** 2) == pytest.approx(1 / 6, rel=0.04)
    assert markers.sum(0).min() > 0.8 * MANY / (length - length // 2)  # every place is as likely


@pytest.mark.parametrize(
    ("gate", "truth"),
    [
        ("and", lambda a, b: a and b),
        ("or", lambda a, b: a or b),
        ("xor", lambda a, b: a != b),
        ("nand", lambda a, b: not (a and b)),
        ("nor", lambda a, b: not (a or b)),
        ("xnor", lambda a, b: a == b),
    ],
)
def test_gates(gate: str, truth: Any) -> None:
    splits = load("gates", gate=gate, repeats=3)
    assert len(GATES) == 6
    assert splits.x_train.shape == (12, 2)
    assert len({tuple(row) for row in splits.x_test}) == 4
    for x, y in ((splits.x_train, splits.y_train), (splits.x_val, splits.y_val)):
        assert [bool(label) for label in y] == [bool(truth(bool(a), bool(b))) for a, b in x]
    signed = load("gates", gate=gate, signed=True)
    np.testing.assert_array_equal(signed.x_test, 2 * splits.x_test - 1)
    np.testing.assert_array_equal(signed.y_test, splits.y_test)
