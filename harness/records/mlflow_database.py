"""MLflow's database under the results, made whole or not at all, by one process at a time.

MLflow makes it table by table, migration after migration: killed on the way, or joined by another process,
it leaves one that neither it nor anybody else goes on with.
"""

from __future__ import annotations

import time
from pathlib import Path

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from harness.errors import RunFailed
from harness.records.files import Lock
from harness.records.tracking import artifact_folder, database

WAIT_S = 120.0  # for another process that is making it
POLL_S = 0.2
BESIDE = ("", "-wal", "-shm", "-journal")  # SQLite's own files


def make_database(results_root: Path) -> None:
    """Make the database, unless it is there. Raises RunFailed where another process takes too long to."""
    path = database(results_root)
    lock = Lock(path.with_name("mlflow.lock"), "process making MLflow's database")
    until = time.monotonic() + WAIT_S
    while not path.exists():
        try:
            lock.acquire()
        except RunFailed:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_S)
            continue
        try:
            if not path.exists():
                _make(path, results_root)
        finally:
            lock.release()


def _make(path: Path, results_root: Path) -> None:
    temporary = path.with_name("mlflow.db.making")
    for suffix in BESIDE:  # left by one that was killed
        temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
    uri, artifacts = f"sqlite:///{temporary}", artifact_folder(results_root).as_uri()
    store = SqlAlchemyStore(uri, artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()  # the last connection takes its log into the file
    Path(temporary).replace(path)
