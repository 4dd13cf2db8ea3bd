"""What a search will cost, from a few measured steps of some configs drawn from its space."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from harness.planning.power import POWER, smallest_effect
from harness.planning.space import assign, parameters
from harness.records.store import Store
from harness.running.balance import seconds_of_a_trial
from harness.running.cost import ArmPlan, Plan, StackPlan, minutes_of
from harness.running.job import CACHE, pacer_of, splits_of
from harness.running.pace import Pacer
from harness.running.search import n_search_trials, placed
from harness.training.run import plan_steps
from harness.training.stack import stacks_of
from harness.words.design import Design
from harness.words.search import ARM, Parameter
from harness.words.seeds import seed_for
from harness.words.trial import Trial

SAMPLES = 12  # configs that are timed


def make_search_plan(design: Design, results: Path, workers: int, device: str = "cpu") -> Plan:
    """Plan a search by the pace of configs drawn evenly from its space, each trained alone.

    It is likely to be wrong by half: a search spends its trials where results are good, whatever they
    cost, and trials of equal shape train together.
    """
    cache = results.absolute() / CACHE
    pacer = pacer_of(cache, device)
    total = n_search_trials(design)
    timed = [_timed(trial, cache, pacer, total / SAMPLES) for trial in _sampled(design)]
    seconds = sum(s.count * s.trial_s for s in timed)
    kept = min(len(Store(results, design.folder, read_only=True).finished()), total)
    n = design.study.judge.replicates
    return Plan(
        arms=_arms(design, total),
        stacks=timed,
        trials=total,
        kept=kept,
        workers=workers,
        minutes=minutes_of(seconds, total, workers, kept),
        whole_minutes=minutes_of(seconds, total, workers),
        detectable=[
            f"best against default: {n} pairs detect a difference of {smallest_effect(n):.2f} standard "
            f"deviations of the paired differences with power {POWER}"
        ],
    )


def _sampled(design: Design) -> list[Trial]:
    """Configs drawn evenly from the space, the same each time."""
    space, _ = parameters(design.study)
    generator = random.Random(seed_for("points", design.name, "plan"))
    drawn = [assign(space, design.study.base, lambda p: _drawn(p, generator))[1] for _ in range(SAMPLES)]
    return [placed(design, ("tune", ARM, 0), params)[0] for params in drawn]


def _drawn(parameter: Parameter, generator: random.Random) -> Any:
    """A coordinate of the parameter."""
    if parameter.values is not None:
        place = generator.randrange(len(parameter.values))
        return place if parameter.ordered else parameter.values[place]
    low, high = parameter.low or 0.0, parameter.high or 0.0
    share = generator.random()
    value = low * (high / low) ** share if parameter.log else low + share * (high - low)
    return round(value) if parameter.whole else value


def _timed(trial: Trial, cache: Path, pacer: Pacer, count: float) -> StackPlan:
    """The pace of a config by itself; it stands for `count` trials."""
    splits = splits_of(trial, cache)
    stack = stacks_of([trial], 1)[0]
    pace = pacer.pace(stack, [splits])
    return StackPlan(
        count=round(count),
        size=1,
        steps=plan_steps(stack.config, len(splits.y_train))[0],
        ms=1e3 * pace.step(1),
        alone_ms=1e3 * pace.step(1),
        trial_s=seconds_of_a_trial(stack.config, pace, 1),
    )


def _arms(design: Design, total: int) -> list[ArmPlan]:
    """The search, and what is judged after it."""
    judged = design.study.judge.replicates
    size, steps = design.arms[0].n_parameters, design.steps[design.arms[0].label]
    rows = [(ARM, ", ".join(design.study.space), total - len(design.arms) * judged, 0)]
    rows += [(arm.label, "nothing", 0, judged) for arm in design.arms]
    return [
        ArmPlan(arm=arm, n_parameters=size, steps=steps, tuned=tuned, tuning_trials=tried, judged=n)
        for arm, tuned, tried, n in rows
    ]
