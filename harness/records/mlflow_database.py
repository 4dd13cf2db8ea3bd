"""MLflow's database under the results, made whole or not at all, by one process at a time.

MLflow makes it table by table, migration after migration: killed on the way, or joined by another process,
it leaves one that neither it nor anybody else goes on with.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from alembic.util.exc import CommandError
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from harness.errors import RunFailed
from harness.files import TEMPORARY
from harness.records.files import Lock
from harness.records.tracking import artifact_folder, database

WAIT_S = 120.0  # for another process that is making it
POLL_S = 0.2
LOGS = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database
MAKING = "mlflow-"  # how the folder's name begins in which it is made
# A disk that is full or a database that is locked is none of these.
DAMAGES = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def make_database(results_root: Path) -> None:
    """Make the database, unless it is there.

    Raises RunFailed where another process takes too long to, sqlite3.Error where what is there is none.
    """
    path = database(results_root)
    if path.exists():
        _read(path)
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


def is_damaged(error: BaseException | None) -> bool:
    """Whether an error says that the database itself is damaged or half made."""
    while error is not None:
        if isinstance(error, CommandError):  # of what changes its tables
            return True
        if isinstance(error, sqlite3.Error):
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGES
        error = error.__cause__
    return False


def _read(path: Path) -> None:
    """Read a little of a database: MLflow tries one that isn't for two minutes."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        if is_damaged(error):
            raise


def _make(path: Path, results_root: Path) -> None:
    """In a folder with a new name each time, as MLflow keeps connections to a name that it knows."""
    for left in path.parent.glob(f"{MAKING}*{TEMPORARY}"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    artifacts = artifact_folder(results_root).as_uri()
    with tempfile.TemporaryDirectory(prefix=MAKING, suffix=TEMPORARY, dir=path.parent) as folder:
        made = Path(folder) / path.name
        store = SqlAlchemyStore(f"sqlite:///{made}", artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()  # the last connection takes its log into the file
        for suffix in LOGS:  # of a database that was moved away: SQLite would take them for the new one's
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        made.replace(path)
