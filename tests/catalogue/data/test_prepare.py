"""Splitting, label noise and standardisation: their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalogue.data.base import fingerprint, splits_of
from harness.catalogue.data.prepare import corrupted, generator, part_sizes, standardised, stratified_parts
from harness.errors import BadInput


@given(st.lists(st.integers(0, 4), max_size=80), st.integers(0, 2**63 - 1))
def test_parts_are_a_partition_stratified_by_group(labels: list[int], seed: int) -> None:
    groups = np.array(labels, np.int64)
    parts = stratified_parts(groups, generator(seed))
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    assert tuple(len(p) for p in parts) == part_sizes(len(labels))
    for group in set(labels):
        n = labels.count(group)
        for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
            assert abs(np.sum(groups[part] == group) - share * n) < 1.0


def test_parts_are_in_random_order() -> None:
    groups = np.repeat(np.arange(4), 100)
    train, _, _ = stratified_parts(groups, generator(0))
    assert len(set(groups[train][:40])) == 4
    assert not np.array_equal(train, np.sort(train))


def test_streams_and_seeds_differ() -> None:
    draws = {generator(*parts).random_sample() for parts in ((1,), (2,), (1, 0), (1, 1), (2**62,))}
    assert len(draws) == 5


def test_corrupted_rate_nesting_and_uniformity() -> None:
    y = np.repeat(np.arange(5), 4000)
    low, high = (corrupted(y, rate, 5, generator(8)) for rate in (0.1, 0.4))
    assert np.mean(high != y) == pytest.approx(0.4, abs=0.015)
    hit = low != y
    np.testing.assert_array_equal(low[hit], high[hit])
    shifts = np.bincount((high - y)[high != y] % 5, minlength=5)
    assert shifts[0] == 0
    assert shifts[1:] / shifts.sum() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(corrupted(y, 0.0, 5, generator(8)), y)


def test_standardised_by_feature_uses_train_alone() -> None:
    rng = generator(1)
    train, test = rng.standard_normal((50, 3)) * [1, 10, 0] + [5, 0, 0.1], rng.standard_normal((20, 3))
    a, b = standardised(train, test, per_feature=True)
    np.testing.assert_allclose(a[:, :2].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(a[:, :2].std(0), 1)
    np.testing.assert_allclose(b[:, :2], ((test - train.mean(0)) / train.std(0))[:, :2])
    assert not a[:, 2].any()
    assert not b[:, 2].any()


def test_fingerprint_sees_dtype_shape_and_bytes() -> None:
    base = np.arange(6, dtype=np.float32)
    variants = [base, base.reshape(2, 3), base.view(np.int32), base + 1, base[:0]]
    assert len({fingerprint([v]) for v in variants}) == len(variants)
    assert fingerprint([base]) == fingerprint([base.copy()])


def test_splits_of_refuses_what_does_not_fit() -> None:
    x, y = np.zeros((4, 2)), np.array([0, 1, 1, 0])
    with pytest.raises(BadInput, match=r"val has x of shape \(4, 2\) and y of shape \(3,\)"):
        splits_of((x, y), (x, y[:3]), (x, y), 2)
    with pytest.raises(BadInput, match="labels from 0 to 1; allowed: 0 to 0"):
        splits_of((x, y), (x, y), (x, y), 1)
    with pytest.raises(BadInput, match="test holds values that are not finite"):
        splits_of((x, y), (x, y), (x + np.nan, y), 2)


def test_several_targets_an_example() -> None:
    x, y = np.zeros((4, 2)), np.arange(12.0).reshape(4, 3)
    splits = splits_of((x, y), (x[:1], y[:1]), (x[:0], y[:0]), None)
    assert splits.y_train.shape == (4, 3)
    assert splits.shapes == ((2,), None, 3)
    with pytest.raises(BadInput, match=r"val has .* y of shape \(4,\); expected .* in all splits alike"):
        splits_of((x, y), (x, y[:, 0]), (x, y), None)
    with pytest.raises(BadInput, match=r"train has .* expected \(n, 2\) and \(n,\)"):
        splits_of((x, y), (x, y), (x, y), 12)
