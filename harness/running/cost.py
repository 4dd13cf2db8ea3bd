"""What a study will cost, from a few measured steps of each of its programs; and what it can detect."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from harness.planning.points import grid, is_grid
from harness.planning.power import Detectable, detectable
from harness.planning.trials import judge_trials, tune_trials
from harness.records.store import Store
from harness.running.batch import fair_size
from harness.running.job import CACHE, splits_of
from harness.training.members import batch_size_of, stacked_orders
from harness.training.run import Run, plan_steps, start
from harness.training.stack import Stack, stacks_of
from harness.training.train import measure, train_step
from harness.words.base import Word
from harness.words.design import Arm, Design
from harness.words.trial import Planned, Trial

WARM_UP, TIMED = 2, 5  # steps
START_S = 6.0  # imports and worker start-up
REPORT_S = 8.0


class ArmPlan(Word):
    """One row of the plan's arms."""

    arm: str
    n_parameters: int
    steps: int
    tuned: str
    tuning_trials: int
    judged: int


class StackPlan(Word):
    """Stacks of one program: how many, of how many trials, and the time of a step a model."""

    count: int
    size: int
    steps: int
    ms: float
    evaluation_s: float  # of the whole stack, all evaluations of a run


class Plan(Word):
    """What a run would do."""

    arms: list[ArmPlan]
    stacks: list[StackPlan]
    trials: int
    kept: int
    workers: int
    minutes: float
    detectable: list[str]


def make_plan(design: Design, results: Path, workers: int) -> Plan:
    """Plan a study: its arms and stacks, minutes by a calibration of a few steps, what it can detect.

    Takes a few seconds. Tuned points that Optuna would choose are stood in for by the arm's defaults.
    """
    placed = list(_trials(design))
    trials = [trial for trial, _ in placed]
    store = Store(results, design.folder, read_only=True)
    kept = len(store.finished() & {trial.id for trial in trials})
    phases = [[t for t in trials if t.phase == phase] for phase in ("tune", "judge")]
    stacks = [s for phase in phases if phase for s in stacks_of(phase, fair_size(len(phase), workers, 64))]
    cache = results.absolute() / CACHE
    measured = [_calibrate(group, cache) for group in _alike(stacks)]
    seconds = sum(s.count * (s.size * s.ms * s.steps / 1e3 + s.evaluation_s) for s in measured)
    seconds *= 1 - kept / len(trials)
    return Plan(
        arms=[_arm_plan(design, arm) for arm in design.arms],
        stacks=measured,
        trials=len(trials),
        kept=kept,
        workers=workers,
        minutes=(START_S + REPORT_S + seconds / workers) / 60,
        detectable=[in_words(d) for d in detectable(design)],
    )


def in_words(found: Detectable) -> str:
    """What the design can and can't detect, in a sentence."""
    if found.difference is None:
        size = f"{found.d_z:.2f} standard deviations of the paired differences"
    else:
        size = f"{found.difference:.3g} ({found.unit})"
    return f"{found.outcome}: {found.n} pairs detect a difference of {size} with power 0.9 ({found.basis})"


def _trials(design: Design) -> Iterator[tuple[Trial, Planned]]:
    for arm in design.arms:
        exact = is_grid(design.study.tune, arm.tuned)
        points = grid(arm.tuned, design.points) if exact else [{} for _ in range(design.points)]
        yield from tune_trials(design, arm, points)
        yield from judge_trials(design, arm, {})


def _arm_plan(design: Design, arm: Arm) -> ArmPlan:
    return ArmPlan(
        arm=arm.label,
        n_parameters=arm.n_parameters,
        steps=design.steps[arm.label],
        tuned=", ".join(d.path for d in arm.tuned) or "nothing",
        tuning_trials=design.points * design.study.tune.seeds,
        judged=design.study.judge.replicates * design.members(arm.label),
    )


def _alike(stacks: Sequence[Stack]) -> list[list[Stack]]:
    groups: dict[tuple[str, int], list[Stack]] = {}
    for stack in stacks:
        groups.setdefault((stack.key, len(stack.trials)), []).append(stack)
    return list(groups.values())


def _calibrate(group: Sequence[Stack], cache: Path) -> StackPlan:
    """Time a few steps and one evaluation of a stack, on data of a single replicate."""
    stack = group[0]
    splits = [splits_of(stack.trials[0], cache)] * len(stack.trials)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        run = start(stack, splits, torch.device("cpu"))
        n_train = len(run.data.splits["train"])
        orders = stacked_orders(
            stack.trials, n_train, batch_size_of(stack.config, n_train), run.params.device
        )
        times = [_timed_step(run, step, next(orders)) for step in range(WARM_UP + TIMED)]
        begun = time.perf_counter()
        measure(run, 0)
        evaluation_s = time.perf_counter() - begun
    torch.set_num_threads(threads)
    total, evaluations = plan_steps(stack.config, n_train)
    ms = 1e3 * min(times[WARM_UP:]) / len(stack.trials)
    return StackPlan(
        count=len(group),
        size=len(stack.trials),
        steps=total,
        ms=ms,
        evaluation_s=evaluation_s * len(evaluations),
    )


def _timed_step(run: Run, step: int, index: Tensor) -> float:
    begun = time.perf_counter()
    train_step(run, step, index)
    return time.perf_counter() - begun
