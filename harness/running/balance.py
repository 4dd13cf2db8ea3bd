"""Stacks shared out so that no worker idles while another has much left."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from harness.catalogue.resolve import data_facts, n_parameters
from harness.running.pace import Pace, Pacer
from harness.training.probes import probe_plan
from harness.training.run import plan_steps
from harness.training.stack import Stack, spread_evenly
from harness.words.config import RunConfig, batch_size_of
from harness.words.probes import PROBES

Cost = Callable[[Stack], float]

SLACK = 0.04  # of an even share, by which the busiest worker may have more
OVERHEAD = 2  # trials that a stack costs beyond its own, where its program was never timed
PASSES = {"activity": 2, "gradient": 1, "weights": 0}  # over the training set, in steps of as many examples


def balanced(stacks: Sequence[Stack], workers: int, cost: Cost) -> list[Stack]:
    """The stacks, longest first, some of them cut in two so that `workers` end at about the same time.

    A stack is cut only where that relieves the busiest worker: small ones cost more a trial.
    """
    parts = sorted(stacks, key=cost, reverse=True)
    while True:
        shares = longest_first(parts, workers, cost)
        loads, even = _loads(shares, cost), sum(map(cost, parts)) / workers
        if loads[0] <= (1 + SLACK) * even:
            return parts
        busiest = max(shares, key=lambda share: sum(map(cost, share)))
        attempts = [
            _cut(parts, stack, (loads[0] - even) / cost(stack), cost)
            for stack in reversed(busiest)
            if len(stack.trials) > 1
        ]
        after = [_loads(longest_first(p, workers, cost), cost) for p in attempts]
        if min(after, default=loads) >= loads:
            return parts
        parts = attempts[after.index(min(after))]


def longest_first(parts: Sequence[Stack], workers: int, cost: Cost) -> list[list[Stack]]:
    """Each worker's stacks where the next, longest first, goes to whoever is free first."""
    free: list[tuple[float, int]] = [(0.0, i) for i in range(workers)]
    shares: list[list[Stack]] = [[] for _ in range(workers)]
    for stack in parts:
        busy, worker = heapq.heappop(free)
        shares[worker].append(stack)
        heapq.heappush(free, (busy + cost(stack), worker))
    return shares


def _loads(shares: Sequence[Sequence[Stack]], cost: Cost) -> list[float]:
    """What each worker has to do, the busiest first."""
    return sorted((sum(map(cost, share)) for share in shares), reverse=True)


def _cut(parts: Sequence[Stack], stack: Stack, share: float, cost: Cost) -> list[Stack]:
    """The parts, longest first, with about a share of one of them as a stack of its own.

    Its trials are dealt out, so that both have their share of each optimizer and of those that diverge.
    """
    n = len(stack.trials)
    first = min(max(n - round(share * n), 1), n - 1)
    stays = set(spread_evenly(first, n))
    halves = [
        stack._replace(trials=tuple(t for i, t in enumerate(stack.trials) if (i in stays) is half))
        for half in (True, False)
    ]
    return sorted([*(p for p in parts if p is not stack), *halves], key=cost, reverse=True)


def cost_of(stacks: Sequence[Stack], pacer: Pacer) -> Cost:
    """What stacks of these programs cost: seconds where all were timed before, else in a unit of its own.

    Each program is looked up once, and each size of its stacks reckoned once.
    """
    configs = {stack.key: stack.config for stack in stacks}
    paces = {key: pacer.known(key) for key in configs}
    if all(pace.step_s for pace in paces.values()):
        seconds = cache(lambda key, trials: _seconds(configs[key], paces[key], trials))
        return lambda stack: seconds(stack.key, len(stack.trials))
    a_trial = {key: _work(config) for key, config in configs.items()}
    return lambda stack: (len(stack.trials) + OVERHEAD) * a_trial[stack.key]


def _seconds(config: dict[str, Any], pace: Pace, trials: int) -> float:
    size = math.ceil(trials / pace.parts(trials, trials))
    return trials * seconds_of_a_trial(config, pace, size)


def seconds_of_a_trial(config: dict[str, Any], pace: Pace, size: int) -> float:
    """Seconds a trial takes in a stack of that size: steps, evaluations on twice n_val examples, probes."""
    facts = data_facts(RunConfig.model_validate(config))
    steps, evaluations = plan_steps(config, facts.n_train)
    batch = batch_size_of(config, facts.n_train)
    probed = probe_passes(config, steps) * facts.n_train / batch  # in steps
    return (steps + probed) * pace.step(size) + len(evaluations) * pace.evaluation(
        size, 2 * facts.n_val, batch
    )


def probe_passes(config: dict[str, Any], steps: int) -> int:
    """Passes over the training set that a trial's probes take; those of one moment share theirs."""
    asked = config.get("probes") or {}
    at_end = [name for name, whens in asked.items() if {"end", "all"} & set(whens)]
    moments = [*probe_plan(config, steps).values(), at_end]
    return sum(PASSES[read] for names in moments for read in {PROBES[name].reads for name in names})


def trials_within(work: float, config: dict[str, Any]) -> int:
    """How many trials, at least one, together are no more than so much work."""
    return max(1, math.floor(work / max(1.0, _work(config))))  # networks as they start take no step


def _work(config: dict[str, Any]) -> float:
    """Of one trial: steps x examples a step x parameters."""
    run = RunConfig.model_validate(config)
    facts = data_facts(run)
    steps, _ = plan_steps(config, facts.n_train)
    return float(steps * batch_size_of(config, facts.n_train) * n_parameters(run, facts))
