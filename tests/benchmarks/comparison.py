"""The harness and its peers on the same list of trials, interleaved: A B C A B C."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import DataMissing
from harness.records.store import Store
from harness.running.job import splits_of
from harness.running.worker import WORKER_ENVIRONMENT
from tests.benchmarks.session import Bar, Result, Row, Session, Skipped, module, run_fresh
from tests.benchmarks.stacked import timed
from tests.benchmarks.startup import HARNESS
from tests.benchmarks.studies import MakeStudy, design_of, write_study
from tests.benchmarks.task import Done, Task, read_done
from tests.benchmarks.trials import Listed, of_design, of_store, scaled_up, share


class Side(NamedTuple):
    """A peer: its name in tables, its module, what that is told, and the package it needs."""

    title: str
    module: str
    settings: dict[str, Any]
    needs: str = "torch"


# One thread each, the faster way for small networks, and as torch starts when nobody says how many.
PEERS: dict[str, Side] = {
    "loader": Side("Optuna + PyTorch, DataLoader", "peers.plain", {"batches": "loader", "threads": 1}),
    "loader+mlflow": Side(
        "Optuna + PyTorch, DataLoader, MLflow each epoch",
        "peers.logged",
        {"batches": "loader", "threads": 1},
    ),
    "tensors": Side("Optuna + PyTorch, data in tensors", "peers.plain", {"batches": "tensors", "threads": 1}),
    "loader, torch's threads": Side(
        "Optuna + PyTorch, DataLoader, as many threads as torch takes", "peers.plain", {"batches": "loader"}
    ),
    "tensors, torch's threads": Side(
        "Optuna + PyTorch, data in tensors, as many threads as torch takes",
        "peers.plain",
        {"batches": "tensors"},
    ),
    "n_jobs=2": Side(
        "Optuna n_jobs=2, DataLoader", "peers.plain", {"batches": "loader", "threads": 1, "jobs": 2}
    ),
    "ray": Side(
        "Ray Tune, 2 cores, DataLoader", "peers.ray_tune", {"batches": "loader", "jobs": 2}, needs="ray"
    ),
    "sklearn": Side("scikit-learn MLPClassifier", "peers.classifier", {}, needs="sklearn"),
}
STACKED: dict[str, Side] = {
    "harness, 1 worker": Side("stacks in 1 worker process, store open", "stacked", {"workers": 1}),
    "harness, 1 worker, no stacks": Side(
        "one trial at a time in 1 worker process, store open", "stacked", {"workers": 1, "largest": 1}
    ),
    "harness, 2 workers": Side("stacks in 2 worker processes, store open", "stacked", {"workers": 2}),
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "harness": ("--no-mlflow",),
    "harness+mlflow": ("--mlflow",),
}


class Pair(NamedTuple):
    """A peer's time over ours, and the least ratio that is good enough."""

    peer: str
    ours: str
    bar: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A case: the study whose trials both sides run (a file, or what makes one), and the ratios wanted.

    Against `COMMANDS` a peer's whole process counts, imports included, as the command's does;
    against `STACKED` only the loop over the trials. `turns`: how often each side runs in a round; a list
    of seconds is soon run again, and one run of it says little on a machine whose speed varies.
    """

    name: str
    study: Path | MakeStudy
    pairs: tuple[Pair, ...]
    turns: int = 1


class Measured(NamedTuple):
    """One run of one side: the seconds that count, for the whole list, and what is kept of it."""

    seconds: float
    run: dict[str, Any]
    done: Done


def compare(comparison: Comparison, session: Session) -> Result:
    """Run every side of the case in each round; ratios are taken within a round."""
    folder = session.folder / comparison.name
    folder.mkdir()
    result = Result()
    case = _Case(comparison, session, folder)
    runs: dict[str, list[Measured]] = {name: [] for name in case.sides(result)}
    for turn in range(session.rounds * comparison.turns):
        for name in runs:
            measured = case.measure(name, turn)
            runs[name].append(measured)
            result.runs.append(measured.run)
            session.say(f"  {comparison.name}, round {turn + 1}: {name} {measured.seconds:.1f} s")
    result.rows += [row for pair in comparison.pairs if pair.peer in runs for row in _rows(case, pair, runs)]
    result.notes += case.notes(runs)
    return result


class _Case:
    """One comparison under way. `listed` is known from the start, or from our first run on."""

    def __init__(self, comparison: Comparison, session: Session, folder: Path) -> None:
        self.comparison, self.session, self.folder = comparison, session, folder
        made = comparison.study
        self.file = made if isinstance(made, Path) else write_study(folder / "bench.yaml", made(folder))
        self.whole = any(pair.ours in COMMANDS for pair in comparison.pairs)
        self.cache_dir = folder / "cache"
        self.listed: list[Listed] = []
        if not self.whole:
            try:
                self.listed = of_design(design_of(self.file))
                splits_of(self.listed[0].trial, self.cache_dir)
            except DataMissing as error:
                raise Skipped(str(error)) from error

    def sides(self, result: Result) -> list[str]:
        """The sides that can run here, ours first; the others are noted."""
        wanted = dict.fromkeys(
            [*(p.ours for p in self.comparison.pairs), *(p.peer for p in self.comparison.pairs)]
        )
        missing = [n for n in wanted if n in PEERS and find_spec(PEERS[n].needs) is None]
        result.notes += [f"{PEERS[n].title}: left out, {PEERS[n].needs} is not installed" for n in missing]
        return [name for name in wanted if name not in missing]

    def measure(self, name: str, turn: int) -> Measured:
        """Run one side once."""
        folder = self.folder / f"{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        if name in COMMANDS:
            return self._command(name, turn, folder)
        if name in STACKED:
            return self._listed(name, STACKED[name], self.listed, (turn, folder))
        part = share(self.listed, self.session.share, turn)
        return self._listed(name, PEERS[name], part, (turn, folder))

    def _command(self, name: str, turn: int, folder: Path) -> Measured:
        """The whole command, into an empty results folder."""
        results, reports = folder / "results", folder / "reports"
        command = [*HARNESS, "run", str(self.file), *COMMANDS[name]]
        wall_s, cpu_s = run_fresh(
            [*command, "--results", str(results), "--reports", str(reports)], {"MLFLOW_TRACKING_URI": ""}
        )
        store = Store(results, self.file.stem, read_only=True)
        if not self.listed:
            self.listed, self.cache_dir = of_store(store), results / ".cache"
        records = store.load()
        done = Done([timed(item, records[item.trial.id]) for item in self.listed], wall_s)
        extra = {"cpu_s": cpu_s, "verdict_s": store.executions()[-1]["time_s"], "reruns": len(store.checks())}
        return self._measured(name, turn, wall_s, (wall_s, done), extra)

    def _listed(self, name: str, side: Side, part: Sequence[Listed], place: tuple[int, Path]) -> Measured:
        """A side's own process on some of the list."""
        turn, folder = place
        task, result = folder / "task.json", folder / "result.json"
        Task(list(part), self.cache_dir, folder, side.settings).write(task)
        environment = WORKER_ENVIRONMENT if name in STACKED else {}
        wall_s, cpu_s = run_fresh(module(side.module, task, result), environment)
        done = read_done(result)
        loop_s = scaled_up(self.listed, done.trials, done.loop_s)
        seconds = wall_s - done.loop_s + loop_s if self.whole else loop_s
        return self._measured(name, turn, seconds, (wall_s, done), {"cpu_s": cpu_s})

    def _measured(
        self, name: str, turn: int, seconds: float, found: tuple[float, Done], extra: dict[str, Any]
    ) -> Measured:
        wall_s, done = found
        run = {
            "case": self.comparison.name,
            "side": name,
            "round": turn,
            "seconds": seconds,
            "wall_s": wall_s,
            "loop_s": done.loop_s,
            "trials_run": len(done.trials),
            "trials_listed": len(self.listed),
            **extra,
            "trials": [t._asdict() for t in done.trials],
        }
        return Measured(seconds, run, done)

    def notes(self, runs: dict[str, list[Measured]]) -> list[str]:
        """How far both sides got on the same trials, and what was scaled up."""
        pairs = reversed(self.comparison.pairs)
        first = {pair.peer: pair for pair in pairs if pair.peer in runs and pair.peer in PEERS}
        return [
            f"{scaled(peer, runs[peer][0].run)}"
            f"{agreement(pair, [m.done for m in runs[pair.ours]], [m.done for m in runs[peer]])}"
            for peer, pair in first.items()
        ]


def _rows(case: _Case, pair: Pair, runs: dict[str, list[Measured]]) -> list[Row]:
    what = f"{pair.peer} / {pair.ours}"
    bar = None if pair.bar is None else Bar(pair.bar)
    return [Row(case.comparison.name, what, ratios(runs[pair.peer], runs[pair.ours]), "×", bar)]


def scaled(peer: str, run: Mapping[str, Any]) -> str:
    """Says that a peer ran a share of the list, where it did."""
    ran, listed = run["trials_run"], run["trials_listed"]
    if ran == listed:
        return ""
    return f"{peer} ran {ran} of {listed} trials a round, its time is scaled up to all of them; "


def ratios(peer: Sequence[Measured], ours: Sequence[Measured]) -> list[float]:
    """A peer's seconds over ours, round by round."""
    return [p.seconds / o.seconds for p, o in zip(peer, ours, strict=True)]


def agreement(pair: Pair, ours: Sequence[Done], peer: Sequence[Done]) -> str:
    """The mean test metric of both sides over the judged trials that both ran, and its error by pairs."""
    own = {t.id: t.test for t in ours[0].trials}
    found = [(own[t.id], t.test) for done in peer for t in done.trials if t.phase == "judge"]
    both = [(a, b) for a, b in found if a is not None and b is not None and math.isfinite(a + b)]
    if len(both) < 2:
        return f"{pair.peer}: fewer than two judged trials to compare"
    differences = [a - b for a, b in both]
    error = statistics.stdev(differences) / math.sqrt(len(both))
    a, b = (statistics.fmean(side) for side in zip(*both, strict=True))
    return (
        f"mean test metric of {len(both)} judged trials: {pair.ours} {a:.4f}, {pair.peer} {b:.4f} "
        f"(difference {a - b:+.4f}, standard error {error:.4f})"
    )
