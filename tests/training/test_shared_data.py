"""Data that lie on disk are shared by the workers, and no stack writes into another's."""

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.catalogue.data.base import ARRAYS, splits_from
from harness.training.members import stack_data

CPU = torch.device("cpu")


@pytest.fixture
def mapped(tmp_path):
    """Splits as the cache opens them: read-only maps of files. x_train (5000, 28, 28) takes 15 MiB."""
    rng = np.random.RandomState(0)
    arrays = []
    for name in ARRAYS:
        n = 5000 if name.endswith("train") else 10
        drawn = rng.randn(n, 28, 28).astype(np.float32) if name.startswith("x") else rng.randint(0, 9, n)
        np.save(tmp_path / f"{name}.npy", drawn)
        arrays.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    return splits_from(arrays, 10, "here")


def stacked(splits, dtype=torch.float32):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of arrays that can't be written
        return stack_data([splits, splits], dtype, CPU)


def private_bytes():
    """Of this process, in no file."""
    return 1024 * int(re.search(r"RssAnon:\s*(\d+)", Path("/proc/self/status").read_text())[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells private memory")
def test_a_stack_has_no_copy_of_what_lies_on_disk(mapped):
    before = private_bytes()
    data = [stacked(mapped) for _ in range(4)]
    assert all(np.array_equal(d.rows[0].numpy(), mapped.x_train) for d in data)
    assert private_bytes() - before < mapped.x_train.nbytes


def test_every_split_is_what_the_arrays_hold(mapped):
    data = stacked(mapped)
    for name, split in data.splits.items():
        for own, given in ((split.x, f"x_{name}"), (split.y, f"y_{name}")):
            assert np.array_equal(own[0].numpy(), getattr(mapped, given))
    assert stacked(mapped, torch.float64).rows[0].dtype is torch.float64


def test_what_a_stack_writes_stays_with_it(mapped, tmp_path):
    """A network may change its inputs in place; the file and other stacks never see it."""
    whole = np.array(mapped.x_train)
    first, second = stacked(mapped), stacked(mapped)
    first.splits["train"].x.zero_()
    for kept in (second.rows[0].numpy(), mapped.x_train, np.load(tmp_path / "x_train.npy")):
        assert np.array_equal(kept, whole)


def test_arrays_that_lie_in_memory_are_copied(mapped):
    plain = splits_from([np.array(getattr(mapped, name)) for name in ARRAYS], 10, "there")
    stacked(plain).splits["train"].x.zero_()
    assert np.array_equal(plain.x_train, mapped.x_train)


def test_a_part_of_a_map_is_that_part(mapped):
    parts = [getattr(mapped, name)[3:9] for name in ARRAYS]
    data = stacked(splits_from(parts, 10, "part"))
    assert np.array_equal(data.rows[0].numpy(), mapped.x_train[3:9])


def test_a_file_that_was_removed_is_still_there_for_who_opened_it(mapped, tmp_path):
    (tmp_path / "x_train.npy").unlink()
    assert np.array_equal(stacked(mapped).rows[0].numpy(), mapped.x_train)
