"""Train a stack: M trials as one tensor program, one record each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from harness.catalogue.augmentation import augmented
from harness.catalogue.data.base import Splits
from harness.catalogue.dropout import mix
from harness.training import products
from harness.training.evaluate import over_splits
from harness.training.finish import finish
from harness.training.leaving import Weights, worth_gathering
from harness.training.members import stacked_orders
from harness.training.predict import check_predictable, predict
from harness.training.probes import probe, probe_end, probe_plan
from harness.training.run import Coefficients, Run, plan_steps, start
from harness.training.stack import Stack
from harness.training.update import joined
from harness.words.config import batch_size_of
from harness.words.predictions import Predictions
from harness.words.record import Record

Report = Callable[[float], None]
Leave = Callable[[str, Predictions], None]  # hears a trial's id and its predictions

AHEAD = 64  # steps whose coefficients are computed at once, where no evaluation comes first
DIVERGED_AT = 10.0  # times the initial training loss (method.md, section 8)


def train(
    stack: Stack,
    splits: Sequence[Splits],
    device: str = "cpu",
    report: Report = lambda share: None,
    leave: Leave | None = None,
) -> Iterator[Record]:
    """Train every trial of a stack, `splits[i]` being the data of trial i, and yield a record each.

    `report` hears, at every evaluation, the share of the steps taken so far; `leave`, if given, the
    predictions of every trial that did not diverge. Raises BadInput where it is given for a regression.

    Runs single-threaded with denormals flushed, so that results don't depend on where it runs.
    A diverged member's numbers stay in its own slice of every tensor and never touch a neighbour's.
    """
    started = time.perf_counter()
    with one_thread(), _products(stack.config["train"]["dtype"]), torch.no_grad():
        run = start(stack, splits, torch.device(device))
        if leave is not None:
            check_predictable(run)  # before the training, which it would be lost after
        total, evaluations = plan_steps(stack.config, len(run.data.splits["train"]))
        advance(run, total, evaluations, report)
        probe_end(run, total)
        if leave is not None:
            for trial, predictions in predict(run):
                leave(trial, predictions)
        yield from finish(run, evaluations, started)


def advance(run: Run, total: int, evaluations: Sequence[int], report: Report) -> None:
    """Take `total` steps, evaluating after those in `evaluations`; fewer once no member is training."""
    n_train = len(run.data.splits["train"])
    orders = stacked_orders(
        run.stack.trials, n_train, batch_size_of(run.stack.config, n_train), run.params.device
    )
    due, probed = set(evaluations), probe_plan(run.stack.config, total)
    ahead: deque[Coefficients] = deque()
    for step in range(total + 1):
        if step in due:
            measure(run, step)
            report(step / max(1, total))
        if step in probed:
            probe(run, step, probed[step])
        if step == total or (step in due and not _go_on(run)):
            return
        if not ahead:
            until = min(e for e in (*evaluations, total) if e > step)  # who is there may change then
            ahead.extend(run.coefficients(range(step, min(until, step + AHEAD))))
        train_step(run, step, next(orders), ahead.popleft())


def _go_on(run: Run) -> bool:
    """Whether any member is still training; where few are, they go on as a smaller stack."""
    training = run.training[run.rows]
    staying = int(training.sum())
    if worth_gathering(staying, len(run.rows)):
        run.gather(training.nonzero().squeeze(1))
    return staying > 0


def train_step(run: Run, step: int, index: Tensor, coefficients: Coefficients) -> None:
    """One optimizer step on the batches of index (M, B); `step` counts from 0."""
    augment = run.stack.config["train"]["augment"]
    if run.program.dropouts:
        key = mix(mix(run.keys ^ step))
        run.buffers.update({f"{path}.key": key for path in run.program.dropouts})
    whole = len(run.rows) == len(index)
    x, y = run.data.batch(index if whole else index[run.rows])
    if augment != "none":
        x = augmented(augment, x, mix(mix(run.keys ^ step)), run.strength)
    grads, (loss, run.buffers) = run.program.gradient(run.params, run.buffers, x, y)
    if run.penalties.any:
        grads = run.penalties.applied(grads, run.params)
    if len(run.groups) > 1:  # once for all of them
        grads = joined(grads)
    for group, its in zip(run.groups, coefficients, strict=True):
        group.take_step(grads, run.params, its)
    run.worst = torch.maximum(run.worst, loss.abs())


def measure(run: Run, step: int) -> None:
    """Evaluate the members still training after `step` steps, note who has diverged and who stops."""
    splits = run.data.splits
    head = splits["train"].head(len(splits["val"]) or len(splits["train"]))
    weights = Weights(run.params, run.buffers)
    seen = over_splits(run.program, weights, run.data, {"train": head, "val": splits["val"]}, run.metrics)
    curves = {name: run.placed(values, torch.nan) for name, values in seen.items()}
    first = run.curves[0] if run.curves else curves
    # The size of the initial loss, as that of a density may be below 0. False for NaN.
    within = curves["train/loss"] <= DIVERGED_AT * first["train/loss"].abs()
    run.diverged = run.diverged | (run.training & ~(within & run.placed(run.worst.isfinite(), False)))
    run.training = run.training & ~run.diverged
    run.steps.append(step)
    run.curves.append({name: torch.where(run.training, v, torch.nan) for name, v in curves.items()})
    if run.listen is not None:
        run.heard = run.listen(run.heard, seen["val/loss"])
    if run.stopping is not None:
        monitored = run.curves[-1][run.stopping.metric][run.rows]
        stops = run.stopping.see(step, run.rows, monitored, weights)
        run.training = run.training.index_put((run.rows,), run.training[run.rows] & ~stops)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread and flushed denormals while training: the same arithmetic everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with products.one_thread():
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


@contextmanager
def _products(dtype: str) -> Iterator[None]:
    """Products of float32 rounded to TF32 on a GPU where that is asked for, and never otherwise."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
