"""MLflow's pages start on this machine alone, on a free port, and say when they don't."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from harness.errors import RunFailed
from harness.records.ui import HOST, free_port, ui_command, wait_healthy


def test_a_taken_port_gives_the_next_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = ui_command(tmp_path, port)
        assert command.url != f"http://{HOST}:{port}"
        assert command.argv[command.argv.index("--port") + 1] == command.url.rpartition(":")[2]
        with pytest.raises(RunFailed, match=f"ports {port} to {port} .* all taken"):
            free_port(port, tries=1)


def test_the_command_serves_this_machine_alone_and_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = ui_command(tmp_path)
    options = dict(zip(command.argv[4::2], command.argv[5::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--workers"] == "1"
    assert options["--backend-store-uri"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert command.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert command.env["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_server_that_never_answers_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        with pytest.raises(RunFailed, match=r"did not answer within 0\.5 s"):
            wait_healthy(f"http://{HOST}:{taken.getsockname()[1]}", 0.5)


def test_a_server_that_ends_is_reported_at_once() -> None:
    with socket.socket() as taken, subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as server:
        taken.bind((HOST, 0))
        with pytest.raises(RunFailed, match="ended with exit code 3: see what it printed"):
            wait_healthy(f"http://{HOST}:{taken.getsockname()[1]}", 600, server)


@pytest.mark.slow
def test_the_pages_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = ui_command(tmp_path, 5150)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command.argv, env=command.env, stdout=log, stderr=log)
    try:
        wait_healthy(command.url, 90)
        with urllib.request.urlopen(command.url, timeout=10) as page:
            assert b"MLflow" in page.read()
    finally:
        server.terminate()
        server.wait(30)
