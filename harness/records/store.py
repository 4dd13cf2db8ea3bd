"""The truth of a study: `results/<study>/`, append-only parts of records and a few JSON documents."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, final

from pydantic import TypeAdapter, ValidationError

from harness.errors import BadInput, HarnessError
from harness.files import TEMPORARY
from harness.records.files import Lock, damaged, read_json, write_json
from harness.records.parts import Key, Stored, read_keys, read_rows, write_part
from harness.records.predictions import PredictionFiles
from harness.words.design import Choice, Design, Frozen
from harness.words.record import Record, Status
from harness.words.search import Search
from harness.words.trial import Planned

T = TypeVar("T")
MANY_PARTS = 256  # more parts than this are merged by `compact`


class Contents(NamedTuple):
    """Everything a store holds: what analysis is given."""

    design: Design
    choices: dict[str, Choice]
    frozen: Frozen | None
    planned: list[Planned]
    records: dict[str, Record]
    checks: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    predictions: PredictionFiles
    search: Search | None


class _Place(NamedTuple):
    part: Path
    row: int
    status: Status


@final
class Store:
    """The records of one study. One process writes (`lock`), any number read, at the same time too.

    Opening creates the folder and fails at once where it can't be written (BadInput); `read_only`
    touches nothing. The first append takes the lock; `close`, or leaving a `with` block, frees it.
    """

    def __init__(self, results_root: Path | str, study: str, *, read_only: bool = False) -> None:
        if not re.fullmatch(r"\w[\w.-]*", study):
            raise BadInput(
                f"study name {study!r} can't name a folder: use letters, digits, '_', '-' and '.', "
                "the first a letter or a digit"
            )
        self.root, self.study = Path(results_root).absolute(), study
        self.path = self.root / study
        self._parts_folder = self.path / "records"
        self.predictions = PredictionFiles(self.path)
        self._lock = Lock(self.path / "lock", f"run of {study!r}")
        self._keys: dict[tuple[str, int], list[Key]] = {}  # (name, mtime in ns) -> keys; parts never change
        self._next = 0
        self.execution = ""  # the execution that appended records belong to
        if not read_only:
            _writable(self._parts_folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lock(self) -> None:
        """Become the study's one writer. Raises RunFailed, naming the process, where there is another."""
        if self._lock.held:
            return
        _writable(self._parts_folder)
        self._lock.acquire()
        for left in self._parts_folder.glob(f"*{TEMPORARY}"):  # of a writer that was killed
            left.unlink(missing_ok=True)
        self._next = 1 + max((_number(p) for p in self._parts()), default=0)

    def close(self) -> None:
        """Free the lock. Reading goes on working."""
        self._lock.release()

    # Records

    def append(self, records: Sequence[Record]) -> Path:
        """Write the records as one new part, whole or not at all, and durable when this returns.

        Raises RunFailed where another process writes, or the disk refuses.
        """
        if not records:
            raise BadInput("no records to append; give at least one")
        self.lock()
        now = time.time()
        return self._add_part(Stored(r, self.execution, now) for r in records)

    def statuses(self) -> dict[str, Status]:
        """The standing status of every trial there is a record of. Cheap: two columns, each part once."""
        return {trial: place.status for trial, place in self._standing().items()}

    def finished(self) -> set[str]:
        """Ids of the trials that need not run again: done or diverged. Failed ones run again."""
        return {trial for trial, status in self.statuses().items() if status is not Status.FAILED}

    def stored(self, trials: Collection[str] | None = None) -> Iterator[Stored]:
        """The standing record of each of these trials (of all), part by part: memory stays bounded.

        Of several records of a trial the latest stands, but a failure never replaces a finished one.
        Raises HarnessError, naming the file, at a damaged part.
        """
        done: set[str] = set()
        for _ in range(5):
            try:
                for row in self._read(trials, done):
                    done.add(row.record.trial)
                    yield row
            except FileNotFoundError:  # the writer has just merged the parts: look again
                continue
            return
        raise HarnessError(f"{self._parts_folder} changes while it is read: try again")

    def records(self) -> Iterator[Record]:
        """The standing record of every trial; see `stored`."""
        return (row.record for row in self.stored())

    def load(self, trials: Collection[str] | None = None) -> dict[str, Record]:
        """The standing record of each of these trials (of all), by trial id. All in memory."""
        return {row.record.trial: row.record for row in self.stored(trials)}

    def compact(self, more_than: int = MANY_PARTS) -> bool:
        """Merge the parts into one where there are more than that many. True where it did.

        A crash between the merged part and the removal of the old ones leaves equal records twice,
        which every reader copes with.
        """
        self.lock()
        old = self._parts()
        if len(old) <= more_than:
            return False
        self._add_part(self.stored())
        for part in old:
            part.unlink()
        return True

    def _add_part(self, rows: Iterable[Stored]) -> Path:
        path = self._parts_folder / f"part-{self._next:08d}.parquet"
        write_part(path, rows)
        self._next += 1
        return path

    def _parts(self) -> list[Path]:
        return sorted(self._parts_folder.glob("part-*.parquet"))

    def _standing(self) -> dict[str, _Place]:
        standing: dict[str, _Place] = {}
        for part, keys in self._all_keys():
            for row, (trial, status) in enumerate(keys):
                old = standing.get(trial)
                if old is None or status is not Status.FAILED or old.status is Status.FAILED:
                    standing[trial] = _Place(part, row, status)
        return standing

    def _all_keys(self) -> list[tuple[Path, list[Key]]]:
        for _ in range(5):
            try:
                return [(part, self._keys_of(part)) for part in self._parts()]
            except FileNotFoundError:  # merged between listing and reading
                continue
        raise HarnessError(f"{self._parts_folder} changes while it is read: try again")

    def _keys_of(self, part: Path) -> list[Key]:
        known = (part.name, part.stat().st_mtime_ns)
        if known not in self._keys:
            self._keys[known] = read_keys(part)
        return self._keys[known]

    def _read(self, trials: Collection[str] | None, but: Collection[str]) -> Iterator[Stored]:
        rows: dict[Path, set[int]] = {}
        for trial, place in self._standing().items():
            if trial not in but and (trials is None or trial in trials):
                rows.setdefault(place.part, set()).add(place.row)
        for part in sorted(rows):
            yield from read_rows(part, rows[part])

    # Documents

    def save_design(self, design: Design) -> None:
        """Write design.json."""
        self._save("design", design)

    def design(self) -> Design | None:
        """The study as it ran, or None before it did."""
        return self._load("design", Design | None, None)

    def save_judged_design(self, design: Design) -> None:
        """Write judged_design.json: what the records were judged under, where an amendment is under way."""
        self._save("judged_design", design)

    def judged_design(self) -> Design | None:
        """What records were judged under before the last amendment, or None where there was none."""
        return self._load("judged_design", Design | None, None)

    def save_choices(self, choices: Mapping[str, Choice]) -> None:
        """Write choices.json: arm label -> what tuning chose."""
        self._save("choices", dict(choices))

    def choices(self) -> dict[str, Choice]:
        """What tuning chose, by arm label; empty before it did."""
        return self._load("choices", dict[str, Choice], {})

    def save_search(self, search: Search) -> None:
        """Write search.json: what was asked for, so that a search goes on where it was, and what it found."""
        self._save("search", search)

    def search(self) -> Search | None:
        """How far a search has come; None where there is none."""
        return self._load("search", Search | None, None)

    def save_frozen(self, frozen: Frozen) -> None:
        """Write frozen.json."""
        self._save("frozen", frozen)

    def frozen(self) -> Frozen | None:
        """What was fixed before judging, or None before it was."""
        return self._load("frozen", Frozen | None, None)

    def save_plan(self, planned: Sequence[Planned]) -> None:
        """Write plan.json. Save it before the records it plans: the mirror labels runs by it."""
        self._save("plan", list(planned))

    def plan(self) -> list[Planned]:
        """Every planned trial's place in the design."""
        return self._load("plan", list[Planned], [])

    def written(self, document: str) -> int:
        """When `plan`, say, was written, in nanoseconds since 1970; 0 where there is none."""
        try:
            return self._document(document).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def save_checks(self, checks: Sequence[Mapping[str, Any]]) -> None:
        """Write checks.json: what reruns for reproducibility found."""
        self._save("checks", [dict(c) for c in checks])

    def checks(self) -> list[dict[str, Any]]:
        """What reruns for reproducibility found."""
        return self._load("checks", list[dict[str, Any]], [])

    def start_execution(self, **facts: Any) -> str:
        """Note that an execution begins, with these facts (JSON values); its id, which appends then carry."""
        now = datetime.now(UTC)
        self.execution = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        entry = {"id": self.execution, "started": now.isoformat(timespec="seconds"), **facts}
        self._save("executions", [*self.executions(), entry])
        return self.execution

    def end_execution(self, **facts: Any) -> None:
        """Note that the execution begun by `start_execution` ended, with these facts."""
        ended = {"ended": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
        entries = [{**e, **ended} if e.get("id") == self.execution else e for e in self.executions()]
        self._save("executions", entries)

    def executions(self) -> list[dict[str, Any]]:
        """What ran when, oldest first: id, started, ended (missing where it was cut off), and its facts."""
        return self._load("executions", list[dict[str, Any]], [])

    def contents(self) -> Contents:
        """Everything, in memory. Raises BadInput where the study has never run."""
        design = self.design()
        if design is None:
            raise BadInput(
                f"there are no results of {self.study!r} under {self.root}: "
                f"run it first (harness run {self.study})"
            )
        return Contents(
            design,
            self.choices(),
            self.frozen(),
            self.plan(),
            self.load(),
            self.checks(),
            self.executions(),
            self.predictions,
            self.search(),
        )

    def _save(self, name: str, value: Any) -> None:
        write_json(self._document(name), TypeAdapter(Any).dump_python(value, mode="json", by_alias=True))

    def _load(self, name: str, kind: Any, missing: T) -> T:
        path = self._document(name)
        value = read_json(path)
        if value is None:
            return missing
        try:
            loaded: T = TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            raise damaged(path, error, "remove it and run the study again; records are kept") from error
        return loaded

    def _document(self, name: str) -> Path:
        return self.path / f"{name}.json"


def _number(part: Path) -> int:
    digits = part.stem.removeprefix("part-")
    return int(digits) if digits.isdigit() else 0


def _writable(folder: Path) -> None:
    probe = folder / f".writable-{os.getpid()}{TEMPORARY}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"can't write results to {folder}: {error.strerror or error}. Make the folder writable, "
            "or name another one for results"
        ) from error
