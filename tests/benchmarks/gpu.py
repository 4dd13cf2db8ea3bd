"""One GPU: a stack of small nets against one net at a time on it, and a whole study with its seconds.

Run as `python -m tests.benchmarks.gpu TASK RESULT`; the task is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ruamel.yaml import YAML

from harness.catalogue.resolve import resolve
from harness.errors import DataMissing
from harness.running.job import pacer_of, splits_of
from harness.training.stack import Stack, stack_key
from harness.training.train import train
from harness.words.trial import Trial
from tests.benchmarks import studies
from tests.benchmarks.peers import training
from tests.benchmarks.session import Bar, Result, Row, Session, Skipped, module, run_fresh
from tests.benchmarks.startup import HARNESS
from tests.benchmarks.trials import of_design

STUDY = Path("studies/optimizers.yaml")


class Task(NamedTuple):
    """How many nets a stack holds, how many run one at a time, and for how many epochs and rounds."""

    device: str = "cuda"
    stack: int = 1024
    alone: int = 4
    epochs: int = 30
    rounds: int = 3


def gpu(session: Session) -> Result:
    """Both parts. Raises Skipped where there is no GPU."""
    if not torch.cuda.is_available():
        raise Skipped("torch sees no GPU here")
    source, target = session.folder / "gpu.task.json", session.folder / "gpu.json"
    source.write_text(json.dumps(Task(rounds=session.rounds)._asdict()), encoding="utf-8")
    run_fresh(module("gpu", source, target))
    runs = json.loads(target.read_text(encoding="utf-8"))
    result = Result(rows_of(runs), [{"case": "gpu", **r} for r in runs])
    session.say("; ".join(f"{row.what} {row.median:.3g}" for row in result.rows))
    whole_study(session, result)
    return result


def rows_of(runs: list[dict[str, Any]]) -> list[Row]:
    """Seconds a net one at a time over seconds a net in the stack, round by round."""
    sides = ("plain_s", "alone_s", "without_graph_s")
    plain, alone, without = ([r[side] / r["stack_s"] for r in runs] for side in sides)
    what = "one at a time / a stack of 1,024, 64-64-10"
    return [
        Row("gpu", f"PyTorch, {what}", plain, "×", Bar(100)),
        Row("gpu", f"harness, {what}", alone),
        Row("gpu", "that stack without CUDA graphs / as measured to be faster", without),
    ]


def whole_study(session: Session, result: Result) -> None:
    """The study `optimizers` on MNIST by the command, from file to report."""
    folder = session.folder / "gpu-study"
    folder.mkdir()
    tree = YAML(typ="safe").load(STUDY.read_text(encoding="utf-8"))
    tree["base"]["data"] = {"name": "mnist"}
    del tree["tiers"]
    file = studies.write_study(folder / "mnist.yaml", tree)
    try:
        splits_of(of_design(studies.design_of(file))[0].trial, folder / "cache")
    except DataMissing as error:
        result.notes.append(f"the study is left out: {error}")
        return
    command = [*HARNESS, "run", str(file), "--device", "cuda", "--no-mlflow"]
    spent = run_fresh([*command, "--results", str(folder / "results"), "--reports", str(folder / "reports")])
    result.rows.append(Row("gpu", "studies/optimizers.yaml on MNIST, whole", [spent.wall_s], "s"))
    result.runs.append({"case": "gpu", "study": "optimizers on MNIST", **spent._asdict()})


def measure(task: Task, cache_dir: Path) -> list[dict[str, float]]:
    """Seconds a net of each way, a round each; whole trainings, evaluations included."""
    trials = [_trial(task.epochs, replicate) for replicate in range(task.stack)]
    splits = splits_of(trials[0], cache_dir)  # one data set: how it is drawn is not what is measured
    key = stack_key(trials[0].config)
    pace = pacer_of(cache_dir, task.device).pace(Stack(key, tuple(trials)), [splits])  # as for a job

    def stacked(some: list[Trial], by_graph: bool) -> None:
        list(train(Stack(key, tuple(some)), [splits] * len(some), task.device, by_graph=by_graph))

    def alone() -> None:
        for trial in trials[: task.alone]:
            stacked([trial], pace.goes_by_graph(1))

    def plain() -> None:
        for trial in trials[: task.alone]:
            make_batches = training.BATCHES["tensors"]
            training.train(trial.config, splits, make_batches, trial.replicate, lambda *_: None, task.device)

    ways = {
        "stack_s": (lambda: stacked(trials, pace.goes_by_graph(len(trials))), task.stack),
        "without_graph_s": (lambda: stacked(trials, by_graph=False), task.stack),
        "alone_s": (alone, task.alone),
        "plain_s": (plain, task.alone),
    }
    for run, _ in ways.values():
        run()  # what a process's first steps load is not counted
    return [
        {name: seconds(run, task.device) / n for name, (run, n) in ways.items()} for _ in range(task.rounds)
    ]


def seconds(run: Callable[[], object], device: str) -> float:
    """Wall seconds until the device has finished too."""
    begun = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _trial(epochs: int, replicate: int) -> Trial:
    tree = {
        "data": {"name": "digits"},
        "model": {"name": "mlp", "widths": [64]},
        "optimizer": {"name": "adam", "lr": 1e-3},
        "train": {"batch_size": 64, "epochs": epochs},
    }
    return Trial(study="gpu", phase="tune", replicate=replicate, config=resolve(tree).tree())


def main() -> None:
    """Measure as the task says and write it down."""
    source, target = map(Path, sys.argv[1:3])
    task = Task(**json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(measure(task, target.parent / "cache")), encoding="utf-8")


if __name__ == "__main__":
    main()
