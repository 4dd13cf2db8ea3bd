"""Ray Tune: one trainable a listed trial, one core each, the same loop as the plain peer's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from harness.running.job import splits_of
from tests.benchmarks.peers.training import BATCHES, first_step, train
from tests.benchmarks.task import Done, Task, serve
from tests.benchmarks.trials import Timed, from_json


def trainable(config: dict[str, Any]) -> dict[str, Any]:
    """Train one trial; what is returned is its last report."""
    torch.set_num_threads(1)
    first_step()
    item = from_json(config["listed"])
    splits = splits_of(item.trial, Path(config["cache_dir"]))
    begun = time.time()
    reached = train(item.trial.config, splits, BATCHES[config["batches"]], item.trial.replicate)
    ended = time.time()
    timed = Timed(item.trial.id, item.arm, item.trial.phase, ended - begun, *reached)
    return {**timed._asdict(), "begun": begun, "ended": ended}


def run(task: Task) -> Done:
    """The listed trials on all cores."""
    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=task.settings["jobs"])
    reports = fit(task)
    ray.shutdown()
    # From the first trial's start to the last one's end: what a fit takes around its trials is not
    # theirs, and would be scaled up with them.
    loop_s = max(r["ended"] for r in reports) - min(r["begun"] for r in reports)
    return Done([Timed(**{k: r[k] for k in Timed._fields}) for r in reports], loop_s)


def fit(task: Task) -> list[dict[str, Any]]:
    """Each trial's report."""
    space = {
        "listed": tune.grid_search([item.as_json() for item in task.listed]),
        "cache_dir": str(task.cache_dir),
        "batches": task.settings["batches"],
    }
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="val", mode="max", reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(task.folder), verbose=0),
    )
    results = tuner.fit()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} of Ray's trials failed: {results.errors[0]}")
    return [r.metrics for r in results]


if __name__ == "__main__":
    serve(run)
