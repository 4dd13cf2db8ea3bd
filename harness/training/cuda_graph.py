"""A stack's steps as CUDA graphs: a GPU spends most of a small network's step waiting for its operations.

A recorded step is sent by one call. It is repeated to the letter, from the same memory and with the same
numbers: what differs from step to step is copied to where the recorded step read it, and what a step
replaces, its buffers, is written back to where the next one reads them. The results are those of the
step itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.training.members import Batch
from harness.training.run import Coefficients, Run, TakeStep
from harness.training.stackable import first_sentence

Step = Callable[[], None]


def recorded(step: Step) -> Callable[[], object]:
    """A step's operations on a GPU, none of which runs: what runs them."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        step()
    return graph.replay


@dataclass
class ByGraph:
    """Takes a run's steps as `take` does, repeated by a graph.

    The first step on some parameters is taken as ever, by which all that is loaded or chosen at a first
    step is there; the second is recorded. Others are recorded anew once members have left. Where that is
    refused, steps go on as ever, and `run.refusal` says why.
    """

    take: TakeStep
    _params: Tensor | None = None  # whose step is recorded, or will be at the next
    _replay: Replay | None = None

    def __call__(self, run: Run, step: int | Tensor, batch: Batch, coefficients: Coefficients) -> None:
        """One step of the m members."""
        if run.refusal is None and self._params is run.params:
            try:
                self._replay = self._replay or Replay(run, self.take, batch, coefficients)
            except RuntimeError as error:  # CUDA's and torch's errors are of this kind
                run.refusal = f"without a CUDA graph, {type(error).__name__}: {first_sentence(error)}"
            else:
                self._replay(step, batch, coefficients)
                return
        self._params, self._replay = run.params, None
        self.take(run, step, batch, coefficients)


class Replay:
    """One step of a run, recorded: call it with what differs from step to step."""

    def __init__(self, run: Run, take: TakeStep, batch: Batch, coefficients: Coefficients) -> None:
        device = run.params.device
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        own_batch = (_place(batch[0]), _place(batch[1]))
        own_coefficients = tuple({name: _place(v) for name, v in its.items()} for its in coefficients)
        self._places = list(_written(own_batch, own_coefficients))
        before = dict(run.buffers)

        def in_place() -> None:
            take(run, self._step, own_batch, own_coefficients)
            for name, place in before.items():
                place.copy_(run.buffers[name])

        try:
            self._run = recorded(in_place)
        finally:
            run.buffers = before

    def __call__(self, step: int | Tensor, batch: Batch, coefficients: Coefficients) -> None:
        """Take the step."""
        self._step.fill_(step)
        torch._foreach_copy_(self._places, list(_written(batch, coefficients)))
        self._run()


def _place(value: Tensor) -> Tensor:
    """Memory of a value's own, laid out alike: what all members share stays shared."""
    return value[:1].clone().expand(value.shape) if _is_shared(value) else value.clone()


def _written(batch: Batch, coefficients: Coefficients) -> Iterator[Tensor]:
    """The tensors of a step's arguments; of a shared one the part that is in memory."""
    values = (*batch, *(value for its in coefficients for value in its.values()))
    return (value[:1] if _is_shared(value) else value for value in values)


def _is_shared(value: Tensor) -> bool:
    return value.dim() > 0 and value.stride(0) == 0
