"""Serve MLflow's pages until Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.cli import show
from harness.records.ui import ML_PAGES, experiments, ui_command, wait_healthy
from harness.records.view import view_url

START_S = 120.0


def serve(results: Path, port: int) -> None:
    """Start the server, say where it is once it answers, and stay until it ends."""
    command = ui_command(results, port)
    with subprocess.Popen(command.argv, env=command.env, stdout=sys.stderr) as server:
        try:
            wait_healthy(command.url, START_S)
            show.text(f"MLflow: {command.url}{ML_PAGES}   (Ctrl-C ends it)")
            for name, experiment_id in sorted(experiments(command.url).items()):
                show.text(f"  {name}: {view_url(command.url, experiment_id)}")
            server.wait()
        except KeyboardInterrupt:
            server.terminate()
        except BaseException:
            server.terminate()
            raise
