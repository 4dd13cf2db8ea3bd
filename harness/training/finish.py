"""What a stack leaves behind: metrics of whole splits at the end, and a record a trial."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import harness
from harness.training.evaluate import Statistics, statistics, tested, values
from harness.training.leaving import Weights
from harness.training.members import StackData
from harness.training.products import device_name, library
from harness.training.run import Run
from harness.words.record import Provenance, Record, Status


def finish(run: Run, evaluations: Sequence[int], started: float) -> Iterator[Record]:
    """A record for each trial of a stack that has trained.

    `evaluations` are the steps after which a whole run is evaluated, `started` the stack's start
    (`time.perf_counter`). A trial that stopped early ends at the evaluation at which it did; one that
    diverged has NaN to the end of the plan, whether or not its stack went on.
    """
    finals = {name: value.tolist() for name, value in _final_metrics(run).items()}
    missing = [math.nan] * (len(evaluations) - len(run.evaluations))
    curves = {name: values.T.tolist() for name, values in run.curves().items()}
    trials = [
        _Measured(
            list(evaluations),
            {name: values[i] + missing for name, values in curves.items()},
            {name: values[i] for name, values in finals.items()},
        )
        for i in range(len(run.stack.trials))
    ]
    time_s = (time.perf_counter() - started) / len(trials)
    diverged = run.diverged.tolist()
    for i, own in enumerate(trials):
        yield _record(run, i, own.lost() if diverged[i] else own.cut(), time_s)


class _Measured(NamedTuple):
    """The measurements of one trial."""

    steps: list[int]
    curves: dict[str, list[float]]
    final: dict[str, float]
    diverged_at: int | None = None

    def lost(self) -> _Measured:
        """Of a diverged trial: no final metrics."""
        return self._replace(final={}, diverged_at=self.steps[self._seen()])

    def cut(self) -> _Measured:
        """Up to the evaluation at which the trial ended."""
        seen = self._seen()
        return self._replace(
            steps=self.steps[:seen], curves={name: values[:seen] for name, values in self.curves.items()}
        )

    def _seen(self) -> int:
        """Evaluations before the first NaN."""
        losses = self.curves["train/loss"]
        return next((i for i, value in enumerate(losses) if value != value), len(losses))


def provenance(
    device: str, stack_size: int, data_fingerprint: str = "", fallback: str | None = None
) -> Provenance:
    """Where and with what a trial ran; `device` as torch names it."""
    return Provenance(
        device=device_name(device),
        stack_size=stack_size,
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "harness": harness.__version__,
            "products": "torch" if device.startswith("cuda") else library(),
        },
        data_fingerprint=data_fingerprint,
        fallback=fallback,
    )


def _final_metrics(run: Run) -> dict[str, Tensor]:
    """Metrics of whole splits at the end, (M,); the test split only where judging.

    NaN for members that left.
    """
    weights, data, rows = final_weights(run)
    splits = {name: split for name, split in run.data.splits.items() if len(split)}
    seen = {"train": _over_train(run, weights, data)}
    if "val" in splits:
        seen["val"] = run.ended.get("val") or statistics(
            run.program, weights, data, splits["val"], run.at_end
        )
    if "test" in splits and run.stack.trials[0].phase == "judge":
        program, chunk = tested(run.program, run.stack.config, len(splits["train"]))
        seen["test"] = statistics(program, weights, data, splits["test"], run.at_end, chunk)
    nowhere = torch.full((len(run.stack.trials),), torch.nan, dtype=torch.float64, device=rows.device)
    return {name: nowhere.index_put((rows,), value) for name, value in values(run.at_end, seen).items()}


def _over_train(run: Run, weights: Weights, data: StackData) -> Statistics:
    """Statistics of all training examples; of those that the last evaluation saw they are known."""
    train, head = run.data.splits["train"], run.ended.get("train")
    if head is not None and head.n == len(train):
        return head
    if head is None or head.whole:  # what isn't a sum is not made of parts
        return statistics(run.program, weights, data, train, run.at_end)
    return head.and_of(statistics(run.program, weights, data, train.after(head.n), run.at_end))


def final_weights(run: Run) -> tuple[Weights, StackData, Tensor]:
    """The weights (m, P) that count at the end, their data, and the places in the stack they are of (m,).

    Those after the last step, of the members still there; where members stop early the best of all.
    """
    if run.stopping is None:
        return Weights(run.params, run.buffers), run.data, run.rows
    everyone = torch.arange(len(run.stack.trials), device=run.rows.device)
    return Weights(run.stopping.params, run.stopping.buffers), run.everyone, everyone


def _record(run: Run, i: int, own: _Measured, time_s: float) -> Record:
    lost = own.diverged_at is not None
    return Record(
        **run.stack.trials[i].identity(),
        status=Status.DIVERGED if lost else Status.DONE,
        reason="loss not finite, or above 10 x its initial value" if lost else "",
        diverged_at_step=own.diverged_at,
        best_step=None if run.stopping is None or lost else run.stopping.steps[i],
        steps=own.steps,
        curves=own.curves,
        final=own.final,
        probes=run.probed[i],
        n_parameters=run.params.shape[1],
        time_s=time_s,
        provenance=provenance(
            str(run.params.device), len(run.stack.trials), run.data.fingerprints[i], _fallback(run)
        ),
    )


def _fallback(run: Run) -> str | None:
    """In what the stack did not run as asked, if anything."""
    no_tf32 = run.stack.config["train"]["dtype"] == "tf32" and run.params.is_cpu
    said = [run.program.fallback, "in float32: a CPU has no tf32" if no_tf32 else None, run.refusal]
    return "; ".join(text for text in said if text) or None
