"""One trial as a PyTorch user writes it: an `nn.Module`, `torch.optim`, epochs of batches.

The config is the harness's own, so that both sides train the same thing; what these loops can't do
is refused rather than left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from harness.catalogue.data.base import Splits
from tests.benchmarks.peers.networks import network

Batches = Iterable[tuple[Tensor, Tensor]]
MakeBatches = Callable[[Tensor, Tensor, int, bool], Batches]  # x, y, batch size, whether to shuffle
OnEpoch = Callable[[int, dict[str, float]], None]

EVALUATION_BATCH = 1000


class Reached(NamedTuple):
    """A trained network's metric on two splits: accuracy, or MSE of a regression."""

    val: float
    test: float


def loader_batches(x: Tensor, y: Tensor, batch_size: int, shuffle: bool) -> Batches:
    """The usual DataLoader; it leaves a short last batch out while training, as the harness does."""
    return DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=shuffle, drop_last=shuffle)


class TensorBatches:
    """Batches by indexing tensors: a fresh permutation each time it is gone through."""

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, shuffle: bool) -> None:
        self.x, self.y, self.batch_size, self.shuffle = x, y, batch_size, shuffle

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.shuffle:
            yield self.x, self.y
            return
        order = torch.randperm(len(self.x), device=self.x.device)
        for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
            index = order[start : start + self.batch_size]
            yield self.x[index], self.y[index]


BATCHES: dict[str, MakeBatches] = {"loader": loader_batches, "tensors": TensorBatches}

Parameters = Iterable[nn.Parameter]


class Lion(torch.optim.Optimizer):
    """Lion, which torch lacks, as its users copy it from the paper's algorithm 2 (Chen et al. 2023)."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One step, parameter by parameter."""
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                sign = (mean * group["beta1"] + p.grad * (1 - group["beta1"])).sign()
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(sign, alpha=-group["lr"])
                mean.mul_(group["beta2"]).add_(p.grad, alpha=1 - group["beta2"])


OPTIMIZERS: dict[str, Callable[[Parameters, Mapping[str, float]], torch.optim.Optimizer]] = {
    "sgd": lambda p, o: torch.optim.SGD(p, lr=o["lr"], weight_decay=o["weight_decay"]),
    "momentum": lambda p, o: torch.optim.SGD(
        p, lr=o["lr"], momentum=o["momentum"], weight_decay=o["weight_decay"]
    ),
    "nag": lambda p, o: torch.optim.SGD(
        p, lr=o["lr"], momentum=o["momentum"], weight_decay=o["weight_decay"], nesterov=True
    ),
    "adagrad": lambda p, o: torch.optim.Adagrad(p, lr=o["lr"], weight_decay=o["weight_decay"], eps=o["eps"]),
    "rmsprop": lambda p, o: torch.optim.RMSprop(
        p, lr=o["lr"], weight_decay=o["weight_decay"], alpha=o["alpha"], eps=o["eps"]
    ),
    "adam": lambda p, o: torch.optim.Adam(
        p, lr=o["lr"], weight_decay=o["weight_decay"], betas=(o["beta1"], o["beta2"]), eps=o["eps"]
    ),
    "adamw": lambda p, o: torch.optim.AdamW(
        p, lr=o["lr"], weight_decay=o["weight_decay"], betas=(o["beta1"], o["beta2"]), eps=o["eps"]
    ),
    "nadam": lambda p, o: torch.optim.NAdam(
        p, lr=o["lr"], weight_decay=o["weight_decay"], betas=(o["beta1"], o["beta2"]), eps=o["eps"]
    ),
    "radam": lambda p, o: torch.optim.RAdam(
        p, lr=o["lr"], weight_decay=o["weight_decay"], betas=(o["beta1"], o["beta2"]), eps=o["eps"]
    ),
    "lion": lambda p, o: Lion(p, {k: o[k] for k in ("lr", "beta1", "beta2", "weight_decay")}),
}


def train(
    config: Mapping[str, Any],
    splits: Splits,
    make_batches: MakeBatches,
    seed: int,
    on_epoch: OnEpoch = lambda epoch, metrics: None,
    device: str = "cpu",
) -> Reached:
    """Train one network, evaluating on validation once an epoch and on test at the end."""
    section = config["train"]
    if config["schedule"]["name"] != "constant" or section["dtype"] != "float32" or "epochs" not in section:
        raise ValueError("the peer's loop trains whole epochs in float32 at a constant learning rate")
    torch.manual_seed(seed)
    train_set, val_set, test_set = (tensors(splits, name, device) for name in ("train", "val", "test"))
    model = network(config["model"], tuple(train_set[0].shape[1:]), splits.n_classes or 1).to(device)
    criterion = nn.CrossEntropyLoss() if splits.n_classes else nn.MSELoss()
    optimizer = OPTIMIZERS[config["optimizer"]["name"]](model.parameters(), config["optimizer"])
    batches = make_batches(*train_set, section["batch_size"], True)
    held_out = make_batches(*val_set, EVALUATION_BATCH, False)
    metrics: dict[str, float] = {}
    for epoch in range(section["epochs"]):
        model.train()
        for x, y in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        metrics = evaluate(model, criterion, held_out)
        on_epoch(epoch, metrics)
    final = evaluate(model, criterion, make_batches(*test_set, EVALUATION_BATCH, False))
    return Reached(headline(metrics), headline(final))


@cache
def first_step() -> None:
    """What torch loads at a process's first step takes seconds: pay it once, before any trial is timed."""
    model = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters())
    for x, y in loader_batches(torch.ones(2, 1), torch.ones(2, 1), 2, True):
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


def tensors(splits: Splits, name: str, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """One split as tensors; a regression's targets as a column."""
    x, y = (torch.tensor(np.asarray(getattr(splits, f"{axis}_{name}")), device=device) for axis in "xy")
    return x, y if splits.n_classes else y.unsqueeze(1)


@torch.inference_mode()
def evaluate(model: nn.Module, criterion: nn.Module, batches: Batches) -> dict[str, float]:
    """Mean loss, and accuracy where targets are classes."""
    model.eval()
    device = next(model.parameters()).device
    loss, correct, n = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device), 0
    for x, y in batches:
        outputs = model(x)
        loss += criterion(outputs, y) * len(y)
        if not y.is_floating_point():
            correct += (outputs.argmax(1) == y).sum()
        n += len(y)
    metrics = {"loss": loss.item() / n}
    return metrics if y.is_floating_point() else {**metrics, "accuracy": correct.item() / n}


def headline(metrics: Mapping[str, float]) -> float:
    """The accuracy, or the MSE of a regression."""
    return metrics.get("accuracy", metrics["loss"])
