"""Where MLflow's data lie, and the environment that keeps MLflow quick and quiet."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Without these a dead server blocks each call for minutes.
LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def database(results_root: Path) -> Path:
    """The SQLite database under the results: an absolute path, so that it means the same everywhere."""
    return results_root.absolute() / "mlflow.db"


def default_uri(results_root: Path) -> str:
    """The URI of that database."""
    return f"sqlite:///{database(results_root)}"


def tracking_uri(results_root: Path) -> str:
    """What `MLFLOW_TRACKING_URI` says, else the database under the results."""
    return os.environ.get("MLFLOW_TRACKING_URI") or default_uri(results_root)


def is_server(uri: str) -> bool:
    """Whether the URI names a server, not a database or a folder of this machine."""
    return uri.startswith(("http://", "https://", "databricks", "uc:"))


def without_password(text: str) -> str:
    """A text about a URI, without the user's name and password in it; a password may hold / and @."""
    return re.sub(r"//[^/\s]*(:\S*)?@", "//", text)


def artifact_folder(results_root: Path) -> Path:
    """Where artifacts lie when no server keeps them."""
    return results_root.absolute() / "mlartifacts"


def limited_environment() -> dict[str, str]:
    """This process's environment with the limits; what the user has set wins."""
    return {**LIMITS, **os.environ}
