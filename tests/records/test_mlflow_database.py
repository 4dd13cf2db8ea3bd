"""MLflow's database under the results is there whole or not at all, whoever makes it and is killed."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alembic.util.exc import CommandError
from mlflow.tracking import MlflowClient

from harness.errors import RunFailed
from harness.records import mlflow_database
from harness.records.files import Lock
from harness.records.mlflow_database import is_damaged, make_database
from harness.records.tracking import database, default_uri, without_password

MAKE = "import sys; from pathlib import Path; from harness.records.mlflow_database import make_database; "


def test_it_is_made_once_and_what_a_killed_one_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "mlflow-killed.tmp").mkdir()
    (tmp_path / "mlflow-killed.tmp/mlflow.db").write_bytes(b"half a database")
    (tmp_path / "mlflow.db-wal").write_bytes(b"the log of one that was moved away")
    make_database(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.db", "mlflow.lock"]
    made = database(tmp_path).stat().st_mtime_ns
    make_database(tmp_path)
    assert database(tmp_path).stat().st_mtime_ns == made
    assert [e.name for e in MlflowClient(default_uri(tmp_path)).search_experiments()] == ["Default"]


def test_a_maker_that_is_stopped_leaves_none_and_the_same_process_makes_it_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alembic.command.upgrade", stop)
        with pytest.raises(KeyboardInterrupt):
            make_database(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mlflow.lock"]
    make_database(tmp_path)
    assert [e.name for e in MlflowClient(default_uri(tmp_path)).search_experiments()] == ["Default"]


def test_two_at_once_make_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{MAKE}make_database(Path(sys.argv[1]))", str(tmp_path)]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [p.wait() for p in both] == [0, 0]
    assert [e.name for e in MlflowClient(default_uri(tmp_path)).search_experiments()] == ["Default"]


def test_another_maker_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Lock(tmp_path / "mlflow.lock", "process making MLflow's database")
    other.acquire()
    monkeypatch.setattr(mlflow_database, "WAIT_S", 0.1)
    with pytest.raises(RunFailed, match="another process making MLflow's database is going on"):
        make_database(tmp_path)
    monkeypatch.setattr(mlflow_database, "WAIT_S", 30)

    def finish() -> None:
        time.sleep(0.3)
        database(tmp_path).write_bytes(b"made by the other")
        other.release()

    threading.Thread(target=finish).start()
    make_database(tmp_path)
    assert database(tmp_path).read_bytes() == b"made by the other"


def test_a_file_that_is_no_database_is_told_at_once(tmp_path: Path) -> None:
    make_database(tmp_path)
    whole = database(tmp_path).read_bytes()
    database(tmp_path).write_bytes(b"a text, not a database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        make_database(tmp_path)
    database(tmp_path).write_bytes(whole)
    with contextlib.closing(sqlite3.connect(database(tmp_path))) as other:
        other.execute("BEGIN EXCLUSIVE")
        make_database(tmp_path)  # one that is only busy stays


@pytest.mark.parametrize("user", ["u:secret@", "u:sec/r@t@", ":secret@", "token@"])
@pytest.mark.parametrize("kind", ["http", "postgresql+psycopg"])
def test_a_password_is_not_told(kind: str, user: str) -> None:
    told = f"MLflow at {kind}://host:5000/x is down, ask me@home"
    assert without_password(told.replace("host", f"{user}host")) == told


def test_a_path_is_told_whole() -> None:
    assert without_password("sqlite:////home/me@work/x") == "sqlite:////home/me@work/x"


def test_what_a_damaged_database_says_is_told_from_a_full_disk(tmp_path: Path) -> None:
    def raised(statement: str) -> BaseException:
        with contextlib.closing(sqlite3.connect(tmp_path / "db")) as database:
            with pytest.raises(sqlite3.Error) as error:
                database.executescript(f"PRAGMA max_page_count = 1; {statement}")
            return error.value

    assert is_damaged(raised("ALTER TABLE nowhere ADD COLUMN x"))
    assert not is_damaged(raised("CREATE TABLE t (x)"))  # the database or disk is full
    (tmp_path / "db").write_bytes(b"no database" * 100)
    assert is_damaged(raised("CREATE TABLE t (x)"))
    assert is_damaged(CommandError("Can't locate revision"))
    assert not is_damaged(OSError("no space left on device"))
