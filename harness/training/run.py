"""A stack in training: its state, how it starts, and how long it trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from harness.catalogue.data.base import Splits
from harness.catalogue.losses import LOSSES, smoothed
from harness.catalogue.metrics import Measures, measured
from harness.catalogue.optimizers import Hyper
from harness.catalogue.resolve import options_of
from harness.catalogue.schedules import SCHEDULES, Heard, silence
from harness.errors import BadInput
from harness.training.evaluate import Statistics, stacked, values
from harness.training.functions import BoundGradient, Buffers
from harness.training.graph.capture import bound
from harness.training.groups import Group, groups_of, kept
from harness.training.leaving import EarlyStopping, Weights, early_stopping
from harness.training.members import Batch, StackData, dtype_of, learning_rates, sent, stack_data, strengths
from harness.training.penalty import Penalties, penalties
from harness.training.program import Program, make_program
from harness.training.stack import DRAWN, Stack
from harness.training.start import build_module, initial_state, noise_key
from harness.training.update import Update
from harness.words.base import canonical
from harness.words.config import RunConfig, TrainSection

Coefficients = tuple[Hyper, ...]  # of one step: (n, 1) each, one Hyper a group
Plan = tuple[Batch, Coefficients]  # of one step
TakeStep = Callable[["Run", int | Tensor, Batch, Coefficients], None]
Probed = dict[str, dict[int, list[float]]]  # probe -> step -> values, as in a record

PROBE = 32  # examples an own network is tried on, at most

Shapes = tuple[tuple[int, ...], int | None, int]  # of an example, and how many classes and targets


class Evaluation(NamedTuple):
    """What was seen of a stack's M members after `step` optimizer steps."""

    step: int
    seen: dict[str, Statistics]  # by split
    counted: Tensor  # (M,) False for members that have diverged or left

    def value(self, metric: str, metrics: Measures) -> Tensor:
        """A metric by its full name: `val/loss`, (M,) float64."""
        split, _, name = metric.partition("/")
        return self.seen[split].value(metrics[name])


class Bound(NamedTuple):
    """A step's functions, bound to parameters (m, P) that they read and change in place."""

    params: Tensor
    gradient: BoundGradient
    updates: list[Update]  # one a group


@dataclass
class Run:
    """A stack in training: what it is made of and where it stands.

    Tensors of the members still training have a leading axis m <= M; `rows` says which they are.
    """

    stack: Stack  # of M trials
    program: Program
    data: StackData
    lr: Tensor  # (m, 1) float64, before the schedule
    keys: Tensor  # (m,) noise keys
    strength: Tensor  # (m,) of the augmentation, float64
    params: Tensor  # (m, P), changed in place
    groups: list[Group]  # of the m members, by optimizer
    buffers: Buffers
    metrics: Measures  # at every evaluation
    at_end: Measures  # of whole splits: these and more
    penalties: Penalties  # of m members
    factor: Callable[[int], float]  # of the learning rate, by step
    listen: Callable[[Heard, Tensor], Heard] | None  # to the val/loss (m,), where the schedule does
    heard: Heard  # of m members
    stopping: EarlyStopping | None
    everyone: StackData  # of all M, whoever has left
    rows: Tensor  # (m,) places in the stack
    diverged: Tensor  # (M,)
    training: Tensor  # (M,) neither diverged nor stopped
    evaluations: list[Evaluation] = field(default_factory=list)
    ended: dict[str, Statistics] = field(default_factory=dict)  # of the last evaluation, if at the plan's end
    probed: list[Probed] = field(default_factory=list)  # M
    refusal: str | None = None  # why its steps are not taken as asked, if they aren't
    _bound: Bound | None = None

    @property
    def bound(self) -> Bound:
        """What a step computes, at the parameters of now."""
        if self._bound is None or self._bound.params is not self.params:
            gradient = bound(self.program.gradient, self.params)
            self._bound = Bound(self.params, gradient, [group.bound(self.params) for group in self.groups])
        return self._bound

    def gather(self, keep: Tensor) -> None:
        """Go on with the members at `keep` (indices into m) alone."""
        self.rows, self.params = self.rows[keep], self.params[keep]
        self.keys, self.strength = self.keys[keep], self.strength[keep]
        self.buffers = {name: b[keep] for name, b in self.buffers.items()}
        self.lr, self.groups = self.lr[keep], kept(self.groups, keep)
        self.penalties, self.heard = self.penalties.of(keep), self.heard.of(keep)
        self.data = self.data.of(keep)

    def learning_rates(self, steps: Sequence[int]) -> Tensor:
        """Each member's learning rate at each of S steps, (S, m, 1) float64."""
        factors = torch.tensor([self.factor(step) for step in steps], dtype=self.lr.dtype)
        rates = self.lr * sent(factors, self.lr.device).view(-1, 1, 1)
        return rates if self.listen is None else rates * self.heard.factor.unsqueeze(1)

    def coefficients(self, steps: range) -> list[Coefficients]:
        """The optimizers' coefficients of each step."""
        rates = self.learning_rates(steps)
        numbers = torch.arange(1, len(steps) + 1, dtype=rates.dtype, device=rates.device) + steps.start
        columns = numbers.view(-1, 1, 1)
        by_group = [group.coefficients(rates, columns, self.params.dtype) for group in self.groups]
        return list(zip(*by_group, strict=True))

    def planned(self, orders: Iterator[Tensor], steps: range) -> Iterator[Plan]:
        """The batches of each step, of the next `orders` (M, B), and the optimizers' coefficients."""
        index = torch.stack(list(islice(orders, len(steps))))
        own = index if len(self.rows) == index.shape[1] else index[:, self.rows]
        return zip(self.data.batches(own), self.coefficients(steps), strict=True)

    def placed(self, values: Tensor, absent: float) -> Tensor:
        """Values (m, ...) of the members still there as (M, ...), `absent` for the others."""
        m = len(self.stack.trials)
        if len(self.rows) == m:
            return values
        return values.new_full((m, *values.shape[1:]), absent).index_put((self.rows,), values)

    def curves(self) -> dict[str, Tensor]:
        """Every metric at every evaluation, (E, M); NaN from where a member has diverged or left."""
        counted = torch.stack([e.counted for e in self.evaluations])
        seen = {
            split: stacked([e.seen[split] for e in self.evaluations]) for split in self.evaluations[0].seen
        }
        found = values(self.metrics, seen)
        return {name: torch.where(counted, value, torch.nan) for name, value in found.items()}


def plan_steps(config: dict[str, Any], n_train: int) -> tuple[int, list[int]]:
    """How many optimizer steps a trial takes, and after which of them it is evaluated (0 is the start)."""
    section = TrainSection.model_validate(config["train"])
    total = section.total_steps(n_train)
    count = section.evaluations or max(1, round(total / section.steps_per_epoch(n_train)))
    return total, sorted({round(total * i / count) for i in range(count + 1)})


def start(stack: Stack, splits: Sequence[Splits], device: torch.device) -> Run:
    """A stack before its first step."""
    config = stack.config
    run_config = RunConfig.model_validate(config)
    data = stack_data(splits, dtype_of(config), device)
    program = program_of(config, splits[0].shapes, data)
    schedule, options = SCHEDULES[run_config.schedule.name], options_of(run_config, "schedule")
    total, _ = plan_steps(config, len(data.splits["train"]))
    weights = _initial_weights(stack, splits[0], program, device)
    metrics, at_end = (measured(config["train"]["loss"], data.n_classes, end) for end in (False, True))
    yes = torch.ones(len(stack.trials), dtype=torch.bool, device=device)
    return Run(
        stack=stack,
        program=program,
        data=data,
        lr=learning_rates(stack.trials, device),
        keys=torch.tensor([noise_key(t) for t in stack.trials], device=device),
        strength=strengths(stack.trials, device),
        params=weights.params,
        groups=groups_of(stack.trials, weights.params),
        buffers=weights.buffers,
        metrics=metrics,
        at_end=at_end,
        penalties=penalties(stack.trials, program.layout, weights.params),
        factor=lambda step: schedule.factor(step, total, options),
        listen=_listener(run_config, data),
        heard=silence(len(stack.trials), device),
        stopping=early_stopping(run_config.train, weights, _on_curves(metrics, data)),
        everyone=data,
        rows=torch.arange(len(stack.trials), device=device),
        diverged=~yes,
        training=yes,
        probed=[{} for _ in stack.trials],
    )


def program_of(config: dict[str, Any], shapes: Shapes, data: StackData) -> Program:
    """The program of a config on data of these shapes.

    Arms that differ in anything but network and loss share one, so that a worker records each step once;
    what weights start from is no part of it.
    The catalogue's networks are known to stack; an own network is tried on a batch, each time anew.
    """
    device = data.member.device
    if "class" in config["model"]:
        return _program(config, shapes, device, data.example(PROBE))
    train = {name: config["train"][name] for name in ("loss", "label_smoothing", "dtype")}
    decisive = {
        "data": {"name": config["data"]["name"]},
        "model": {name: v for name, v in config["model"].items() if f"model.{name}" not in DRAWN},
        "train": {**train, "steps": 1},
    }
    return _shared_program(canonical(decisive), shapes, device)


@lru_cache(maxsize=8)
def _shared_program(config: str, shapes: Shapes, device: torch.device) -> Program:
    return _program(json.loads(config), shapes, device, None)


def _program(
    config: dict[str, Any], shapes: Shapes, device: torch.device, example: tuple[Tensor, Tensor] | None
) -> Program:
    module = build_module(config, *shapes).to(device)
    loss = smoothed(LOSSES[config["train"]["loss"]], config["train"]["label_smoothing"])
    return make_program(module, loss, example, mixed=config["train"]["dtype"] == "bfloat16")


def _listener(config: RunConfig, data: StackData) -> Callable[[Heard, Tensor], Heard] | None:
    """What the schedule makes of validation losses, where it does. Raises BadInput where there are none."""
    hear, options = SCHEDULES[config.schedule.name].on_evaluation, options_of(config, "schedule")
    if hear is None:
        return None
    if not len(data.splits["val"]):
        raise BadInput(
            f"schedule.name {config.schedule.name!r} follows val/loss, and the data have no validation "
            "examples; set some aside (data.n_val), or name another schedule"
        )
    return lambda heard, losses: hear(heard, losses, options)


def _initial_weights(stack: Stack, splits: Splits, program: Program, device: torch.device) -> Weights:
    """Every trial's own initial parameters (M, P) and buffers (M, ...)."""
    module, layout = program.module, program.layout
    drawn = [initial_state(trial, module, *splits.shapes, layout) for trial in stack.trials]
    buffers = [own for _, own in drawn]
    return Weights(
        torch.stack([params for params, _ in drawn]).to(device),
        {name: torch.stack([own[name] for own in buffers]).to(device) for name in buffers[0]},
    )


def _on_curves(metrics: Iterable[str], data: StackData) -> list[str]:
    """The full names of the metrics that every evaluation leaves."""
    splits = [name for name in ("train", "val") if len(data.splits[name])]
    return [f"{split}/{metric}" for split in splits for metric in metrics]
