"""Train a stack: M trials as one tensor program, one record each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from harness.catalogue.augmentation import augmented
from harness.catalogue.data.base import Splits
from harness.catalogue.dropout import mix
from harness.training import products
from harness.training.cuda_graph import ByGraph
from harness.training.evaluate import Statistics, statistics
from harness.training.finish import finish
from harness.training.leaving import Weights, worth_gathering
from harness.training.members import Batch, stacked_orders
from harness.training.predict import check_predictable, predict
from harness.training.probes import probe, probe_end, probe_plan
from harness.training.run import Coefficients, Evaluation, Plan, Run, TakeStep, plan_steps, start
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
    by_graph: bool = False,
) -> Iterator[Record]:
    """Train every trial of a stack, `splits[i]` being the data of trial i, and yield a record each.

    `report` hears, at every evaluation, the share of the steps taken so far; `leave`, if given, the
    predictions of every trial that did not diverge. Raises BadInput where it is given for a regression.
    `by_graph`: steps go to the GPU as CUDA graphs, as far as it takes them.

    Runs single-threaded with denormals flushed, so that results don't depend on where it runs.
    A diverged member's numbers stay in its own slice of every tensor and never touch a neighbour's.
    """
    started = time.perf_counter()
    with one_thread(), _products(stack.config["train"]["dtype"]), torch.no_grad():
        run = start(stack, splits, torch.device(device))
        if leave is not None:
            check_predictable(run)  # before the training, which it would be lost after
        total, evaluations = plan_steps(stack.config, len(run.data.splits["train"]))
        take = ByGraph(train_step) if by_graph else train_step
        advance(run, total, evaluations, report, take)
        probe_end(run, total)
        if leave is not None:
            for trial, predictions in predict(run):
                leave(trial, predictions)
        yield from finish(run, evaluations, started)


def advance(
    run: Run, total: int, evaluations: Sequence[int], report: Report, take: TakeStep | None = None
) -> None:
    """Take `total` steps by `take`, `train_step` if not given, evaluating after those in `evaluations`.

    Fewer once no member is training.
    """
    take = take or train_step
    n_train = len(run.data.splits["train"])
    orders = stacked_orders(
        run.stack.trials, n_train, batch_size_of(run.stack.config, n_train), run.params.device
    )
    due, probed = set(evaluations), probe_plan(run.stack.config, total)
    ahead: Iterator[Plan] = iter(())
    for step in range(total + 1):
        if step in due:
            measure(run, step, is_last=step == total)
            report(step / max(1, total))
        if step in probed:
            probe(run, step, probed[step])
        if step == total or (step in due and not _go_on(run)):
            return
        plan = next(ahead, None)
        if plan is None:
            until = min(e for e in (*evaluations, total) if e > step)  # who is there may change then
            ahead = run.planned(orders, range(step, min(until, step + AHEAD)))
            plan = next(ahead)
        take(run, step, *plan)


def _go_on(run: Run) -> bool:
    """Whether any member is still training; where few are, they go on as a smaller stack."""
    training = run.training[run.rows]
    staying = int(training.sum())
    if worth_gathering(staying, len(run.rows)):
        run.gather(training.nonzero().squeeze(1))
    return staying > 0


def train_step(run: Run, step: int | Tensor, batch: Batch, coefficients: Coefficients) -> None:
    """One optimizer step of the m members on a batch each; what their losses are only evaluations ask.

    `step` counts from 0. Nothing is read back from the device, nor sent to it.
    """
    augment = run.stack.config["train"]["augment"]
    if run.program.dropouts:
        key = mix(mix(run.keys ^ step))
        run.buffers.update({f"{path}.key": key for path in run.program.dropouts})
    x, y = batch
    if augment != "none":
        x = augmented(augment, x, mix(mix(run.keys ^ step)), run.strength)
    bound = run.bound
    grads, run.buffers = bound.gradient(run.buffers, x, y)
    if run.penalties.any:
        grads = run.penalties.applied(grads, run.params)
    if len(bound.updates) > 1:  # once for all of them
        grads = joined(grads)
    for update, its in zip(bound.updates, coefficients, strict=True):
        update(grads, its)


def measure(run: Run, step: int, is_last: bool = False) -> None:
    """Evaluate the members still training after `step` steps, note who has diverged and who stops.

    What is seen of the weights that count at the end is kept for then (`finish`).
    """
    splits = run.data.splits
    head = splits["train"].head(len(splits["val"]) or len(splits["train"]))
    weights = Weights(run.params, run.buffers)
    is_final = is_last and run.stopping is None
    metrics = run.at_end if is_final else run.metrics
    seen = {
        name: statistics(run.program, weights, run.data, split, metrics)
        for name, split in {"train": head, "val": splits["val"]}.items()
        if len(split)
    }
    if is_final:
        run.ended = seen
    _note(run, step, seen)
    last = run.evaluations[-1]
    if run.listen is not None:
        run.heard = run.listen(run.heard, last.value("val/loss", run.metrics)[run.rows])
    if run.stopping is not None:
        monitored = torch.where(last.counted, last.value(run.stopping.metric, run.metrics), torch.nan)
        stops = run.stopping.see(step, run.rows, monitored[run.rows], weights)
        run.training = run.training.index_put((run.rows,), run.training[run.rows] & ~stops)


def _note(run: Run, step: int, seen: dict[str, Statistics]) -> None:
    """Keep the statistics of an evaluation, and who has diverged by it."""
    placed = {split: own.changed(lambda v: run.placed(v, torch.nan)) for split, own in seen.items()}
    found = Evaluation(step, placed, run.training)
    first = run.evaluations[0] if run.evaluations else found
    # The size of the initial loss, as that of a density may be below 0. False for NaN.
    initial, loss = (e.value("train/loss", run.metrics) for e in (first, found))
    run.diverged = run.diverged | (run.training & ~(loss <= DIVERGED_AT * initial.abs()))
    run.training = run.training & ~run.diverged
    run.evaluations.append(found._replace(counted=run.training))


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
    """Products of float32 rounded to TF32 on a GPU where that is asked for, and never otherwise.

    Those of convolutions and recurrent cells are, unless told otherwise.
    """
    cudnn: Any = torch.backends.cudnn
    places = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "tf32" if dtype == "tf32" else "ieee"
    try:
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision
