"""What a study will cost, from a few measured steps of each of its programs; and what it can detect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.planning.detectable import Detectable, detectable
from harness.planning.points import grid, is_grid
from harness.planning.power import POWER
from harness.planning.trials import judge_trials, tune_trials, tuned_as
from harness.records.store import Store
from harness.running.balance import seconds_of_a_trial
from harness.running.batch import shared_out
from harness.running.job import CACHE, LARGEST, pacer_of, splits_of
from harness.running.pace import Pacer
from harness.running.sigmas import known_sigmas
from harness.training.run import plan_steps
from harness.training.stack import Stack
from harness.words.base import Word
from harness.words.design import Arm, Design, sides_of
from harness.words.hypothesis import Identity
from harness.words.settings import setting_label
from harness.words.trial import Trial

# Seconds of a study besides its training, as the studies of this project took them on two cores.
START_S = 3.0  # imports and worker start-up
REPORT_S = 5.0
MIRROR_S = 0.024  # of a processor, a trial's way to MLflow: it is trained beside
EXACT = "computed exactly, without replicates: no effect is too small to detect"


class ArmPlan(Word):
    """One row of the plan's arms."""

    arm: str
    n_parameters: int
    steps: int
    tuned: str
    tuning_trials: int
    tuned_with: str | None = None  # the arm whose tuning trials these are too, counted once
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


def make_plan(
    design: Design, results: Path, workers: int, device: str = "cpu", largest: int = LARGEST
) -> Plan:
    """Plan a study: its arms and stacks, minutes by the measured pace of a few steps, what it can detect.

    At most `largest` trials train together. Takes a few seconds where programs have not been timed
    before. Tuned points that Optuna would choose are stood in for by the arm's defaults.
    """
    shared = tuned_as(design)
    trials = list(_trials(design, shared))
    kept = _kept(design, Store(results, design.folder, read_only=True), trials)
    phases = [[t for t in trials if t.phase == phase] for phase in ("tune", "judge")]
    cache = results.absolute() / CACHE
    pacer = pacer_of(cache, device)
    stacks = [stack for phase in phases for stack in shared_out(phase, workers, largest, pacer)]
    measured = [_stack_plan(group, cache, pacer, largest) for group in _alike(stacks)]
    seconds = sum(s.count * s.size * s.trial_s for s in measured)
    return Plan(
        arms=[_arm_plan(design, arm, shared.get(arm.label)) for arm in design.arms],
        stacks=measured,
        trials=len(trials),
        kept=kept,
        workers=workers,
        minutes=minutes_of(seconds, len(trials), workers, kept),
        whole_minutes=minutes_of(seconds, len(trials), workers),
        detectable=in_words(design, detectable(design, known_sigmas(design, results))),
    )


def minutes_of(training_s: float, trials: int, workers: int, kept: int = 0) -> float:
    """Minutes from the command to the report, for trials whose training takes one worker so many seconds.

    `kept` of them have run. Ranges that are extended past their edge come on top, and a busy machine.
    """
    left = (training_s + MIRROR_S * trials) * (1 - kept / trials)
    return (START_S + REPORT_S + left / workers) / 60


def _kept(design: Design, store: Store, trials: Sequence[Trial]) -> int:
    """How many of the trials have run: those of the same design whatever points and values it has tuned."""
    stored = store.design()
    same = stored is not None and stored.hash == design.hash
    known = {p.trial for p in store.plan()} if same else {trial.id for trial in trials}
    return min(len(store.finished() & known), len(trials))


def in_words(design: Design, found: Sequence[Detectable]) -> list[str]:
    """What the design can and can't detect: a sentence a distinct answer, naming its hypotheses."""
    alike: dict[str, list[str]] = {}
    for one in found:
        alike.setdefault(_sentence(one), []).append(_named(design, one.hypothesis))
    exact = [i for i, h in enumerate(design.study.hypotheses) if isinstance(h, Identity)]
    if exact:
        alike[EXACT] = [_named(design, i) for i in exact]
    return [f"{', '.join(names)}: {sentence}" for sentence, names in alike.items()]


def _named(design: Design, index: int) -> str:
    """A hypothesis by its name, else by its number in the file, its kind, the arms it compares and where."""
    hypothesis = design.study.hypotheses[index]
    sides = " / ".join(side for side in sides_of(hypothesis) if isinstance(side, str))
    levels = design.select_arms({}, hypothesis.at)[0].levels
    place = setting_label({factor: levels[factor] for factor in hypothesis.at})
    told = ", ".join(filter(None, (sides, place and f"at {place}")))
    return hypothesis.name or f"{index + 1} {hypothesis.kind}" + (f" ({told})" if told else "")


def _sentence(found: Detectable) -> str:
    measured = found.measured
    if found.difference is None:
        size = f"{found.d_z:.2f} standard deviations of {measured.values}"
    else:
        size = f"{_shown(found.difference, found)} ({found.unit})"
    where = f" in all {found.settings} {found.places} at once" if found.settings > 1 else ""
    said = f"{found.n} {measured.counted} detect {measured.effect} of {size}{where} with power {POWER}"
    ends = found.between and tuple(_shown(end, found) for end in found.between)
    unsure = f"; {ends[0]} to {ends[1]} by sigma's 95 % interval" if ends else ""
    return f"{found.outcome}: {said} ({found.basis}{unsure})"


def _shown(value: float, found: Detectable) -> str:
    """To three digits; of a ratio, which may lie just above 1, to four."""
    return f"{value:.{4 if found.unit.startswith('ratio') else 3}g}"


def _trials(design: Design, shared: Mapping[str, str]) -> Iterator[Trial]:
    """Every trial to run; tuning trials that arms share (`tuned_as`) once."""
    for arm in design.arms:
        if shared.get(arm.label) == arm.label:
            exact = is_grid(design.study.tune, arm.tuned)
            points = grid(arm.tuned, design.points) if exact else [{} for _ in range(design.points)]
            yield from (trial for trial, _ in tune_trials(design, arm, points))
        yield from (trial for trial, _ in judge_trials(design, arm, {}))


def _arm_plan(design: Design, arm: Arm, tuned_with: str | None) -> ArmPlan:
    return ArmPlan(
        arm=arm.label,
        n_parameters=arm.n_parameters,
        steps=design.steps[arm.label],
        tuned=", ".join(d.path for d in arm.tuned) or "nothing",
        tuning_trials=design.points * design.study.tune.seeds if arm.tuned else 0,
        tuned_with=None if tuned_with == arm.label else tuned_with,
        judged=design.study.judge.replicates * design.members(arm.label),
    )


def _alike(stacks: Sequence[Stack]) -> list[list[Stack]]:
    groups: dict[tuple[str, int], list[Stack]] = {}
    for stack in stacks:
        groups.setdefault((stack.key, len(stack.trials)), []).append(stack)
    return list(groups.values())


def _stack_plan(group: Sequence[Stack], cache: Path, pacer: Pacer, largest: int) -> StackPlan:
    """The stacks that a program's jobs are trained in, by its pace on data of a single replicate."""
    stack = group[0]
    splits = [splits_of(stack.trials[0], cache)]
    pace, trials = pacer.pace(stack, splits, largest), len(stack.trials)
    parts = pace.parts(trials, largest)
    size = math.ceil(trials / parts)
    return StackPlan(
        count=len(group) * parts,
        size=size,
        steps=plan_steps(stack.config, len(splits[0].y_train))[0],
        ms=1e3 * pace.step(size),
        alone_ms=1e3 * pace.step(1),
        trial_s=seconds_of_a_trial(stack.config, pace, size),
    )
