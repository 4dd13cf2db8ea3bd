"""Studies that no machine holds, refused by arithmetic before anything is allocated."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from harness.planning.trials import n_trials
from harness.words.config import RunConfig
from harness.words.design import DataFacts, Design
from harness.words.form_errors import Problem
from harness.words.limits import MOST_NUMBERS, MOST_PARAMETERS, MOST_STEPS, MOST_TRIALS
from harness.words.study import Study


def too_large(config: RunConfig, facts: DataFacts, n_parameters: int) -> Iterator[tuple[str, str]]:
    """What of a config is too large: dotted path, and what is allowed there."""
    train, steps = config.train, config.train.total_steps(facts.n_train)
    examples = facts.n_train + facts.n_val + facts.n_test
    numbers = examples * prod(facts.input_shape)
    if numbers > MOST_NUMBERS:
        shape = " x ".join(map(str, facts.input_shape))
        message = f"{examples:,} examples of {shape} are {numbers:,} numbers; allowed: {MOST_NUMBERS:,}"
        yield "data", f"{message}. Ask for fewer examples"
    if n_parameters > MOST_PARAMETERS:
        message = f"the network has {n_parameters:,} parameters; allowed: {MOST_PARAMETERS:,}"
        yield "model", f"{message}. Make it narrower or shallower"
    if steps > MOST_STEPS:
        length = "seconds" if train.seconds is not None else "epochs"
        yield f"train.{length}", f"a trial takes {steps:,} optimizer steps; allowed: {MOST_STEPS:,}"


def too_many_trials(design: Design) -> list[Problem]:
    """The problem of a study with more trials than are planned at once, if it is one."""
    study = design.study
    total = _searched(study) if study.budget is not None else n_trials(design)
    judged = study.judge.replicates * sum(design.members(arm.label) for arm in design.arms)
    if total <= MOST_TRIALS:
        return []
    tuned = ("budget", "trials") if study.budget is not None else ("tune", "points")
    place = ("judge", "replicates") if 2 * judged > total else tuned
    message = f"the study takes {total:,} trials, {judged:,} of them to judge; allowed: {MOST_TRIALS:,}"
    return [Problem(place, f"{message}. Ask for fewer points, seeds, replicates or arms")]


def _searched(study: Study) -> int:
    assert study.budget is not None
    return study.budget.trials * study.budget.seeds + (study.budget.best + 1) * study.judge.replicates
