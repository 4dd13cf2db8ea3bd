"""What the doctor finds, and what keeps studies from running."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.cli import doctor
from tests.cli.conftest import Harness, files


def findings(harness: Harness, *words: str) -> dict[str, dict[str, Any]]:
    return {f["what"]: f for f in harness("doctor", *words, "--json").json}


def test_a_machine_that_runs_the_tests_can_run_studies(harness: Harness, project: Path) -> None:
    before = files(project)
    shown = harness("doctor")
    assert (shown.code, shown.err) == (0, "")
    found = findings(harness)
    assert found["Python"]["found"] == platform.python_version()
    assert torch.__version__ in found["torch"]["found"]
    assert found["results"]["state"] == "ok"
    assert found["MLflow"]["found"] == f"sqlite:///{project}/results/mlflow.db"
    assert files(project) == before


def test_data_that_are_not_here_are_a_note_with_a_remedy(harness: Harness) -> None:
    mnist = findings(harness)["data mnist"]
    assert mnist["state"] == "note"
    assert "harness data fetch mnist" in mnist["remedy"]


def test_results_that_cannot_be_written_fail(harness: Harness, project: Path) -> None:
    (project / "taken").write_text("")
    shown = harness("doctor", "--results", "taken/results")
    assert shown.code == 1
    assert "studies can't run here: results" in shown.err
    assert "taken is a file. Name a folder with --results" in " ".join(shown.out.split())


def test_versions_are_held_against_the_constraints(harness: Harness, project: Path) -> None:
    numpy = importlib.metadata.version("numpy")
    (project / "constraints.txt").write_text(f"NumPy=={numpy}\nunknown==1\n")
    assert findings(harness)["packages"]["state"] == "ok"
    (project / "constraints.txt").write_text("numpy==0.1\n")
    packages = findings(harness)["packages"]
    assert (packages["state"], packages["found"]) == ("note", f"numpy {numpy}, not 0.1")
    assert harness("doctor").code == 0


def test_a_missing_package_fails(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "loky" else found(name))
    shown = harness("doctor")
    assert shown.code == 1
    assert "missing: loky" in shown.out


def test_a_server_that_does_not_answer_is_a_note(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SERVER_WAIT_S", 0.1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    shown = harness("doctor")
    assert shown.code == 0
    assert "http://127.0.0.1:9 does not answer" in shown.out
    assert "secret" not in shown.out
