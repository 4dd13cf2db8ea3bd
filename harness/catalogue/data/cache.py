"""Loaded data kept on disk as .npy files, large ones opened as maps, shared by replicates and processes."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.catalogue.data.base import ARRAYS, DataSet, Splits, fingerprint, splits_from
from harness.errors import RunFailed
from harness.words.base import Word, content_hash
from harness.words.seeds import seed_for
from harness.words.trial import Phase

_FORM = 1  # of an entry on disk
_META = "splits.json"
MAPPED_BYTES = 1 << 16  # smaller files are read: no process gains by sharing them


def seeds_of(
    data_set: DataSet[Any], options: Word, study: str, phase: Phase, replicate: int
) -> dict[str, int]:
    """The seeds that the data of a replicate depend on: none, "data", "split" or both."""
    return {s: seed_for(s, study, phase, replicate) for s in sorted(data_set.seeds_used(options))}


def key_of(data_set: DataSet[Any], options: Word, seeds: dict[str, int]) -> str:
    """What identifies the arrays: set and version, options, the seeds used, the files' content."""
    content = data_set.content(options)
    tree = options.model_dump(mode="json")
    return f"{data_set.name}-{content_hash([_FORM, data_set.version, data_set.name, tree, seeds, content])}"


def load_through(folder: Path, data_set: DataSet[Any], options: Word, seeds: dict[str, int]) -> Splits:
    """The arrays of these options and seeds, from the cache where they are whole, else loaded and kept.

    The arrays are read-only, large ones memory maps. Each process checks an entry's fingerprint once.
    """
    entry = folder / key_of(data_set, options, seeds)
    try:
        return _open(entry)
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        splits = data_set.load(options, seeds.get("data", 0), seeds.get("split", 0))
    try:
        _keep(splits, entry)
    except OSError as error:
        raise RunFailed(
            f"can't keep {data_set.name} in {folder}: {error}; free space there or name another folder"
        ) from error
    return _open(entry) if _is_whole(entry) else splits  # gone again only if another process repairs it


@lru_cache(maxsize=256)
def _open(entry: Path) -> Splits:
    """The entry's arrays. Raises OSError, ValueError, KeyError or TypeError where it isn't whole."""
    meta = json.loads((entry / _META).read_text(encoding="utf-8"))
    arrays = [_array(entry / f"{name}.npy") for name in ARRAYS]
    if fingerprint(arrays) != meta["fingerprint"]:
        raise ValueError(f"{entry} is damaged")
    return splits_from(arrays, meta["n_classes"], meta["fingerprint"])


def _array(path: Path) -> NDArray[Any]:
    """The file's array, read-only: a memory map, or of a small file its content, which is sooner there."""
    mapped = path.stat().st_size >= MAPPED_BYTES
    array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    array.flags.writeable = False
    return array


def _keep(splits: Splits, entry: Path) -> None:
    """Write the entry whole or not at all; where another process was faster, its entry stays.

    No fsync: what a crash of the machine tears shows in the fingerprint, and is loaded again.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    draft = entry.with_name(f".{entry.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    draft.mkdir()
    try:
        for name in ARRAYS:
            np.save(draft / f"{name}.npy", getattr(splits, name), allow_pickle=False)
        meta = {"n_classes": splits.n_classes, "fingerprint": splits.fingerprint}
        (draft / _META).write_text(json.dumps(meta), encoding="utf-8")
        _put_in_place(draft, entry)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put_in_place(draft: Path, entry: Path) -> None:
    try:
        draft.rename(entry)
    except OSError:
        if not entry.exists():
            raise
        if _is_whole(entry):
            return
        _replace(draft, entry)


def _replace(draft: Path, damaged: Path) -> None:
    """Put the draft where a damaged entry lies; another process may be doing the same."""
    aside = draft.with_name(f"{draft.name}-damaged")
    with suppress(OSError):
        damaged.rename(aside)  # first, so that nobody opens half of it while it is deleted
        draft.rename(damaged)
    shutil.rmtree(aside, ignore_errors=True)


def _is_whole(entry: Path) -> bool:
    try:
        _open(entry)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True
