"""Predictions come back as they were, or not at all."""

import numpy as np
import pytest

from harness.errors import HarnessError, RunFailed
from harness.records import files
from harness.records.predictions import PredictionFiles
from harness.words.predictions import Predicted


def predictions(seed=0):
    generator = np.random.default_rng(seed)
    return {
        split: Predicted(
            np.log(generator.dirichlet(np.ones(4), n)).astype(np.float32), generator.integers(0, 4, n)
        )
        for split, n in (("val", 5), ("test", 7))
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for split, predicted in expected.items():
        for a, b in zip(found[split], predicted, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_what_is_kept_comes_back(tmp_path):
    kept = PredictionFiles(tmp_path / "study")
    assert not kept
    for i in range(3):
        kept.add(f"trial{i}", predictions(i))
    again = PredictionFiles(tmp_path / "study")
    assert list(again) == ["trial0", "trial1", "trial2"]
    assert "trial1" in again
    assert "trial3" not in again
    for i in range(3):
        assert_same(again[f"trial{i}"], predictions(i))
    with pytest.raises(KeyError, match="trial3"):
        again["trial3"]


def test_a_write_cut_off_leaves_what_was_there(tmp_path, monkeypatch):
    kept = PredictionFiles(tmp_path)
    kept.add("first", predictions(1))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    for trial in ("first", "second"):
        with pytest.raises(RunFailed, match="No space left"):
            kept.add(trial, predictions(2))
    assert list(kept) == ["first"]
    assert_same(kept["first"], predictions(1))


@pytest.mark.parametrize("damage", [slice(0, 0), slice(0, -40), slice(40, None)])
def test_a_damaged_file_is_named(tmp_path, damage):
    kept = PredictionFiles(tmp_path)
    kept.add("t", predictions())
    path = tmp_path / "predictions" / "t.npz"
    path.write_bytes(path.read_bytes()[damage])
    with pytest.raises(HarnessError, match=r"t\.npz is damaged .*remove it and run the study again"):
        kept["t"]
