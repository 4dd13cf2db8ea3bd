"""MLflow's pages over the results: the command that serves them, and whether they answer."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from harness.errors import RunFailed
from harness.records.tracking import artifact_folder, limited_environment, tracking_uri

HOST = "127.0.0.1"  # this machine alone: the pages ask for no password
ML_PAGES = (
    "/#/experiments?workflowType=machine_learning"  # without it MLflow opens its pages for language models
)


class UiCommand(NamedTuple):
    """What to start, with which environment, and where it will answer."""

    argv: list[str]
    env: dict[str, str]
    url: str  # the base; `url + ML_PAGES` is what to open


def ui_command(results_root: Path | str, port: int = 5000) -> UiCommand:
    """The command that serves the mirrored studies on this machine, on `port` or the next free one."""
    root = Path(results_root).absolute()
    root.mkdir(parents=True, exist_ok=True)
    free = free_port(port)
    artifacts = artifact_folder(root).as_uri()
    argv = [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(free)),
        *("--workers", "1", "--backend-store-uri", tracking_uri(root)),
        *("--default-artifact-root", artifacts, "--artifacts-destination", artifacts),
    ]
    env = {**limited_environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return UiCommand(argv, env, f"http://{HOST}:{free}")


def experiments(url: str) -> dict[str, str]:
    """The mirrored studies of a server that answers: name -> experiment id."""
    body = json.dumps({"max_results": 1000}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/experiments/search", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        found = json.load(answer).get("experiments", [])
    return {e["name"]: e["experiment_id"] for e in found if e["experiment_id"] != "0"}


def free_port(first: int, tries: int = 100) -> int:
    """The first free port from `first` on. Raises RunFailed where none of `tries` is."""
    for port in range(first, first + tries):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RunFailed(f"ports {first} to {first + tries - 1} of {HOST} are all taken: name another one")


def wait_healthy(url: str, timeout_s: float, server: subprocess.Popen[bytes] | None = None) -> None:
    """Return as soon as the server answers. Raises RunFailed after `timeout_s` seconds, or when it ends."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if server is not None and (code := server.poll()) is not None:
            raise RunFailed(f"MLflow's server ended with exit code {code}: see what it printed")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RunFailed(f"MLflow's pages at {url} did not answer within {timeout_s:g} s: see what it printed")
