"""A study from its name to its report: what the `run` command does."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import torch

from harness.cli import show
from harness.cli.progress import Watcher
from harness.cli.reports import rebuild, stored_name
from harness.errors import BadInput
from harness.planning.design import make_design
from harness.planning.studies import find
from harness.records.mirror_process import MirrorProcess
from harness.records.store import Store
from harness.running.batch import Bench
from harness.running.executors import Executor, ThisProcess, WorkerProcesses
from harness.running.run import run_study
from harness.words.design import Design
from harness.words.study_file import load_study
from harness.words.verdict import StudyVerdict


class Settings(NamedTuple):
    """How and where to run; nothing here changes a result."""

    results: Path
    reports: Path
    workers: int | None
    device: str
    stack: int
    amend: str | None
    mlflow: bool


def load_design(name: str, tier: str | None, replicates: int | None) -> Design:
    """The design of a study named by the user."""
    return make_design(load_study(find(name)), tier, replicates)


def run_to_report(design: Design, settings: Settings) -> StudyVerdict:
    """Run, judge and report, saying on stderr how it goes on."""
    started = time.perf_counter()
    stored = stored_name(design.name, design.tier)
    with Store(settings.results, stored) as store:
        store.lock()
        store.start_execution(command=_command(design), device=_device(settings.device))
        mirror = _start_mirror(settings, stored)
        status = "interrupted"
        try:
            _run(design, settings, store)
            verdict, paths = rebuild(stored, settings.results, settings.reports)
            status = "done"
        finally:
            store.end_execution(status=status, time_s=round(time.perf_counter() - started, 1))
            if mirror is not None:
                mirror.finish()
    show.done(verdict, paths, time.perf_counter() - started)
    if mirror is not None:
        show.mirror(mirror, stored)
    return verdict


def _run(design: Design, settings: Settings, store: Store) -> None:
    device = _device(settings.device)
    executor = _executor(settings.workers, device)
    with Watcher() as watcher:
        bench = Bench(
            store=store,
            executor=executor,
            observer=watcher,
            cache_dir=settings.results.absolute() / ".cache",
            device=device,
            largest_stack=settings.stack,
        )
        try:
            run_study(design, bench, settings.amend)
        finally:
            executor.close()


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in ("cpu", "cuda") or (wanted == "cuda" and not torch.cuda.is_available()):
        there = "cpu, cuda" if torch.cuda.is_available() else "cpu (torch sees no GPU here)"
        raise BadInput(f"unknown device {wanted!r}; allowed: auto, {there}")
    return wanted


def _executor(workers: int | None, device: str) -> Executor:
    """One process a core on a CPU, one on a GPU; this process where one is asked for."""
    wanted = workers or (1 if device == "cuda" else cores())
    return ThisProcess() if wanted == 1 else WorkerProcesses(wanted)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_mirror(settings: Settings, stored: str) -> MirrorProcess | None:
    if not settings.mlflow:
        return None
    mirror = MirrorProcess(settings.results, stored, settings.reports)
    mirror.start()
    return mirror


def _command(design: Design) -> str:
    tier = f" TIER={design.tier}" if design.tier else ""
    return f"make study NAME={design.name}{tier}"
