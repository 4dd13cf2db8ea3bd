"""Ray Tune: one trainable a listed trial, one core each, the same loop as the plain peer's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from harness.running.job import splits_of
from tests.benchmarks.peers.training import BATCHES, train
from tests.benchmarks.task import Done, Task, serve, stopwatch
from tests.benchmarks.trials import Timed, from_json


def trainable(config: dict[str, Any]) -> dict[str, Any]:
    """Train one trial; what is returned is its last report."""
    torch.set_num_threads(1)
    item = from_json(config["listed"])
    splits = splits_of(item.trial, Path(config["cache_dir"]))
    begun = time.perf_counter()
    reached = train(item.trial.config, splits, BATCHES[config["batches"]], item.trial.replicate)
    time_s = time.perf_counter() - begun
    return Timed(item.trial.id, item.arm, item.trial.phase, time_s, *reached)._asdict()


def run(task: Task) -> Done:
    """The listed trials on all cores; starting Ray's processes is not part of the loop."""
    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=task.settings["jobs"])
    space = {
        "listed": tune.grid_search([item.as_json() for item in task.listed]),
        "cache_dir": str(task.cache_dir),
        "batches": task.settings["batches"],
    }
    with stopwatch() as elapsed:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(metric="val", mode="max"),
            run_config=tune.RunConfig(storage_path=str(task.folder), verbose=0),
        )
        results = tuner.fit()
        loop_s = elapsed()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} of Ray's trials failed: {results.errors[0]}")
    ray.shutdown()
    return Done([Timed(**{k: r.metrics[k] for k in Timed._fields}) for r in results], loop_s)


if __name__ == "__main__":
    serve(run)
