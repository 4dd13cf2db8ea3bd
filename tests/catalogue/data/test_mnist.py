"""MNIST's own format, and errors that name the file. The real set is used where it is at hand."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from harness.catalogue.data import mnist
from harness.catalogue.data.folder import data_dir
from harness.catalogue.data.mnist import FILES, MnistOptions, load, read_idx
from harness.errors import BadInput, DataMissing


def idx(array: np.ndarray) -> bytes:
    """The array in the IDX format."""
    return (
        b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    )


def write_small_mnist(folder: Path, packed: bool) -> None:
    """60 training and 20 test examples whose first pixel tells the label."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(0)
    for n, (images, labels) in zip((60, 20), (FILES[:2], FILES[2:]), strict=True):
        y = (np.arange(n) % 10).astype(np.uint8)
        x = rng.randint(0, 256, (n, 28, 28)).astype(np.uint8)
        x[:, 0, 0] = y
        for name, array in ((images, x), (labels, y)):
            data = idx(array)
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(data) if packed else data)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return tmp_path


SMALL = MnistOptions(n_train=40, n_val=15, n_test=12)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("sub_folder", ["mnist", "."])
def test_load_pairs_images_with_labels(home: Path, packed: bool, sub_folder: str) -> None:
    write_small_mnist(home / sub_folder, packed)
    splits = load(SMALL, 1, 1)
    assert splits.x_train.shape == (40, 28, 28)
    assert splits.x_train.mean() == pytest.approx(0, abs=1e-6)
    assert splits.x_train.std() == pytest.approx(1, abs=1e-6)
    for x, y in (
        (splits.x_train, splits.y_train),
        (splits.x_val, splits.y_val),
        (splits.x_test, splits.y_test),
    ):
        slope, start = np.polyfit(y, x[:, 0, 0], 1)
        np.testing.assert_allclose(x[:, 0, 0], slope * y + start, atol=1e-5)
    assert load(SMALL, 2, 3).fingerprint == splits.fingerprint


def test_missing_files_are_named_with_the_command(home: Path) -> None:
    write_small_mnist(home / "mnist", packed=True)
    (home / "mnist" / f"{FILES[3]}.gz").unlink()
    with pytest.raises(DataMissing) as caught:
        load(SMALL, 0, 0)
    text = str(caught.value)
    assert FILES[3] in text
    assert FILES[0] not in text
    assert str(home / "mnist") in text
    assert "harness data fetch mnist" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>not found</html>", "is no IDX file"),
        (b"", "is no IDX file of unsigned bytes: it starts with nothing"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00\x00\x00\x00", "is no IDX file"),
        (
            idx(np.zeros((3, 28, 28), np.uint8))[:-1],
            "cut off or too long: 2367 bytes unpacked, expected 2368",
        ),
        (b"\x00\x00\x08\x03\x00\x00", "cut off"),
        (gzip.compress(idx(np.zeros(300, np.uint8)), mtime=0)[:-12], "no whole gzip file"),
        (b"\x1f\x8bnonsense", "no whole gzip file"),
    ],
    ids=["a page", "nothing", "another type", "short", "a short header", "half a gzip file", "no gzip file"],
)
def test_a_malformed_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken-idx"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_files_that_hold_too_little(home: Path) -> None:
    write_small_mnist(home / "mnist", packed=True)
    with pytest.raises(BadInput, match="hold 60 training and 20 test examples"):
        load(MnistOptions(), 0, 0)


def test_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="60000 examples"):
        MnistOptions(n_train=60_000)


def test_data_dir() -> None:
    assert data_dir({"HARNESS_DATA": "/data", "XDG_CACHE_HOME": "/cache"}) == Path("/data")
    assert data_dir({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/harness")
    assert data_dir({}) == Path("~/.cache/harness").expanduser()


def _real_mnist() -> bool:
    try:
        mnist._find(data_dir())
    except DataMissing:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not _real_mnist(), reason="needs MNIST in the data directory: harness data fetch mnist")
def test_the_real_set() -> None:
    splits = load(MnistOptions(), 0, 0)
    assert (len(splits.y_train), len(splits.y_val), len(splits.y_test)) == (55_000, 5_000, 10_000)
    # the published counts of the classes, of 60,000 and 10,000
    assert np.bincount(np.concatenate([splits.y_train, splits.y_val])).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(splits.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
