"""digits against scikit-learn's own loader."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.catalogue.data import digits
from harness.catalogue.data.digits import DigitsOptions
from harness.errors import DataMissing


def test_the_file_is_what_scikit_learn_loads() -> None:
    x, y = digits.read()
    theirs = load_digits()
    np.testing.assert_array_equal(x, theirs.images)
    np.testing.assert_array_equal(y, theirs.target)


def test_split_and_standardisation() -> None:
    splits = digits.load(DigitsOptions(), 0, 11)
    assert splits.x_train.shape == (1078, 8, 8)
    assert (len(splits.y_val), len(splits.y_test)) == (360, 359)
    mean, std = splits.x_train.mean(0), splits.x_train.std(0)
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    assert np.all(np.isclose(std, 1, atol=1e-4) | (std == 0))
    assert 0 < np.sum(std == 0) < 15  # corners that are always blank
    shares = np.bincount(splits.y_train) / np.bincount(digits.read()[1])
    np.testing.assert_allclose(shares, 0.6, atol=0.01)


def test_the_split_depends_on_the_split_seed_alone() -> None:
    one, same, other = (digits.load(DigitsOptions(), d, s) for d, s in ((0, 1), (9, 1), (0, 2)))
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_fewer_training_examples_leave_the_others_alone() -> None:
    full, few = (digits.load(o, 0, 3) for o in (DigitsOptions(), DigitsOptions(n_train=100)))
    np.testing.assert_array_equal(few.y_train, full.y_train[:100])
    np.testing.assert_array_equal(few.y_test, full.y_test)
    with pytest.raises(ValueError, match="less than or equal to 1078"):
        DigitsOptions(n_train=1079)


def test_missing_scikit_learn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(DataMissing, match="scikit-learn"):
        digits.read()


def test_shuffled_pixels_are_the_same_pixels_in_one_order() -> None:
    plain, one, other = (
        digits.load(DigitsOptions(shuffled=s), 0, seed) for s, seed in ((False, 3), (True, 3), (True, 4))
    )
    order = np.random.RandomState(42).permutation(64)
    np.testing.assert_array_equal(one.x_val, plain.x_val.reshape(-1, 64)[:, order].reshape(-1, 8, 8))
    np.testing.assert_array_equal(one.y_val, plain.y_val)
    again = digits.load(DigitsOptions(), 0, 4).x_test.reshape(-1, 64)[:, order]
    np.testing.assert_array_equal(other.x_test.reshape(-1, 64), again)
