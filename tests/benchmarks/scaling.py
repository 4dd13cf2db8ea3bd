"""How cost grows with trials, and what isn't training. Each in a fresh process.

Run as `python -m tests.benchmarks.scaling TASK RESULT`; the task is JSON.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, final

import psutil

from harness.cli.reports import rebuild
from harness.garbage import collect_seldom
from harness.records.mirror import places, sync
from harness.records.mirror_process import MirrorProcess
from harness.records.store import Store
from harness.running.batch import Bench
from harness.running.executors import Executor, WorkerProcesses
from harness.running.job import Answer, Job, Report
from harness.running.observer import Silent
from harness.running.run import run_study
from tests.benchmarks import studies
from tests.benchmarks.session import Bar, Result, Row, Session, module, run_fresh
from tests.benchmarks.stacked import warm_up
from tests.benchmarks.trials import of_design

WORKERS = 2
SMALL_EPOCHS = 15
FLAT = Bar(1.2, at_least=False)  # of peak memory


def small_study(folder: Path, judged: int, epochs: int) -> Path:
    """Three arms of the 4-8-4-1 regression, 18 tuning trials each and `judged` replicates."""
    tree = studies.teacher(folder)
    tree["base"]["train"]["epochs"] = epochs
    tree["tune"]["extend"] = 0
    tree["judge"] = {"replicates": judged}
    pair = {"kind": "superiority", "a": "adam", "b": "sgd", "outcome": {"final": "test/mse"}, "delta": "5%"}
    tree["hypotheses"] = [{"primary": True, **pair}]
    return studies.write_study(folder / "small.yaml", tree)


def mnist1d_study(folder: Path, judged: int) -> Path:
    """The study `optimizers` with more replicates and a third of the epochs."""
    tree = {
        "base": {
            "data": {"name": "mnist1d"},
            "model": {"name": "mlp", "widths": [100, 100]},
            "train": {"batch_size": 100, "epochs": 10},
        },
        "arms": {"optimizer.name": ["sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "adamw"]},
        "tune": {"optimizer.lr": "own_range", "extend": 0},
        "judge": {"replicates": judged},
        "hypotheses": [
            {"kind": "best_of", "primary": True, "outcome": {"final": "test/accuracy"}, "delta": 0.01}
        ],
    }
    return studies.write_study(folder / "many.yaml", tree)


@final
class Watched:
    """An executor that notes during which time any job is open, so that the rest is the driver's own."""

    def __init__(self, inner: Executor) -> None:
        self._inner, self.workers = inner, inner.workers
        self._lock = threading.Lock()
        self._open, self._since = 0, 0.0
        self.open_s = 0.0

    def submit(self, job: Job, report: Report) -> Future[Answer]:
        """Pass the job on."""
        with self._lock:
            self._since = self._since if self._open else time.perf_counter()
            self._open += 1
        future = self._inner.submit(job, report)
        future.add_done_callback(self._closed)
        return future

    def close(self) -> None:
        """Stop the executor."""
        self._inner.close()

    def _closed(self, _: Future[Answer]) -> None:
        with self._lock:
            self._open -= 1
            if not self._open:
                self.open_s += time.perf_counter() - self._since


def run_parts(task: dict[str, Any]) -> dict[str, Any]:
    """A study from file to report, its wall seconds by part. Imports and worker start-up are left out.

    With `mirror` the MLflow mirror works beside it, as beside the command; it may end after the report.
    """
    folder = Path(task["folder"])
    executor, file = Watched(WorkerProcesses(task["workers"])), Path(task["file"])
    first = of_design(studies.design_of(file))[0].trial
    warm_up(first, Bench(Store(folder, "bench"), executor, Silent(), folder / ".cache"))
    executor.open_s = 0.0
    begun = time.perf_counter()
    design = studies.design_of(file)
    planned = time.perf_counter()
    with Store(folder, design.name) as store:
        store.start_execution(command="benchmark", device="cpu")
        mirror = MirrorProcess(folder, design.name, folder / "reports") if task["mirror"] else None
        if mirror is not None:
            mirror.start()
        run_study(design, Bench(store, executor, Silent(), folder / ".cache"))
        n = len(store.finished())
        store.end_execution(status="done", time_s=0.0)
    ran = time.perf_counter()
    memory = peaks_mib()
    executor.close()
    rebuild(design.name, folder, folder / "reports")
    ended = time.perf_counter()
    return {
        **({} if mirror is None else until_done(mirror)),
        "trials": n,
        "planning_s": planned - begun,
        "training_s": executor.open_s,
        "tuning_and_records_s": ran - planned - executor.open_s,
        "report_s": ended - ran,
        "wall_s": ended - begun,
        **memory,
        "report_peak_rss_mib": peak_mib(psutil.Process()),
    }


def peaks_mib() -> dict[str, float]:
    """The most that the driver has held so far, and its workers together with the server they come from."""
    driver = psutil.Process()
    beside = [p for p in driver.children(recursive=True) if not _is_mirror(p)]
    return {"peak_rss_mib": peak_mib(driver), "workers_peak_rss_mib": sum(map(peak_mib, beside))}


def peak_mib(process: psutil.Process) -> float:
    """The most memory a process has held, shared pages included; what it holds now but on Linux.

    `getrusage` would tell of the process that started it, where that held more.
    """
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        if found := re.search(r"VmHWM:\s*(\d+) kB", status):
            return int(found[1]) / 1024
    return float(process.memory_info().rss) / 2**20


def _is_mirror(process: psutil.Process) -> bool:
    return "harness.records.mirror_beside" in process.cmdline()


def until_done(mirror: MirrorProcess) -> dict[str, float]:
    """Processor seconds and memory of a mirror's process, its start included, once it has mirrored all.

    Raises RuntimeError where it could not.
    """
    process = next(p for p in psutil.Process().children() if _is_mirror(p))
    mirror.finish()
    cpu_s = peak = 0.0
    while mirror.state().running:
        with contextlib.suppress(psutil.Error):  # it may end between the two looks
            cpu_s = sum(process.cpu_times()[:2]) or cpu_s
            peak = peak_mib(process) or peak
        time.sleep(0.02)
    if not mirror.stop(0.0):
        raise RuntimeError(f"the mirror did not finish: {mirror.state().error}")
    return {"mirror_cpu_s": cpu_s, "mirror_peak_rss_mib": peak}


def run_mirror(task: dict[str, Any]) -> dict[str, Any]:
    """Mirror a finished study into a fresh SQLite database."""
    folder = Path(task["folder"])
    begun = time.perf_counter()
    done = sync(places(folder, "small", f"sqlite:///{folder / 'mirror.db'}", folder / "reports"))
    return {"wall_s": time.perf_counter() - begun, "trials": done.created, "failed": done.failed}


PARTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"study": run_parts, "mirror": run_mirror}


def _fresh(session: Session, part: str, **task: Any) -> dict[str, Any]:
    """Run a part in a fresh process, its mirror in the folder of its own."""
    source, target = session.folder / f"{part}.task.json", session.folder / f"{part}.result.json"
    source.write_text(json.dumps({"part": part, **task}), encoding="utf-8")
    run_fresh(module("scaling", source, target), {"MLFLOW_TRACKING_URI": ""})
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return found


def _folder(session: Session, name: str) -> Path:
    folder = session.folder / f"{name}-{len(list(session.folder.iterdir()))}"
    folder.mkdir()
    return folder


def _study(session: Session, file: Path, mirror: bool = False) -> dict[str, Any]:
    """A study with two workers, in its file's folder."""
    return _fresh(session, "study", file=str(file), folder=str(file.parent), workers=WORKERS, mirror=mirror)


def overhead(session: Session) -> Result:
    """The share of a study of about 1,000 trials in which nothing trains, and the mirror beside it."""
    runs = []
    for turn in range(session.rounds):
        runs.append(_study(session, mnist1d_study(_folder(session, "overhead"), 125), mirror=True))
        session.say(f"  overhead, round {turn + 1}: {runs[-1]['wall_s']:.1f} s, {runs[-1]['trials']} trials")
    shares = [1 - r["training_s"] / r["wall_s"] for r in runs]
    mirrored = [1e3 * r["mirror_cpu_s"] / r["trials"] for r in runs]
    what = "planning, Optuna, records and report"
    rows = [
        Row("overhead", what, shares, "of wall time", Bar(0.1, at_least=False)),
        Row("overhead", "mirror beside it, processor time a trial", mirrored, "ms", Bar(25, at_least=False)),
        Row("overhead", "mirror beside it, peak memory", [r["mirror_peak_rss_mib"] for r in runs], "MiB"),
    ]
    return Result(rows, [{"case": "overhead", **r} for r in runs])


def tenfold(session: Session) -> Result:
    """1,000 small trials and 10,000."""
    runs: dict[str, dict[str, Any]] = {}
    for name, replicates in (("one", 333 - 18), ("ten", 3_333 - 18)):
        runs[name] = _study(session, small_study(_folder(session, "tenfold"), replicates, SMALL_EPOCHS))
        session.say(f"  tenfold: {runs[name]['trials']} trials in {runs[name]['wall_s']:.1f} s")
    one, ten = runs["one"], runs["ten"]
    times = ten["trials"] / one["trials"] / 10
    wall = ten["wall_s"] / one["wall_s"]
    rows = [Row("tenfold", "time of ten times the trials", [wall / times], "×", Bar(10.5, at_least=False))]
    for who, key in (
        ("driver until the report", "peak_rss_mib"),
        ("workers", "workers_peak_rss_mib"),
        ("driver, report included", "report_peak_rss_mib"),
    ):
        what = f"peak memory of ten times the trials, {who}"
        rows.append(Row("tenfold", what, [ten[key] / one[key]], "×", FLAT))
    return Result(rows, [{"case": "tenfold", "size": k, **r} for k, r in runs.items()])


def mirror(session: Session) -> Result:
    """The mirror of a finished study of 204 trials, alone; its memory beside that study and one of 2,040."""
    folders = {"one": _folder(session, "mirror"), "ten": _folder(session, "mirror")}
    beside = {
        name: _study(session, small_study(folders[name], replicates, SMALL_EPOCHS), mirror=True)
        for name, replicates in (("one", 50), ("ten", 662))
    }
    runs = []
    for turn in range(session.rounds):
        (folders["one"] / "mirror.db").unlink(missing_ok=True)
        runs.append(_fresh(session, "mirror", folder=str(folders["one"])))
        session.say(f"  mirror, round {turn + 1}: {runs[-1]['wall_s']:.1f} s")
    values = [1e3 * r["wall_s"] / r["trials"] for r in runs]
    memory = beside["ten"]["mirror_peak_rss_mib"] / beside["one"]["mirror_peak_rss_mib"]
    rows = [
        Row("mirror", "a trial of 204, a fresh database included", values, "ms", Bar(25, at_least=False)),
        Row("mirror", "peak memory of ten times the trials", [memory], "×", FLAT),
    ]
    return Result(rows, [{"case": "mirror", **r} for r in (*runs, *beside.values())])


def main() -> None:
    """Run one part as its task says."""
    collect_seldom()  # as the command does
    source, target = map(Path, sys.argv[1:3])
    task = json.loads(source.read_text(encoding="utf-8"))
    target.write_text(json.dumps(PARTS[task["part"]](task)), encoding="utf-8")


if __name__ == "__main__":
    main()
