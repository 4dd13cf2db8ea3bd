"""One part of a store: a typed Parquet file of records, written once and never changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.files import write_whole
from harness.records.files import damaged
from harness.words.record import Provenance, Record, Status

GROUP = 256  # rows a row group: what is in memory at once while reading or merging

SCHEMA = pa.schema(
    [
        ("trial", pa.string()),
        ("status", pa.string()),
        ("study", pa.string()),
        ("phase", pa.string()),
        ("replicate", pa.int64()),
        ("member", pa.int64()),
        ("config", pa.string()),  # JSON
        ("reason", pa.string()),
        ("diverged_at_step", pa.int64()),
        ("best_step", pa.int64()),
        ("steps", pa.list_(pa.int64())),
        ("curves", pa.map_(pa.string(), pa.list_(pa.float64()))),
        ("final", pa.map_(pa.string(), pa.float64())),
        ("probes", pa.string()),  # JSON; null where nothing was probed
        ("n_parameters", pa.int64()),
        ("time_s", pa.float64()),
        ("device", pa.string()),
        ("stack_size", pa.int64()),
        ("versions", pa.string()),  # JSON
        ("data_fingerprint", pa.string()),
        ("fallback", pa.string()),
        ("execution", pa.string()),
        ("written_at", pa.float64()),  # seconds since 1970, UTC
    ]
)
_PROVENANCE = ("device", "stack_size", "data_fingerprint", "fallback")
_PLAIN = (
    "trial", "study", "phase", "replicate", "member", "reason", "diverged_at_step", "best_step",
    "n_parameters", "time_s",
)  # fmt: skip
_FIELDS = set(Record.model_fields)  # shared by all records read: 2 kB each otherwise


class Stored(NamedTuple):
    """A record as it lies in the store, with the execution that wrote it and when."""

    record: Record
    execution: str
    written_at: float  # seconds since 1970, UTC


class Key(NamedTuple):
    """What a listing needs of a record."""

    trial: str
    status: Status


def write_part(path: Path, rows: Iterable[Stored]) -> None:
    """Write the rows as one part, whole or not at all, a row group at a time."""

    def write(file: Any) -> None:
        left = iter(rows)
        with pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=False) as writer:
            while group := list(islice(left, GROUP)):
                writer.write_table(pa.Table.from_pylist([_row(r) for r in group], SCHEMA))

    write_whole(path, write)


def read_keys(path: Path) -> list[Key]:
    """Trial and status of every row, no other column read. Raises HarnessError where it is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["trial", "status"])
        trials, statuses = table["trial"].to_pylist(), table["status"].to_pylist()
        return [Key(t, Status(s)) for t, s in zip(trials, statuses, strict=True)]
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def read_rows(path: Path, numbers: Collection[int]) -> Iterator[Stored]:
    """The rows of these numbers, in order, a row group in memory. Raises HarnessError where it is damaged."""
    start = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=GROUP):
                wanted = [i for i in range(len(batch)) if start + i in numbers]
                start += len(batch)
                yield from _stored_rows(batch.take(pa.array(wanted, pa.int64())))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> Exception:
    remedy = (
        f"rename it to {path.name}.bad and run the study again; only its trials run anew, "
        "the other parts are intact"
    )
    return damaged(path, error, remedy)


def _row(stored: Stored) -> dict[str, Any]:
    record, provenance = stored.record, stored.record.provenance
    return {
        **{name: getattr(record, name) for name in _PLAIN},
        **{name: getattr(provenance, name) for name in _PROVENANCE},
        "status": record.status.value,
        "config": json.dumps(record.config),
        "reason": record.reason.encode("utf-8", "backslashreplace").decode(),  # file names may not be UTF-8
        "steps": record.steps,
        "curves": list(record.curves.items()),
        "final": list(record.final.items()),
        "probes": json.dumps(record.probes) if record.probes else None,
        "versions": json.dumps(provenance.versions),
        "execution": stored.execution,
        "written_at": stored.written_at,
    }


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Any:
    """What a JSON text says, once for all records that say it: replicates differ in their seeds alone."""
    return json.loads(text)


@lru_cache(maxsize=1024)
def _provenance(versions: str, *rest: Any) -> Provenance:
    """One for all records of a stack that share their data."""
    return Provenance(versions=_parsed(versions), **dict(zip(_PROVENANCE, rest, strict=True)))


@lru_cache(maxsize=64)
def _shared(steps: tuple[int, ...]) -> list[int]:
    """One list for all records evaluated after the same steps."""
    return list(steps)


def _stored_rows(batch: pa.RecordBatch) -> Iterator[Stored]:
    """The rows as they were written: their types are the file's, and not checked again."""
    rows = batch.drop_columns(["curves"]).to_pylist()
    return map(_stored, rows, _curves(batch["curves"]))


@final
class Curves(Mapping[str, list[float]]):
    """A record's curves, of equal length, as one array: a dict of lists takes five times the memory."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: NDArray[np.float64]) -> None:
        self._names, self._values = names, values  # (curves, evaluations)

    def __getitem__(self, name: str) -> list[float]:
        """One curve. Raises KeyError."""
        if name not in self._names:
            raise KeyError(name)
        values: list[float] = self._values[self._names.index(name)].tolist()
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


def _curves(column: pa.MapArray) -> Iterator[Curves]:
    """Each row's curves. Raises ValueError where a row's differ in length."""
    names, lists = column.keys.to_pylist(), column.items
    values, ends = lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy()
    for i, j in pairwise(column.offsets.to_numpy()):
        if len(set(np.diff(ends[i : j + 1]))) > 1:
            raise ValueError("curves of one record differ in length")
        own = values[ends[i] : ends[j]]
        yield Curves(_names(tuple(names[i:j])), own.reshape(j - i, -1 if j > i else 0).copy())


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all records with these curves."""
    return names


def _stored(row: dict[str, Any], curves: Curves) -> Stored:
    record = Record.model_construct(
        _FIELDS,
        **{name: row[name] for name in _PLAIN if name in row},  # older parts lack some
        status=Status(row["status"]),
        config=_parsed(row["config"]),
        steps=_shared(tuple(row["steps"])),
        curves=curves,
        final={intern(name): value for name, value in row["final"]},
        probes=_probes(row.get("probes")),
        provenance=_provenance(row["versions"], *(row[name] for name in _PROVENANCE)),
    )
    return Stored(record, row["execution"], row["written_at"])


def _probes(text: str | None) -> dict[str, dict[int, list[float]]]:
    """JSON knows no numbers as keys."""
    found = json.loads(text or "{}")
    return {name: {int(step): values for step, values in own.items()} for name, own in found.items()}
