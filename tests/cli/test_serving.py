"""`harness ui`: MLflow's pages, by a server of its own or the one there is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.cli import serving
from harness.errors import RunFailed
from harness.records.ui import UiCommand
from tests.cli.conftest import Harness


def test_a_server_that_is_there_is_named_and_none_is_started(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@mlflow.example:5000/")
    ran = harness("ui")
    assert ran.code == 0
    assert ran.out.startswith("MLflow: http://mlflow.example:5000/#/experiments?")
    assert not (project / "results").exists()


def test_a_server_that_ends_at_once_is_told_at_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(results: Path, _port: int) -> UiCommand:
        results.mkdir()
        (results / "mlflow.db").touch()  # so that none is made
        return UiCommand([sys.executable, "-c", "raise SystemExit(7)"], {}, "http://127.0.0.1:9")

    monkeypatch.setattr(serving, "ui_command", dying)
    with pytest.raises(RunFailed, match="MLflow's server ended with exit code 7"):
        serving.serve(project / "results", 5000)


def test_a_file_that_is_no_database_is_told_at_once(harness: Harness, project: Path) -> None:
    (project / "results").mkdir()
    (project / "results/mlflow.db").write_text("notes, not a database" * 100, encoding="utf-8")
    ran = harness("ui")
    assert ran.code == 1
    assert "mlflow.db: file is not a database. Move it away, and run it again" in ran.err
    assert "Traceback" not in ran.err


def test_the_database_it_serves_is_made_first(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(results: Path) -> None:
        assert results == project / "results"
        raise OSError("no space left on device")

    monkeypatch.setattr("harness.records.mlflow_database.make_database", refuse)
    ran = harness("ui")
    assert ran.code == 1
    assert "no space left on device" in ran.err
    assert "Traceback" not in ran.err
