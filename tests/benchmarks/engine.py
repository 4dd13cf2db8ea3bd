"""A stacked step against `torch.bmm` at the same shapes, on one thread.

What the products alone cost is the least a step can take: a layer's output, its weights' gradient
and, from the second layer on, its input's gradient. The share is their time over the step's.
Forward and backward are what the products do too; whole steps, with batches and optimizer, stand beside.
Run as `python -m tests.benchmarks.engine ROUNDS RESULT`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import chain, count, pairwise, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from harness.catalogue.data.base import Splits, splits_of
from harness.catalogue.resolve import resolve
from harness.running.worker import WORKER_ENVIRONMENT
from harness.training.run import Run, start
from harness.training.stack import Stack, stack_key
from harness.training.train import AHEAD, train_step
from harness.words.trial import Trial
from tests.benchmarks.session import Bar, Result, Row, Session, module, run_fresh

STACKS = (1, 4, 16, 64, 128)
BLOCK_S = 0.08  # of steps timed together
SHARE = Bar(0.6)


class Net(NamedTuple):
    """A network by its widths, input and output included, and the examples of a batch."""

    widths: tuple[int, ...]
    batch_size: int

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch_size}"


NETS = (Net((40, 100, 100, 10), 100), Net((64, 64, 10), 64))
GRADIENT = "forward and backward"  # no batch gathered, no optimizer
KINDS = {GRADIENT: GRADIENT, "sgd": "step by SGD", "adam": "step by Adam"}


def engine(session: Session) -> Result:
    """Every network, optimizer and stack size, in one process of its own set up like a worker."""
    target = session.folder / "engine.json"
    run_fresh(module("engine", session.rounds, target), WORKER_ENVIRONMENT)
    runs = json.loads(target.read_text(encoding="utf-8"))
    rows = [_row(r) for r in runs]
    return Result(rows, [{"case": "engine", **r} for r in runs])


def _row(run: dict[str, Any]) -> Row:
    """The bar is for stacks as large as studies make them."""
    bar = SHARE if run["stack"] >= 64 else None
    what = f"bmm / {KINDS[run['kind']]}, {run['net']}, stack {run['stack']}"
    return Row("engine", what, run["shares"], "", bar)


def measure(net: Net, kind: str, stack: int, rounds: int) -> dict[str, Any]:
    """Seconds a step and seconds of its products, in alternating blocks."""
    step, products = stepper(net, kind, stack), products_of(net, stack)
    times: list[tuple[float, float]] = []
    step(), products()
    for _ in range(3 * rounds):
        times.append((timed(step), timed(products)))
    return {
        "net": str(net),
        "kind": kind,
        "stack": stack,
        "step_us_a_model": [1e6 * s / stack for s, _ in times],
        "bmm_us_a_model": [1e6 * p / stack for _, p in times],
        "shares": [p / s for s, p in times],
    }


def stepper(net: Net, kind: str, m: int) -> Callable[[], object]:
    """One training step of m models, gather of the batch and optimizer included, or its gradient alone."""
    optimizer = "sgd" if kind == GRADIENT else kind
    trials = tuple(_trial(net, optimizer, replicate) for replicate in range(m))
    splits = _splits(net)
    run: Run = start(Stack(stack_key(trials[0].config), trials), [splits] * m, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    n_train = len(splits.y_train)
    orders = torch.stack([torch.randperm(n_train, generator=generator)[: net.batch_size] for _ in range(m)])
    if kind == GRADIENT:
        x, y = next(run.data.batches(orders.unsqueeze(0)))
        return lambda: run.program.gradient(run.params, run.buffers, x, y)
    every = repeat(orders)
    plans = chain.from_iterable(run.planned(every, range(i, i + AHEAD)) for i in count(0, AHEAD))
    return lambda: train_step(run, 0, *next(plans))


def products_of(net: Net, m: int) -> Callable[[], object]:
    """The matrix products of a step of m models: (M, B, I) by (M, I, O) forward, two more backward."""
    layers = []
    for i, (fan_in, fan_out) in enumerate(pairwise(net.widths)):
        x, weight = torch.randn(m, net.batch_size, fan_in), torch.randn(m, fan_out, fan_in)
        grad = torch.randn(m, net.batch_size, fan_out)
        layers.append((x, weight, grad, i > 0))

    def run() -> None:
        for x, weight, grad, inner in layers:
            torch.bmm(x, weight.mT)
            torch.bmm(grad.mT, x)
            if inner:
                torch.bmm(grad, weight)

    return run


def timed(step: Callable[[], object]) -> float:
    """Seconds a call, over a block of them."""
    begun, calls = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < BLOCK_S:
        step()
        calls += 1
    return elapsed / calls


def _trial(net: Net, optimizer: str, replicate: int) -> Trial:
    tree = {
        "data": {"name": "mnist1d"},  # a name only: the arrays are handed over
        "model": {"name": "mlp", "widths": list(net.widths[1:-1])},
        "optimizer": {"name": optimizer, "lr": 1e-3},
        "train": {"batch_size": net.batch_size, "steps": 1000},
    }
    return Trial(study="engine", phase="tune", replicate=replicate, config=resolve(tree).tree())


def _splits(net: Net) -> Splits:
    rng = np.random.RandomState(0)
    part = (rng.standard_normal((2000, net.widths[0])), rng.randint(0, net.widths[-1], 2000))
    return splits_of(part, part, part, net.widths[-1])


def main() -> None:
    """Measure everything and write it down."""
    rounds, target = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with torch.no_grad():
        runs = [measure(net, k, m, rounds) for net in NETS for k in KINDS for m in STACKS]
    for run in runs:
        run["share"] = statistics.median(run["shares"])
    target.write_text(json.dumps(runs), encoding="utf-8")


if __name__ == "__main__":
    main()
