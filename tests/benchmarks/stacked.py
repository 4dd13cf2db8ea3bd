"""The harness's side of a list of trials: stacks through its executor into a store, workers warm.

Settings: `workers`; `device`; `largest`, how many trials a stack has at most. As in a study, tuned and
judged trials run in batches of their own.
"""

from __future__ import annotations

from dataclasses import replace

from harness.records.store import Store
from harness.running.batch import Bench, run_batch
from harness.running.executors import WorkerProcesses
from harness.running.job import LARGEST, Job, splits_of
from harness.running.observer import Silent
from harness.training.stack import Stack
from harness.words.record import Record
from harness.words.trial import Trial
from tests.benchmarks.task import Done, Task, serve, stopwatch
from tests.benchmarks.trials import Listed, Timed

WARM_UP_STEPS = 2


def run(task: Task) -> Done:
    """The listed trials; imports, starting workers and drawing data are not part of the loop."""
    executor = WorkerProcesses(task.settings["workers"])
    device = task.settings.get("device", "cpu")
    largest = task.settings.get("largest", LARGEST)
    bench = Bench(Store(task.folder, "bench"), executor, Silent(), task.cache_dir, device, largest)
    warm_up(task.listed[0].trial, bench)
    for item in task.listed:  # data lie ready, as for the peers
        splits_of(item.trial, task.cache_dir)
    with bench.store, stopwatch() as elapsed:
        for phase in ("tune", "judge"):
            run_batch(bench, phase, [item.trial for item in task.listed if item.trial.phase == phase])
        loop_s = elapsed()
    executor.close()
    records = bench.store.load()
    return Done([timed(item, records[item.trial.id]) for item in task.listed], loop_s)


def warm_up(first: Trial, bench: Bench) -> None:
    """A short trial on every worker and a batch of one here, so that imports are done and data are open."""
    section = {k: v for k, v in first.config["train"].items() if k != "epochs"}
    config = {**first.config, "train": {**section, "steps": WARM_UP_STEPS}}
    trial = first.model_copy(update={"config": config})
    job = Job(Stack("warm-up", (trial,)), bench.cache_dir, bench.device)
    futures = [bench.executor.submit(job, lambda share: None) for _ in range(2 * bench.executor.workers)]
    for future in futures:
        future.result()
    with Store(bench.store.path.parent, "warm-up") as store:
        run_batch(replace(bench, store=store, statuses={}), "warm-up", [trial])


def timed(item: Listed, record: Record) -> Timed:
    """A record as a side reports it: its share of its stack's time, and its metric."""
    name = "accuracy" if "val/accuracy" in record.curves else "mse"
    val, test = (record.final.get(f"{split}/{name}") for split in ("val", "test"))
    return Timed(item.trial.id, item.arm, item.trial.phase, record.time_s, val, test)


if __name__ == "__main__":
    serve(run)
