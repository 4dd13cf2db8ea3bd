"""Plain Optuna and PyTorch: one study, the listed points enqueued, an objective that trains one network.

Settings: `batches` (loader or tensors), `jobs` (Optuna's n_jobs), `threads` (torch's; its own default
where missing).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import optuna
import torch

from harness.running.job import splits_of
from tests.benchmarks.peers.training import BATCHES, OnEpoch, Reached, first_step, train
from tests.benchmarks.task import Done, Task, serve, stopwatch
from tests.benchmarks.trials import Listed, Timed

Run = Callable[[dict[str, Any], Listed], Reached]


class PlainRun(Protocol):
    """Trains one listed trial with a config, its learning rate Optuna's; `on_epoch` hears the metrics."""

    def __call__(self, config: dict[str, Any], item: Listed, on_epoch: OnEpoch = ...) -> Reached: ...


def run(task: Task) -> Done:
    """The listed trials, one after the other or `jobs` at a time."""
    return optimize(task, make_plain(task))


def make_plain(task: Task) -> PlainRun:
    """Data loaded, torch awake: what trains one listed trial as the task's settings say."""
    if task.settings.get("threads"):
        torch.set_num_threads(task.settings["threads"])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for item in task.listed:  # data lie ready, as in a script that loads them first
        splits_of(item.trial, task.cache_dir)
    make_batches = BATCHES[task.settings["batches"]]
    first_step()

    def plain(config: dict[str, Any], item: Listed, on_epoch: OnEpoch = lambda *_: None) -> Reached:
        splits = splits_of(item.trial, task.cache_dir)
        return train(config, splits, make_batches, item.trial.replicate, on_epoch)

    return plain


def optimize(task: Task, run_one: Run) -> Done:
    """Optuna's part. Random sampling, as the points are given: no model of them is paid for."""
    timed: list[Timed] = []
    with stopwatch() as elapsed:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        for index, item in enumerate(task.listed):
            study.enqueue_trial({"index": index, "lr": item.trial.config["optimizer"]["lr"]})

        def objective(trial: optuna.Trial) -> float:
            item = task.listed[trial.suggest_int("index", 0, len(task.listed) - 1)]
            optimizer = {
                **item.trial.config["optimizer"],
                "lr": trial.suggest_float("lr", 1e-9, 1e6, log=True),
            }
            begun = time.perf_counter()
            reached = run_one({**item.trial.config, "optimizer": optimizer}, item)
            time_s = time.perf_counter() - begun
            timed.append(Timed(item.trial.id, item.arm, item.trial.phase, time_s, *reached))
            return reached.val

        study.optimize(objective, n_trials=len(task.listed), n_jobs=task.settings.get("jobs", 1))
        loop_s = elapsed()
    return Done(timed, loop_s)


if __name__ == "__main__":
    serve(run)
