"""A study file to a design: arms with whole configs, budgets, data; and every check of its meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.catalogue.resolve import ConfigError, beside, data_facts, n_parameters, resolve
from harness.errors import unknown
from harness.planning.arms import Combination, combinations, factors, overlap, paths_of
from harness.planning.checks import meaning_problems
from harness.planning.dimensions import dimensions, tuning_points
from harness.planning.probes import with_probes
from harness.planning.search_design import make_search_design
from harness.planning.size_checks import too_large
from harness.planning.tiers import apply_tier
from harness.words.config import SECTIONS, RunConfig, a_step
from harness.words.design import Arm, DataFacts, Design
from harness.words.form_errors import Problem, shown
from harness.words.paths import set_paths
from harness.words.study_file import StudyFile, study_of
from harness.words.yaml_tree import Location


def make_design(file: StudyFile, tier: str | None = None, replicates: int | None = None) -> Design:
    """The study as it will run. `replicates` overrides the file's.

    Raises StudyError with every problem of its meaning, by file and line: unknown names and wrong
    values, hypotheses that match no arm, and rules that can't fire.
    """
    file = _with_replicates(apply_tier(file, tier), replicates)
    if file.study.kind == "search":
        return make_search_design(file, tier)
    design = _design(file, tier)
    problems = meaning_problems(file.study, design)
    if problems:
        raise file.report(problems)
    return design


def validate_study(file: StudyFile) -> None:
    """Check a study's meaning in every tier. Raises StudyError as `make_design` does."""
    for tier in (None, *file.study.tiers):
        make_design(file, tier)


def _with_replicates(file: StudyFile, replicates: int | None) -> StudyFile:
    if replicates is None:
        return file
    judge = {**file.tree.get("judge", {}), "replicates": replicates}
    return study_of(
        file.path, {**file.tree, "judge": judge}, file.lines, {("judge", "replicates"): "--replicates"}
    )


def _design(file: StudyFile, tier: str | None) -> Design:
    crossed = combinations(file)
    problems = [*_base_problems(file.study.base), *_tuned_factors(file)]
    if problems:
        raise file.report(problems)
    made = [_arm(file, combination) for combination in crossed]
    problems = [problem for _, found in made for problem in found]
    if problems:
        raise file.report(_one_a_place(problems))
    arms = [arm for arm, _ in made if arm is not None]
    configs = {arm.label: RunConfig.model_validate(arm.config) for arm in arms}
    facts = {label: data_facts(config) for label, config in configs.items()}
    return Design(
        name=file.name,
        study=file.study,
        tier=tier,
        arms=arms,
        data=facts,
        points=max(tuning_points(file.study.tune, arm.tuned) for arm in arms),
        steps={label: c.train.total_steps(facts[label].n_train) for label, c in configs.items()},
    )


def _arm(file: StudyFile, combination: Combination) -> tuple[Arm | None, list[Problem]]:
    """The arm, or what is wrong with it."""
    try:
        tree = with_probes(set_paths(file.study.base, combination.paths), file.study)
        config = resolve(beside(tree, file.path.parent))
        facts = data_facts(config)
        size = n_parameters(config, facts)
    except ConfigError as error:
        return None, [_config_problem(combination, error)]
    tuned, problems = dimensions(file.study.tune, combination, config)
    problems.extend(_length_problems(combination, config, facts))
    problems.extend(Problem(_source(combination, path), m) for path, m in too_large(config, facts, size))
    if problems:
        return None, problems
    arm = Arm(
        label=combination.label,
        levels={name: level.label for name, level in combination.levels.items()},
        values={name: level.value for name, level in combination.levels.items()},
        config=config.tree(),
        tuned=tuned,
        n_parameters=size,
    )
    return arm, []


def _config_problem(combination: Combination, error: ConfigError) -> Problem:
    location = _source(combination, error.path)
    if location[0] == "arms":
        return Problem(location, error.message)
    return Problem(location, f"{error.message} (in arm {combination.label!r})")


def _source(combination: Combination, path: str) -> Location:
    """Where in the file a config's path got its value: a factor's level, else the base."""
    for name, level in combination.levels.items():
        for own in level.paths:
            if overlap(own, path):
                place = () if level.place is None else (level.place,)
                return ("arms", name, *place) if own == name else ("arms", name, *place, own)
    return ("base", *path.split("."))


def _length_problems(combination: Combination, config: RunConfig, facts: DataFacts) -> Iterator[Problem]:
    train = config.train
    if train.steps == 0:
        return
    if train.steps_per_epoch(facts.n_train) < 1:
        message = (
            f"a batch of {train.batch_size} is larger than the {facts.n_train} training examples; "
            f'allowed: at most {facts.n_train}, or "full"'
        )
        yield Problem(_source(combination, "train.batch_size"), message)
    elif train.total_steps(facts.n_train) < 1:
        step = a_step(config.tree(), "seconds", facts.n_train)
        message = f"found {train.seconds:g}; allowed: {step:.3g} and more, the cost of a step"
        yield Problem(_source(combination, "train.seconds"), message)


def _base_problems(base: Mapping[str, Any]) -> Iterator[Problem]:
    for section, value in base.items():
        if section not in (*SECTIONS, "probes"):
            yield Problem(("base", section), unknown("section of a config", section, SECTIONS))
        elif not isinstance(value, Mapping):
            message = f"found {shown(value)}; allowed: a mapping of options, such as {{name: ...}}"
            yield Problem(("base", section), message)


def _tuned_factors(file: StudyFile) -> Iterator[Problem]:
    """A path that is tuned can't be a factor's too: tuning would undo what the arms compare."""
    for path in file.study.tune.parameters:
        for factor in factors(file):
            if any(overlap(path, own) for own in paths_of(factor)):
                message = f"is tuned, and set by the factor {factor.name!r} too; only one of them may"
                yield Problem(("tune", path), message)


def _one_a_place(problems: list[Problem]) -> list[Problem]:
    """The first problem at each place: what is wrong in the base is wrong in every arm."""
    first: dict[Location, Problem] = {}
    for problem in problems:
        first.setdefault(problem.location, problem)
    return list(first.values())
