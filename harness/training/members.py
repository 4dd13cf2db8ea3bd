"""The data and hyperparameters of a stack, laid out for it: shared where equal, stacked where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.catalogue.data.base import Splits
from harness.catalogue.optimizers import OPTIMIZERS
from harness.training.start import DTYPES, batch_orders
from harness.words.trial import Trial

Batch = tuple[Tensor, Tensor]  # of every member: x (M, B, *features), y (M, B) or (M, B, targets)

GATHERED_BYTES = 1 << 18  # of batches gathered at once: a quarter of a core's own cache


class Split(NamedTuple):
    """One split of R data sets of equal shapes: x (R, n, *features), y (R, n) or (R, n, targets)."""

    x: Tensor
    y: Tensor

    def head(self, n: int) -> Split:
        """The first n examples."""
        return Split(self.x[:, :n], self.y[:, :n])

    def after(self, n: int) -> Split:
        """All but the first n examples."""
        return Split(self.x[:, n:], self.y[:, n:])

    def __len__(self) -> int:
        return self.x.shape[1]


class StackData(NamedTuple):
    """The R data sets of a stack and which one each member trains on, (M,).

    `rows`: the training examples of all of them, x (R * n, *features) and y (R * n) or (R * n, targets).
    `first` (M, 1): the first of them that is a member's own.
    """

    splits: dict[str, Split]
    rows: tuple[Tensor, Tensor]
    member: Tensor
    first: Tensor
    n_classes: int | None
    fingerprints: tuple[str, ...]  # one a member

    def batches(self, index: Tensor) -> Iterator[Batch]:
        """Training examples by index (S, M, B): for each of S steps x (M, B, *features), y (M, B[, targets]).

        Those of several steps are gathered at once, as many as stay in a core's own cache until used.
        """
        x, y = self.rows
        if self.splits["train"].x.shape[0] > 1:
            index = index + self.first
        a_step = index[0].numel() * (x[0].nbytes + y[0].nbytes)
        for part in torch.split(index, max(1, GATHERED_BYTES // a_step)):
            flat = part.reshape(-1)
            xs, ys = x.index_select(0, flat), y.index_select(0, flat)
            steps = (v.view(*part.shape, *v.shape[1:]).unbind() for v in (xs, ys))
            yield from zip(*steps, strict=True)

    def of(self, keep: Tensor) -> StackData:
        """That of the members at `keep` (indices) alone."""
        return self._replace(member=self.member[keep], first=self.first[keep])

    def example(self, n: int) -> tuple[Tensor, Tensor]:
        """The first n training examples of the first data set: x (n, *features), y (n,)."""
        x, y = self.splits["train"]
        return x[0, :n], y[0, :n]

    def chunks(self, split: Split, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """A split in runs of at most `size` examples: x (M, n, *features), y (M, n); no copy where R = 1."""
        for start in range(0, len(split), size):
            x, y = split.x[:, start : start + size], split.y[:, start : start + size]
            if x.shape[0] == 1:
                m = len(self.member)
                yield x.expand(m, *x.shape[1:]), y.expand(m, *y.shape[1:])
            else:
                yield x[self.member], y[self.member]


def stack_data(splits: Sequence[Splits], dtype: torch.dtype, device: torch.device) -> StackData:
    """Lay out one Splits a member; equal fingerprints share their arrays."""
    unique: dict[str, Splits] = {s.fingerprint: s for s in splits}
    places = {fingerprint: i for i, fingerprint in enumerate(unique)}
    member = torch.tensor([places[s.fingerprint] for s in splits], device=device)
    parts = {
        name: Split(
            _stacked([getattr(s, f"x_{name}") for s in unique.values()], dtype, device),
            _stacked([getattr(s, f"y_{name}") for s in unique.values()], dtype, device),
        )
        for name in ("train", "val", "test")
    }
    x, y = parts["train"]
    rows, first = (x.flatten(0, 1), y.flatten(0, 1)), member.unsqueeze(1) * x.shape[1]
    return StackData(parts, rows, member, first, splits[0].n_classes, tuple(s.fingerprint for s in splits))


def _stacked(arrays: Sequence[Any], dtype: torch.dtype, device: torch.device) -> Tensor:
    """R arrays (n, ...) as (R, n, ...). A single one that lies on disk is not copied: workers share it."""
    tensor = torch.from_numpy(np.stack(arrays) if len(arrays) > 1 else _own(arrays[0])[None])
    return tensor.to(device, dtype if tensor.is_floating_point() else torch.int64)


def _own(array: Any) -> Any:
    """The array as the stack's own: its file mapped anew, of which only pages written into are copied."""
    whole = isinstance(array, np.memmap) and not isinstance(array.base, np.ndarray)  # not a part of a map
    if whole and array.flags.c_contiguous:
        with suppress(OSError, ValueError):  # the file is gone; the old map still holds it
            return np.memmap(array.filename, array.dtype, "c", array.offset, array.shape)
    return np.array(array)


def hyperparameters(trials: Sequence[Trial], device: torch.device) -> dict[str, Tensor]:
    """Every number of the trials' one optimizer but the learning rate, (M, 1) float64.

    A weight decay of 0 throughout is left out.
    """
    sections = [trial.config["optimizer"] for trial in trials]
    names = OPTIMIZERS[sections[0]["name"]].options.model_fields.keys() - {"lr"}
    values = {name: [float(section[name]) for section in sections] for name in names}
    return {
        name: _column(numbers, device)
        for name, numbers in values.items()
        if name != "weight_decay" or any(numbers)
    }


def learning_rates(trials: Sequence[Trial], device: torch.device) -> Tensor:
    """Each trial's learning rate times its `lr_multiple`, (M, 1) float64."""
    configs = [trial.config for trial in trials]
    return _column([c["optimizer"]["lr"] * c["train"]["lr_multiple"] for c in configs], device)


def _column(numbers: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64, device=device).unsqueeze(1)


def strengths(trials: Sequence[Trial], device: torch.device) -> Tensor:
    """The strength of each trial's augmentation, (M,) float64."""
    values = [float(trial.config["train"]["augment_strength"]) for trial in trials]
    return torch.tensor(values, dtype=torch.float64, device=device)


def stacked_orders(
    trials: Sequence[Trial], n_train: int, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """Step after step, the indices of each member's batch, (M, B); trials of equal seeds share one draw."""
    parts = [trial.seed_parts() for trial in trials]
    streams = {p: batch_orders(t, n_train, batch_size) for p, t in zip(parts, trials, strict=True)}
    while True:
        epoch = {p: next(stream) for p, stream in streams.items()}
        yield from sent(torch.stack([epoch[p] for p in parts], dim=1), device)  # (steps, M, B)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device; to a GPU they go while the host goes on."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def dtype_of(config: dict[str, Any]) -> torch.dtype:
    """The dtype a config trains in."""
    return DTYPES[config["train"]["dtype"]]
