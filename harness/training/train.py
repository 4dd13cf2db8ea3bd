"""Train a stack: M trials as one tensor program, one record each."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import harness
from harness.catalogue.data.base import Splits
from harness.catalogue.dropout import mix
from harness.catalogue.losses import LOSSES, smoothed
from harness.catalogue.metrics import (
    CLASSIFICATION,
    CLASSIFICATION_AT_END,
    REGRESSION,
    REGRESSION_AT_END,
    PerExample,
)
from harness.catalogue.optimizers import OPTIMIZERS, State
from harness.catalogue.resolve import options_of
from harness.catalogue.schedules import SCHEDULES
from harness.training.evaluate import evaluate
from harness.training.members import (
    Split,
    StackData,
    batch_size_of,
    dtype_of,
    hyperparameters,
    stack_data,
    stacked_orders,
)
from harness.training.program import Buffers, Program, make_program
from harness.training.stack import Stack
from harness.training.start import build_module, initial_state, noise_key
from harness.training.update import step_in_place
from harness.words.config import RunConfig, TrainSection
from harness.words.record import Provenance, Record, Status

Report = Callable[[float], None]

PROBE = 4  # examples an own network is tried on
DIVERGED_AT = 10.0  # times the initial training loss (method.md, section 8)


@dataclass
class Run:
    """A stack in training: what it is made of and where it stands."""

    stack: Stack
    program: Program
    data: StackData
    hyper: dict[str, Tensor]  # name -> (M, 1) float64
    keys: Tensor  # (M,) noise keys
    params: Tensor  # (M, P)
    state: State
    buffers: Buffers
    metrics: dict[str, PerExample]
    factor: Callable[[int], float]  # of the learning rate, by step
    finite: Tensor  # (M,) whether every batch loss so far was
    steps: list[int] = field(default_factory=list)
    curves: list[dict[str, Tensor]] = field(default_factory=list)  # one (M,) a metric, an evaluation each


def plan_steps(config: dict[str, Any], n_train: int) -> tuple[int, list[int]]:
    """How many optimizer steps a trial takes, and after which of them it is evaluated (0 is the start)."""
    section = TrainSection.model_validate(config["train"])
    total = section.total_steps(n_train)
    count = section.evaluations or max(1, round(total / section.steps_per_epoch(n_train)))
    return total, sorted({round(total * i / count) for i in range(count + 1)})


def train(
    stack: Stack, splits: Sequence[Splits], device: str = "cpu", report: Report = lambda share: None
) -> Iterator[Record]:
    """Train every trial of a stack, `splits[i]` being the data of trial i, and yield a record each.

    `report` hears, at every evaluation, the share of the steps taken so far.

    Runs single-threaded with denormals flushed, so that results don't depend on where it runs.
    A diverged member's numbers stay in its own slice of every tensor and never touch a neighbour's.
    """
    started = time.perf_counter()
    with _one_thread(), torch.no_grad():
        run = start(stack, splits, torch.device(device))
        total, evaluations = plan_steps(stack.config, len(run.data.splits["train"]))
        advance(run, total, evaluations, report)
        final = _final_metrics(run)
    yield from _records(run, final, time.perf_counter() - started, device)


def start(stack: Stack, splits: Sequence[Splits], device: torch.device) -> Run:
    """A stack before its first step."""
    config = stack.config
    run_config = RunConfig.model_validate(config)
    data = stack_data(splits, dtype_of(config), device)
    module = build_module(config, *splits[0].shapes).to(device)
    loss = smoothed(LOSSES[config["train"]["loss"]].per_example, config["train"]["label_smoothing"])
    starts = [initial_state(trial, module, *splits[0].shapes) for trial in stack.trials]
    params = torch.stack([own for own, _ in starts]).to(device)
    buffers = [own for _, own in starts]
    # The catalogue's networks are known to stack; an own network is tried on a batch.
    example = data.example(PROBE) if "class" in config["model"] else None
    schedule, options = SCHEDULES[run_config.schedule.name], options_of(run_config, "schedule")
    total, _ = plan_steps(config, len(data.splits["train"]))
    table = CLASSIFICATION if data.n_classes else REGRESSION
    return Run(
        stack=stack,
        program=make_program(module, loss, example),
        data=data,
        hyper=hyperparameters(stack.trials, device),
        keys=torch.tensor([noise_key(t) for t in stack.trials], device=device),
        params=params,
        state=OPTIMIZERS[config["optimizer"]["name"]].init(params),
        buffers={name: torch.stack([b[name] for b in buffers]).to(device) for name in buffers[0]},
        metrics={"loss": LOSSES[config["train"]["loss"]].per_example, **table},
        factor=lambda step: schedule.factor(step, total, options),
        finite=torch.ones(len(stack.trials), dtype=torch.bool, device=device),
    )


def advance(run: Run, total: int, evaluations: Sequence[int], report: Report) -> None:
    """Take `total` steps, evaluating after those in `evaluations`."""
    n_train = len(run.data.splits["train"])
    orders = stacked_orders(
        run.stack.trials, n_train, batch_size_of(run.stack.config, n_train), run.params.device
    )
    due = set(evaluations)
    for step in range(total + 1):
        if step in due:
            measure(run, step)
            report(step / total)
        if step < total:
            train_step(run, step, next(orders))


def train_step(run: Run, step: int, index: Tensor) -> None:
    """One optimizer step on the batches of index (M, B); `step` counts from 0."""
    optimizer = OPTIMIZERS[run.stack.config["optimizer"]["name"]]
    if run.program.dropouts:
        key = mix(mix(run.keys ^ step))
        run.buffers.update({f"{path}.key": key for path in run.program.dropouts})
    x, y = run.data.batch(index)
    grads, (loss, run.buffers) = run.program.gradient(run.params, run.buffers, x, y)
    hyper = {**run.hyper, "lr": run.hyper["lr"] * run.factor(step)}
    coefficients = optimizer.rounded(hyper, step + 1, grads.dtype)
    step_in_place(optimizer, grads, run.state, run.params, coefficients)
    run.finite &= loss.isfinite()


def measure(run: Run, step: int) -> None:
    """Evaluate the stack after `step` steps and note who has diverged."""
    splits = run.data.splits
    head = splits["train"].head(len(splits["val"]) or len(splits["train"]))
    curves = _over(run, {"train": head, "val": splits["val"]}, run.metrics)
    first = run.curves[0] if run.curves else curves
    within = curves["train/loss"] <= DIVERGED_AT * first["train/loss"]  # False for NaN
    run.finite = run.finite & within
    run.steps.append(step)
    run.curves.append({name: torch.where(run.finite, v, torch.nan) for name, v in curves.items()})


def _final_metrics(run: Run) -> dict[str, Tensor]:
    """Metrics of whole splits at the end; the test split only where judging."""
    table = CLASSIFICATION_AT_END if run.data.n_classes else REGRESSION_AT_END
    metrics = {"loss": run.metrics["loss"], **table}
    names = ("train", "val", "test") if run.stack.trials[0].phase == "judge" else ("train", "val")
    return _over(run, {name: run.data.splits[name] for name in names}, metrics)


def _over(run: Run, splits: Mapping[str, Split], metrics: Mapping[str, PerExample]) -> dict[str, Tensor]:
    """Each metric over each split, (M,), by its full name: `val/accuracy`."""
    state = (run.params, run.buffers)
    return {
        f"{name}/{metric}": value
        for name, split in splits.items()
        for metric, value in evaluate(run.program, state, run.data, split, metrics).items()
    }


def _records(run: Run, final: dict[str, Tensor], time_s: float, device: str) -> Iterator[Record]:
    curves = {name: torch.stack([c[name] for c in run.curves], 1).tolist() for name in run.curves[0]}
    finals = {name: value.tolist() for name, value in final.items()}
    finite = run.finite.tolist()
    for i, trial in enumerate(run.stack.trials):
        own = {name: values[i] for name, values in curves.items()}
        diverged_at = None if finite[i] else _first_nan(run.steps, own["train/loss"])
        yield Record(
            **trial.identity(),
            status=Status.DONE if finite[i] else Status.DIVERGED,
            reason="" if finite[i] else "loss not finite, or above 10 x its initial value",
            diverged_at_step=diverged_at,
            steps=run.steps,
            curves=own,
            final={name: v[i] for name, v in finals.items()} if finite[i] else {},
            n_parameters=run.params.shape[1],
            time_s=time_s / len(run.stack.trials),
            provenance=Provenance(
                device=device_name(device),
                stack_size=len(run.stack.trials),
                versions=versions(),
                data_fingerprint=run.data.fingerprints[i],
                fallback=run.program.fallback,
            ),
        )


def _first_nan(steps: Sequence[int], curve: Sequence[float]) -> int:
    return next((s for s, v in zip(steps, curve, strict=True) if v != v), steps[-1])


def versions() -> dict[str, str]:
    """What a trial ran with."""
    return {"python": platform.python_version(), "torch": torch.__version__, "harness": harness.__version__}


def device_name(device: str) -> str:
    """A readable name: the GPU's, or cpu."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread and flushed denormals while training: the same arithmetic everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
