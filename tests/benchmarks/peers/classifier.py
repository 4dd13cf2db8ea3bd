"""scikit-learn's MLPClassifier, as a user calls it: one `fit`, then `score` on two splits.

Its weights start Glorot-uniform and an epoch keeps its short last batch: those can't be chosen.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from harness.catalogue.data.base import Splits
from harness.running.job import splits_of
from tests.benchmarks.peers.training import Reached
from tests.benchmarks.task import Done, Task, serve, stopwatch
from tests.benchmarks.trials import Timed

SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nag": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True},
    "adam": {"solver": "adam"},
}


def run(task: Task) -> Done:
    """The listed trials one after the other, on one thread."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs is what is asked for
    for item in task.listed:
        splits_of(item.trial, task.cache_dir)
    timed: list[Timed] = []
    with threadpool_limits(1), stopwatch() as elapsed:
        for item in task.listed:
            begun = time.perf_counter()
            reached = fit(item.trial.config, splits_of(item.trial, task.cache_dir), item.trial.replicate)
            time_s = time.perf_counter() - begun
            timed.append(Timed(item.trial.id, item.arm, item.trial.phase, time_s, *reached))
        loop_s = elapsed()
    return Done(timed, loop_s)


def fit(config: dict[str, Any], splits: Splits, seed: int) -> Reached:
    """One classifier, trained for the config's epochs."""
    section = config["train"]
    model = MLPClassifier(
        hidden_layer_sizes=tuple(config["model"]["widths"]),
        activation=config["model"]["activation"],
        learning_rate_init=config["optimizer"]["lr"],
        alpha=config["optimizer"]["weight_decay"],
        batch_size=section["batch_size"],
        max_iter=section["epochs"],
        n_iter_no_change=section["epochs"] + 1,
        random_state=seed,
        **SOLVERS[config["optimizer"]["name"]],
    )
    x_train, x_val, x_test = (
        np.asarray(getattr(splits, f"x_{name}")).reshape(len(getattr(splits, f"x_{name}")), -1)
        for name in ("train", "val", "test")
    )
    try:
        model.fit(x_train, splits.y_train)
    except ValueError as error:
        if "non-finite" not in str(error):
            raise
        return Reached(1 / (splits.n_classes or 1), 1 / (splits.n_classes or 1))  # diverged: chance
    return Reached(model.score(x_val, splits.y_val), model.score(x_test, splits.y_test))


if __name__ == "__main__":
    serve(run)
