"""A study from its name to its report: what the `run` command does."""

from __future__ import annotations

import importlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from harness.catalogue.data import data_set
from harness.catalogue.resolve import options_of
from harness.cli import show
from harness.cli.asked import Asked
from harness.cli.folders import check_writable
from harness.cli.progress import Watcher
from harness.errors import BadInput, RunFailed
from harness.planning.design import make_design
from harness.records.mirror_process import MirrorProcess
from harness.records.store import Store
from harness.running.batch import Bench
from harness.running.executors import WorkerProcesses
from harness.running.freeze import check_design
from harness.running.job import CACHE
from harness.running.run import run_study
from harness.words.config import RunConfig
from harness.words.design import Design
from harness.words.verdict import StudyVerdict

if TYPE_CHECKING:
    from harness.reporting.build import ReportPaths

MIRROR_WAIT_S = 120.0


class Settings(NamedTuple):
    """How and where to run; nothing here changes a result.

    The executor has worker processes even where it has one: Ctrl-C is heard at once, every stack is kept
    as it ends, and each trains with the one thread that makes results the same anywhere.
    """

    results: Path
    reports: Path
    executor: WorkerProcesses
    device: str
    stack: int
    amend: str | None
    mlflow: bool


class Outcome(NamedTuple):
    """What a run came to."""

    verdict: StudyVerdict
    paths: ReportPaths
    mirror: MirrorProcess | None
    time_s: float


def load_design(asked: Asked) -> Design:
    """The design of a study named by the user. Raises BadInput, also where its data aren't there."""
    design = make_design(asked.file(), asked.tier, asked.replicates)
    for arm in design.arms:
        config = RunConfig.model_validate(arm.config)
        data_set(config.data.name).content(options_of(config, "data"))
    return design


def run_one(asked: Asked, settings: Settings, as_json: bool = False) -> None:
    """Run a study and tell what it came to."""
    done = run_to_report(asked, settings)
    if as_json:
        show.json(done.verdict.model_dump(mode="json"))
    else:
        show.done(done.verdict, done.paths, None if done.mirror is None else settings.results)
    show.progress(f"took {done.time_s:.0f} s")
    if done.mirror is not None:
        finish_mirror(done.mirror, done.paths.html.parent.name)


def run_to_report(asked: Asked, settings: Settings) -> Outcome:
    """Run, judge and report, saying on stderr how it goes on.

    Everything that can be wrong with what was asked is found before the first file is written.
    """
    started = time.perf_counter()
    design = load_design(asked)
    stored = design.folder
    check_writable(settings.results, "results")
    check_writable(settings.reports / stored, "reports")
    with Store(settings.results, stored) as store:
        _lock(store)
        check_design(design, store, settings.amend, asked.run_command)  # before the run is noted as begun
        store.start_execution(command=asked.command, device=settings.device)
        mirror = _start_mirror(settings, stored)
        try:
            _run_to_records(design, settings, store)
            from harness.cli.reports import rebuild

            verdict, paths = rebuild(stored, settings.results, settings.reports)
        finally:
            if mirror is not None:
                mirror.finish()
    return Outcome(verdict, paths, mirror, time.perf_counter() - started)


def finish_mirror(mirror: MirrorProcess, stored: str) -> None:
    """Wait for the mirror, which has the rest to itself now; say so where it could not finish."""
    show.progress("MLflow is being brought up to date ...", end="")
    try:
        whole = mirror.stop(MIRROR_WAIT_S)
    except KeyboardInterrupt:  # the study is done, and the mirror goes on without us
        show.progress(" goes on in the background")
        return
    state = mirror.state()
    if whole and not state.error:
        show.progress(f" {state.mirrored:,} trials are there")
    else:
        show.progress("")
        show.warn(f"MLflow lacks some trials ({state.error or mirror.problem}): harness sync {stored}")


def device_of(wanted: str) -> str:
    """The device to train on. Raises BadInput for one that isn't there."""
    there = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if there else "cpu"
    if wanted == "cpu" or (wanted == "cuda" and there):
        return wanted
    what = (
        "the device 'cuda' isn't there: torch sees no GPU"
        if wanted == "cuda"
        else f"unknown device {wanted!r}"
    )
    raise BadInput(f"{what}; allowed: auto, cpu{', cuda' if there else ''}")


def _run(design: Design, settings: Settings, store: Store) -> None:
    # What the report needs takes seconds to import: meanwhile, and not before or after.
    threading.Thread(target=importlib.import_module, args=("harness.cli.reports",), daemon=True).start()
    with Watcher() as watcher:
        bench = Bench(
            store=store,
            executor=settings.executor,
            observer=watcher,
            cache_dir=settings.results.absolute() / CACHE,
            device=settings.device,
            largest_stack=settings.stack,
        )
        if design.study.kind == "search":
            from harness.running.search import run_search

            run_search(design, bench, settings.amend)
        else:
            run_study(design, bench, settings.amend)


def _run_to_records(design: Design, settings: Settings, store: Store) -> None:
    """Run, and note how it ended: before the report, which tells of this execution too."""
    started, status = time.perf_counter(), "failed"
    try:
        _run(design, settings, store)
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        store.end_execution(status=status, time_s=round(time.perf_counter() - started, 1))


def _lock(store: Store) -> None:
    try:
        store.lock()
    except RunFailed as error:  # nothing has run yet: what was asked can't be done now
        raise BadInput(str(error)) from None


def _start_mirror(settings: Settings, stored: str) -> MirrorProcess | None:
    if not settings.mlflow:
        return None
    mirror = MirrorProcess(settings.results, stored, settings.reports)
    mirror.start()
    return mirror
