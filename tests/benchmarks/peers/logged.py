"""The plain peer with MLflow: a run a trial, its metrics logged each epoch, into SQLite as harness does.

A module of its own: a user without MLflow doesn't import it either.
"""

from __future__ import annotations

from typing import Any

import mlflow

from tests.benchmarks.peers.plain import make_plain, optimize
from tests.benchmarks.peers.training import Reached
from tests.benchmarks.task import Done, Task, serve
from tests.benchmarks.trials import Listed


def run(task: Task) -> Done:
    """The listed trials, each as one of MLflow's runs."""
    plain = make_plain(task)
    mlflow.set_tracking_uri(f"sqlite:///{task.folder / 'mlflow.db'}")
    mlflow.set_experiment("peer")

    def logged(config: dict[str, Any], item: Listed) -> Reached:
        with mlflow.start_run(run_name=item.trial.id):
            mlflow.log_params({"arm": item.arm, "phase": item.trial.phase, **config["optimizer"]})
            reached = plain(config, item, lambda epoch, metrics: mlflow.log_metrics(metrics, step=epoch))
            mlflow.log_metric("test", reached.test)
        return reached

    return optimize(task, logged)


if __name__ == "__main__":
    serve(run)
