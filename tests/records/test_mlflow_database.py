"""MLflow's database under the results is there whole or not at all, whoever makes it and is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from harness.errors import RunFailed
from harness.records import mlflow_database
from harness.records.files import Lock
from harness.records.mlflow_database import make_database
from harness.records.tracking import database, default_uri, without_password

MAKE = "import sys; from pathlib import Path; from harness.records.mlflow_database import make_database; "


def test_it_is_made_once_and_what_a_killed_one_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db.making").write_bytes(b"half a database")
    (tmp_path / "mlflow.db.making-wal").write_bytes(b"its log")
    make_database(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.db", "mlflow.lock"]
    made = database(tmp_path).stat().st_mtime_ns
    make_database(tmp_path)
    assert database(tmp_path).stat().st_mtime_ns == made
    assert [e.name for e in MlflowClient(default_uri(tmp_path)).search_experiments()] == ["Default"]


def test_a_maker_that_fails_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(uri: str, _: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(mlflow_database, "SqlAlchemyStore", full)
    with pytest.raises(OSError, match="no space"):
        make_database(tmp_path)
    assert not database(tmp_path).exists()
    monkeypatch.undo()
    make_database(tmp_path)
    assert database(tmp_path).exists()


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


@pytest.mark.parametrize("uri", ["http://u:secret@host/x", "postgresql://u:secret@host/x"])
def test_a_password_is_not_told(uri: str) -> None:
    assert without_password(f"MLflow at {uri} is down") == f"MLflow at {uri.replace('u:secret@', '')} is down"
