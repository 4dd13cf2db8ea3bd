"""A pilot before the plan: what `harness plan --pilot` runs."""

from __future__ import annotations

from pathlib import Path

from harness.cli.asked import Asked
from harness.cli.budget import Means
from harness.cli.progress import Watcher
from harness.cli.running import load_design
from harness.records.store import Store
from harness.running.batch import Bench
from harness.running.job import CACHE
from harness.running.pilot import check_not_judged, pilot_store, run_pilot


def take_pilot(asked: Asked, replicates: int, results: Path, means: Means) -> None:
    """Train so many replicates of every arm on seeds of a pilot's own. Raises BadInput once one is judged."""
    from harness.running.executors import WorkerProcesses

    design = load_design(asked)
    check_not_judged(design, results)
    study = Store(results, design.folder, read_only=True)
    with (
        pilot_store(results, design.folder) as store,
        WorkerProcesses(means.workers) as executor,
        Watcher() as watcher,
    ):
        cache_dir = results.absolute() / CACHE
        bench = Bench(store, executor, watcher, cache_dir, means.device, largest_stack=means.stack)
        run_pilot(design, bench, study, replicates)
