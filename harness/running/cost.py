"""What a study will cost, from a few measured steps of each of its programs; and what it can detect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.planning.points import grid, is_grid
from harness.planning.power import Detectable, detectable
from harness.planning.trials import judge_trials, tune_trials
from harness.records.store import Store
from harness.running.balance import seconds_of_a_trial
from harness.running.batch import shared_out
from harness.running.job import CACHE, LARGEST, pacer_of, splits_of
from harness.running.pace import Pacer
from harness.running.pilot import known_sigmas
from harness.training.run import plan_steps
from harness.training.stack import Stack
from harness.words.base import Word
from harness.words.design import Arm, Design
from harness.words.trial import Planned, Trial

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
    alone_ms: float  # of a trial trained alone
    trial_s: float  # seconds of a trial, evaluations included


class Plan(Word):
    """What a run would do."""

    arms: list[ArmPlan]
    stacks: list[StackPlan]
    trials: int
    kept: int
    workers: int
    minutes: float
    whole_minutes: float  # as if nothing had run before
    detectable: list[str]


def make_plan(design: Design, results: Path, workers: int, device: str = "cpu") -> Plan:
    """Plan a study: its arms and stacks, minutes by the measured pace of a few steps, what it can detect.

    Takes a few seconds where programs have not been timed before. Tuned points that Optuna would choose
    are stood in for by the arm's defaults.
    """
    placed = list(_trials(design))
    trials = [trial for trial, _ in placed]
    store = Store(results, design.folder, read_only=True)
    kept = len(store.finished() & {trial.id for trial in trials})
    phases = [[t for t in trials if t.phase == phase] for phase in ("tune", "judge")]
    cache = results.absolute() / CACHE
    pacer = pacer_of(cache, device)
    stacks = [stack for phase in phases for stack in shared_out(phase, workers, LARGEST, pacer)]
    measured = [_stack_plan(group, cache, pacer) for group in _alike(stacks)]
    seconds = sum(s.count * s.size * s.trial_s for s in measured)
    left = seconds * (1 - kept / len(trials))
    return Plan(
        arms=[_arm_plan(design, arm) for arm in design.arms],
        stacks=measured,
        trials=len(trials),
        kept=kept,
        workers=workers,
        minutes=(START_S + REPORT_S + left / workers) / 60,
        whole_minutes=(START_S + REPORT_S + seconds / workers) / 60,
        detectable=[in_words(d) for d in detectable(design, known_sigmas(design, results))],
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
        if arm.tuned:
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


def _stack_plan(group: Sequence[Stack], cache: Path, pacer: Pacer) -> StackPlan:
    """The stacks that a program's jobs are trained in, by its pace on data of a single replicate."""
    stack = group[0]
    splits = [splits_of(stack.trials[0], cache)]
    pace, trials = pacer.pace(stack, splits), len(stack.trials)
    parts = pace.parts(trials, LARGEST)
    size = math.ceil(trials / parts)
    return StackPlan(
        count=len(group) * parts,
        size=size,
        steps=plan_steps(stack.config, len(splits[0].y_train))[0],
        ms=1e3 * pace.step(size),
        alone_ms=1e3 * pace.step(1),
        trial_s=seconds_of_a_trial(stack.config, pace, size),
    )
