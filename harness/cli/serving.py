"""Serve MLflow's pages until Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.cli import show
from harness.errors import RunFailed
from harness.records.tracking import database, default_uri, tracking_uri, without_password
from harness.records.ui import ML_PAGES, experiments, ui_command, wait_healthy
from harness.records.view import view_url

START_S = 120.0
MAGIC = b"SQLite format 3\0"  # how a database begins


def serve(results: Path, port: int) -> None:
    """Start the server, say where it is once it answers, and stay until it ends.

    Where there is a server already, say where it is. Raises RunFailed where the one started doesn't answer.
    """
    uri = tracking_uri(results)
    if uri.startswith(("http://", "https://")):
        show.text(f"MLflow: {without_password(uri).rstrip('/')}{ML_PAGES}   (that of MLFLOW_TRACKING_URI)")
        return
    command = ui_command(results, port)
    if uri == default_uri(results) and not _is_database(database(results)):
        _make_database(results.absolute())
    with subprocess.Popen(command.argv, env=command.env, stdout=sys.stderr) as server:
        try:
            wait_healthy(command.url, START_S, server)
            show.text(f"MLflow: {command.url}{ML_PAGES}   (Ctrl-C ends it)")
            for name, experiment_id in sorted(experiments(command.url).items()):
                show.text(f"  {name}: {view_url(command.url, experiment_id)}")
            server.wait()
        except KeyboardInterrupt:
            server.terminate()
        except BaseException:
            server.terminate()
            raise


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _make_database(results: Path) -> None:
    """Before the server, which would make it piece by piece.

    Raises RunFailed where that can't be done, or what is there is no database.
    """
    from harness.records.mirror import MLFLOW_ERRORS  # they take seconds to import
    from harness.records.mlflow_database import is_damaged, make_database

    try:
        make_database(results)
    except MLFLOW_ERRORS as error:
        remedy = "Move it away" if is_damaged(error) else "Mend that"
        raise RunFailed(f"no MLflow in {database(results)}: {error}. {remedy}, and run it again") from error
