"""The MLflow mirror: an experiment a study, a flat run a trial, a run an execution. Idempotent."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, NamedTuple, Self, TypeVar, final

from alembic.util.exc import CommandError
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from pydantic import ValidationError
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from harness.errors import BadInput, RunFailed
from harness.records import runs
from harness.records.executions import Findings, find_runs, mirror_executions
from harness.records.files import Lock
from harness.records.mlflow_database import is_damaged, make_database
from harness.records.one_session import one_session
from harness.records.parts import Stored
from harness.records.store import Store
from harness.records.tracking import (
    LIMITS,
    artifact_folder,
    database,
    default_uri,
    is_server,
    tracking_uri,
    without_password,
)
from harness.records.view import NOTE_TAG, VIEW_TAG, note, view_state
from harness.words.design import Design
from harness.words.record import Status
from harness.words.trial import Planned
from harness.words.verdict import StudyVerdict

log = logging.getLogger(__name__)
T = TypeVar("T")

# What MLflow, its database and its HTTP client raise when they can't, and Python where a driver is missing.
MLFLOW_ERRORS = (MlflowException, SQLAlchemyError, sqlite3.Error, CommandError, ImportError, OSError)
ROOM = ("cache_size=-16384", "wal_autocheckpoint=16384")  # 16 and 64 MB: indices are written to all over
FAILURES_IN_A_ROW = 2  # then the server is taken for dead
OnProgress = Callable[[int, int], None]  # trials mirrored in this pass, trials to mirror


class SyncResult(NamedTuple):
    """What a pass did, in trials. `error`: the last one, empty where `failed` is 0."""

    created: int
    skipped: int
    failed: int
    error: str = ""


class Places(NamedTuple):
    """Where a study's mirror reads and writes."""

    results_root: Path
    study: str
    uri: str
    reports_root: Path


def places(
    results_root: Path | str, study: str, uri: str | None = None, reports_root: Path | str | None = None
) -> Places:
    """The places, with their defaults: `MLFLOW_TRACKING_URI` or SQLite, and `reports/` beside the results."""
    root = Path(results_root).absolute()
    reports = Path(reports_root).absolute() if reports_root else root.parent / "reports"
    return Places(root, study, uri or tracking_uri(root), reports)


def sync(where: Places, on_progress: OnProgress | None = None) -> SyncResult:
    """Bring MLflow up to date with the store; what is there already is left as it is.

    Raises RunFailed where MLflow doesn't answer, or another mirror of the study is going on; BadInput
    where the study has no results.
    """
    with Mirror(where) as mirror:
        result = mirror.catch_up(on_progress)
        if not result.failed:
            mirror.finish()
    return result


@final
class Mirror:
    """One study's way into MLflow. Opening it connects, and repairs what a killed mirror left."""

    def __init__(self, where: Places) -> None:
        for name, value in LIMITS.items():
            os.environ.setdefault(name, value)
        for noisy in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        if not event.contains(Engine, "connect", _commit_quickly):
            event.listen(Engine, "connect", _commit_quickly)
        self.where = where
        self.store = Store(where.results_root, where.study, read_only=True)
        if not self.store.path.is_dir():
            raise BadInput(
                f"there are no results of {where.study!r} under {where.results_root}: run it first"
            )
        self._plan = Reread(self.store, "plan", lambda: _by_trial(self.store.plan()))
        self._design_hash = Reread(self.store, "design", lambda: _hash(self.store.design()))
        self._lock = Lock(self.store.path / "mirror.lock", f"mirror of {where.study!r} to MLflow")
        self._lock.acquire()
        try:
            if where.uri == default_uri(where.results_root):
                make_database(where.results_root)
            self._client = MlflowClient(tracking_uri=where.uri)
            self._experiment = self._open_experiment()
            self._known = self._known_runs()
        except MLFLOW_ERRORS as error:
            self.close()
            raise _did_not_answer(where, error) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others mirror the study."""
        self._lock.release()

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the study's experiment."""
        return str(self._experiment.experiment_id)

    @property
    def mirrored(self) -> int:
        """How many trials MLflow has."""
        return len(self._known)

    def catch_up(self, on_progress: OnProgress | None = None, *, plan_is_whole: bool = True) -> SyncResult:
        """Mirror every trial that MLflow lacks or has otherwise. Stops early where the server seems dead.

        A trial that a whole plan has no more loses its arm, so that it joins no mean of the study as it is.
        """
        plan = self._plan.now()
        statuses = self.store.statuses()
        stale = {
            trial
            for trial, status in statuses.items()
            if not self._is_current(trial, status, plan.get(trial, [] if plan_is_whole else None))
        }
        if not stale:
            return SyncResult(0, len(statuses), 0)
        created, error, in_a_row = 0, "", 0
        study_hash = self._design_hash.now()
        for stored in self.store.stored(stale):
            try:
                self._mirror(stored, plan.get(stored.record.trial, []), study_hash)
                created, in_a_row = created + 1, 0
            except MLFLOW_ERRORS as problem:
                error, in_a_row = _first_line(problem), in_a_row + 1
                log.warning("trial %s: %s", stored.record.trial, error)
            if on_progress is not None:
                on_progress(created, len(stale))
            if in_a_row >= FAILURES_IN_A_ROW:
                break
        return SyncResult(created, len(statuses) - len(stale), len(stale) - created, error)

    def finish(self) -> None:
        """Write what a whole study has: the note, the view, and the runs of its executions."""
        design = self.store.design()
        if design is None:
            return
        findings = Findings(design, self._verdict(), self.where.reports_root / self.where.study)
        judged = any(p.phase == "judge" for places in self._plan.now().values() for p in places)
        tags = {NOTE_TAG: note(design, findings.verdict), VIEW_TAG: view_state(design, judged)}
        try:
            self._tag_experiment(tags)
            mirror_executions(self._client, self.experiment_id, self.store.executions(), findings)
        except MLFLOW_ERRORS as error:
            raise _did_not_answer(self.where, error) from error

    def _open_experiment(self) -> Experiment:
        name = self.where.study
        found = self._client.get_experiment_by_name(name)
        if found is None:
            folder = artifact_folder(self.where.results_root) / name
            location = None if is_server(self.where.uri) else folder.as_uri()
            return self._client.get_experiment(self._client.create_experiment(name, location))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found

    def _tag_experiment(self, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            if self._experiment.tags.get(name) != value:
                self._client.set_experiment_tag(self.experiment_id, name, value)
                self._experiment.tags[name] = value

    def _known_runs(self) -> dict[str, _Known]:
        """Every trial's run. Half-written runs of a killed mirror, and doubles, are deleted."""
        known: dict[str, _Known] = {}
        for run in find_runs(self._client, self.experiment_id, "trial"):
            trial = run.tags["trial"]
            if run.status == "RUNNING" or trial in known:
                self._client.delete_run(run.id)
            else:
                known[trial] = _Known(run.id, run.tags["status"], run.tags.get("arm", ""))
        return known

    def _is_current(self, trial: str, status: Status, planned: list[Planned] | None) -> bool:
        known = self._known.get(trial)
        if known is None or known.status != status.value:
            return False
        return planned is None or known.arm == runs.arm_tag(planned)

    def _mirror(self, stored: Stored, planned: list[Planned], study_hash: str) -> None:
        trial = stored.record.trial
        old = self._known.pop(trial, None)
        if old is not None:
            self._client.delete_run(old.run)
        tags = runs.trial_tags(stored, planned, study_hash)
        started_ms, ended_ms = runs.span_ms(stored)
        name = runs.run_name(tags)
        with one_session(self._client):
            run = self._client.create_run(self.experiment_id, started_ms, tags, name).info.run_id
            self._log(run, stored)
            ended = "FAILED" if stored.record.status is Status.FAILED else "FINISHED"
            self._client.set_terminated(run, ended, ended_ms)
        self._known[trial] = _Known(run, tags["status"], tags.get("arm", ""))

    def _log(self, run: str, stored: Stored) -> None:
        params, too_long = runs.params(stored.record.config)
        values = list(runs.batches(runs.metrics(stored), runs.METRICS_A_CALL))
        settings = list(runs.batches(params, runs.PARAMS_A_CALL))
        for i in range(max(len(values), len(settings))):  # one call, but for a very long curve
            metrics = values[i] if i < len(values) else []
            self._client.log_batch(run, metrics, settings[i] if i < len(settings) else [])
        if too_long:
            self._client.log_text(run, json.dumps(stored.record.config, indent=1), "config.json")

    def _verdict(self) -> StudyVerdict | None:
        path = self.where.reports_root / self.where.study / "verdict.json"
        try:
            return StudyVerdict.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("%s is left out: %s", path, _first_line(error))
            return None


@final
class Reread(Generic[T]):
    """What is made of a document of the store, made again only where the document was written again."""

    def __init__(self, store: Store, document: str, make: Callable[[], T]) -> None:
        self._store, self._document, self._make = store, document, make
        self._made: tuple[int, T] | None = None  # when the document was written, and of it

    def now(self) -> T:
        """As the document is now."""
        written = self._store.written(self._document)
        if self._made is None or self._made[0] != written:
            self._made = (written, self._make())
        return self._made[1]


class _Known(NamedTuple):
    run: str
    status: str
    arm: str


def _commit_quickly(connection: object, _: object) -> None:
    """SQLite's write-ahead log: readers don't wait for us, and a commit needs no disk flush of its own.

    A power cut may cost the last runs, never the database; the next sync writes them again. Where the
    file system can't hold such a log, or another process is reading, SQLite keeps its usual one.
    """
    if not isinstance(connection, sqlite3.Connection):
        return
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout=100").close()  # MLflow sets its own afterwards
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode == "wal":
            for setting in ("synchronous=NORMAL", *ROOM):
                connection.execute(f"PRAGMA {setting}").close()


def _hash(design: Design | None) -> str:
    return "" if design is None else design.hash


def _by_trial(plan: list[Planned]) -> dict[str, list[Planned]]:
    by_trial: dict[str, list[Planned]] = {}
    for planned in plan:
        by_trial.setdefault(planned.trial, []).append(planned)
    return by_trial


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return without_password(textwrap.shorten(text, 300, placeholder=" ..."))


def _did_not_answer(where: Places, error: BaseException) -> RunFailed:
    remedy = "start it or mend MLFLOW_TRACKING_URI"
    if where.uri == default_uri(where.results_root):
        path = database(where.results_root)
        remedy = f"move {path}, a copy that is damaged, away" if is_damaged(error) else "mend that"
    return RunFailed(
        f"MLflow at {without_password(where.uri)} did not do its part ({_first_line(error)}). Nothing is "
        f"lost: {remedy}, then run `harness sync {where.study}`"
    )
