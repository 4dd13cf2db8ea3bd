"""The cache: the same arrays as without it, shared where they are the same, whole or not there."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.catalogue.data import DATASETS, data_set, load_cached
from harness.catalogue.data import cache as cache_module
from harness.catalogue.data.base import ARRAYS
from harness.catalogue.data.cache import key_of, seeds_of
from harness.catalogue.data.digits import DigitsOptions
from harness.catalogue.data.files import FileOptions
from harness.catalogue.data.mnist1d import MNIST1D, Mnist1dOptions
from harness.errors import RunFailed, UnknownName
from harness.words.seeds import seed_for

SMALL = Mnist1dOptions(n_train=30, n_val=10, n_test=10)


@pytest.fixture(autouse=True)
def _forget() -> None:
    """Let every test open entries from disk."""
    cache_module._open.cache_clear()


@pytest.mark.parametrize("mapped", [False, True])
def test_cached_arrays_are_the_loaded_ones_read_only_and_mapped_where_large(
    mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "MAPPED_BYTES", 0 if mapped else 1 << 16)
    cached = load_cached("mnist1d", SMALL, "s", "judge", 3, tmp_path)
    loaded = MNIST1D.load(SMALL, seed_for("data", "s", "judge", 3), seed_for("split", "s", "judge", 3))
    assert cached.fingerprint == loaded.fingerprint
    assert cached.n_classes == 10
    assert cached.input_shape == (40,)
    for name in ARRAYS:
        array = getattr(cached, name)
        np.testing.assert_array_equal(array, getattr(loaded, name))
        assert isinstance(array, np.memmap) is mapped
        assert not array.flags.writeable


def test_a_second_call_loads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_cached("mnist1d", SMALL, "s", "judge", 0, tmp_path)
    cache_module._open.cache_clear()
    monkeypatch.setattr(cache_module, "_keep", None)  # would fail if called
    again = load_cached("mnist1d", SMALL, "s", "judge", 0, tmp_path)
    assert again.fingerprint == first.fingerprint


def test_what_makes_another_entry(tmp_path: Path) -> None:
    places = [("s", "judge", 0), ("s", "judge", 1), ("s", "tune", 0), ("t", "judge", 0)]
    prints = {load_cached("mnist1d", SMALL, *place, tmp_path).fingerprint for place in places}  # type: ignore[arg-type]
    assert len(prints) == 4
    other = SMALL.model_copy(update={"shuffled": True})
    load_cached("mnist1d", other, "s", "judge", 0, tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_replicates_of_a_fixed_set_share_one_object(tmp_path: Path) -> None:
    options = Mnist1dOptions(frozen=True)
    first, second = (load_cached("mnist1d", options, "s", "judge", r, tmp_path) for r in (0, 1))
    assert first is second
    assert len(list(tmp_path.iterdir())) == 1


def test_the_key_holds_the_version_and_the_files_content(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    options = FileOptions(file=str(path), target="y")
    keys = set()
    for rows in (10, 12):
        pd.DataFrame({"x": range(rows), "y": ["a", "b"] * (rows // 2)}).to_csv(path, index=False)
        keys.add(key_of(DATASETS["file"], options, {"split": 1}))
    assert len(keys) == 2
    newer = type(MNIST1D)(**{**vars(MNIST1D), "version": MNIST1D.version + 1})
    assert key_of(newer, SMALL, {}) != key_of(MNIST1D, SMALL, {})


@pytest.mark.parametrize("damage", ["bit", "cut", "missing", "meta", "empty"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    before = load_cached("digits", DigitsOptions(), "s", "judge", 0, tmp_path).fingerprint
    cache_module._open.cache_clear()
    (entry,) = tmp_path.iterdir()
    array, meta = entry / "x_val.npy", entry / "splits.json"
    data = array.read_bytes()
    if damage == "bit":
        array.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "cut":
        array.write_bytes(data[:-100])
    elif damage == "missing":
        array.unlink()
    else:
        meta.write_text("{" if damage == "meta" else "")
    after = load_cached("digits", DigitsOptions(), "s", "judge", 0, tmp_path)
    assert after.fingerprint == before
    assert isinstance(after.x_val, np.memmap)
    assert array.read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == [entry.name]


def _load_in_process(folder: str, start: multiprocessing.synchronize.Barrier) -> str:
    start.wait()
    return load_cached("mnist1d", SMALL, "s", "judge", 0, Path(folder)).fingerprint


def _work(
    folder: str, start: multiprocessing.synchronize.Barrier, results: multiprocessing.Queue[str]
) -> None:
    results.put(_load_in_process(folder, start))


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_that_race_get_the_same(tmp_path: Path, damaged: bool) -> None:
    expected = MNIST1D.load(SMALL, seed_for("data", "s", "judge", 0), 0).fingerprint
    if damaged:
        entry = tmp_path / key_of(MNIST1D, SMALL, seeds_of(MNIST1D, SMALL, "s", "judge", 0))
        entry.mkdir()
        (entry / "splits.json").write_text("{}")
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_work, args=(str(tmp_path), start, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert found == [expected] * 4
    assert len(list(tmp_path.iterdir())) == 1


def test_a_loser_keeps_the_winners_entry(tmp_path: Path) -> None:
    winner = load_cached("mnist1d", SMALL, "s", "judge", 0, tmp_path)
    (entry,) = tmp_path.iterdir()
    written = (entry / "x_train.npy").stat().st_ino
    cache_module._keep(winner, entry)
    assert (entry / "x_train.npy").stat().st_ino == written
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RunFailed, match=r"can't keep mnist1d in .*file"):
        load_cached("mnist1d", SMALL, "s", "judge", 0, blocked)


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'mnist1d'"):
        data_set("mnist_1d")


@pytest.mark.parametrize("name", sorted(DATASETS.keys() - {"mnist", "file"}))
def test_every_entry_keeps_its_promises(name: str) -> None:
    entry = DATASETS[name]
    options = entry.options()
    told, splits = entry.facts(options), entry.load(options, 1, 2)
    assert entry.name == name
    assert (told.n_train, told.n_val, told.n_test) == tuple(
        len(y) for y in (splits.y_train, splits.y_val, splits.y_test)
    )
    assert (told.input_shape, told.n_classes, told.n_targets) == splits.shapes
    other_data, other_split = entry.load(options, 9, 2), entry.load(options, 1, 9)
    changed = {
        seed
        for seed, other in (("data", other_data), ("split", other_split))
        if other.fingerprint != splits.fingerprint
    }
    assert changed == entry.seeds_used(options)


def test_importing_the_table_loads_no_slow_library() -> None:
    code = (
        "import sys, harness.catalogue.data as d; "
        "print(*sorted({'sklearn', 'scipy', 'pandas', 'torch', 'pooch', 'mnist1d'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
