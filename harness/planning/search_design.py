"""A search's study file to a design: what is judged after it is known before it, by its place alone.

The arms are called best 1, best 2, ... and default. Their configs stand as the base's, since which ones
they are is what the search finds; the choices of the search say so, as tuning's do in a comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.catalogue.resolve import ConfigError, beside, data_facts, n_parameters
from harness.planning.checks import meaning_problems
from harness.planning.size_checks import too_large
from harness.planning.space import default_configs, parameters
from harness.words.base import content_hash
from harness.words.config import RunConfig
from harness.words.design import Arm, Design
from harness.words.form_errors import Problem
from harness.words.outcome import Outcome
from harness.words.search import DEFAULT
from harness.words.study import Judge, Study
from harness.words.study_file import StudyFile

REPLICATES = 10  # the best configs are judged on, unless the study says how many
FUNCTIONS = ("final", "best")  # what a search may look for
COMPARISON_ONLY = ("arms", "tune", "hypotheses", "require", "target", "control")


def make_search_design(file: StudyFile, tier: str | None) -> Design:
    """The search as it will run. Raises StudyError with every problem of its meaning, by file and line."""
    problems = list(_not_of_a_search(file.study))
    if problems:
        raise file.report(problems)
    try:
        study = _whole(file)
        first = _first_default(study)
        problems = parameters(study)[1]
        if problems or first is None:
            raise file.report(problems)
        design = _design(file.name, study, tier, first)
    except ConfigError as error:
        raise file.error(error.message, "base", *error.path.split(".")) from None
    problems = [*_objective(study), *meaning_problems(study, design)]
    if problems:
        raise file.report(problems)
    return design


def objective_of(design: Design) -> Outcome:
    """What the search looks for: as declared, else the final validation accuracy, or squared error."""
    if design.study.objective is not None:
        return design.study.objective
    regression = any(facts.n_classes is None for facts in design.data.values())
    return Outcome(function="final", metric="val/mse" if regression else "val/accuracy")


def space_hash(design: Design) -> str:
    """Of all that decides which configs are tried, but for their number: a search may go on with more."""
    study, budget = design.study, design.study.budget
    assert budget is not None
    tree = study.model_dump(mode="json", include={"base", "space"})
    return content_hash(
        [design.name, tree, str(objective_of(design)), budget.sampler, budget.batch, budget.seeds]
    )


def _whole(file: StudyFile) -> Study:
    """The study with its own files found, and as many replicates as a search judges."""
    study = file.study
    base = beside(study.base, file.path.parent)
    given = "replicates" in study.judge.model_fields_set
    return study.model_copy(
        update={"base": base, "judge": study.judge if given else Judge(replicates=REPLICATES)}
    )


def _design(name: str, study: Study, tier: str | None, config: RunConfig) -> Design:
    """The design around the space's first default config."""
    assert study.budget is not None
    facts = data_facts(config)
    size, steps = n_parameters(config, facts), config.train.total_steps(facts.n_train)
    for path, message in too_large(config, facts, size):
        raise ConfigError(path, message)
    labels = [*(f"best {i + 1}" for i in range(study.budget.best)), DEFAULT]
    arms = [
        Arm(label=label, levels={}, values={}, config=config.tree(), tuned=[], n_parameters=size)
        for label in labels
    ]
    return Design(
        name=name,
        study=study,
        tier=tier,
        arms=arms,
        data=dict.fromkeys(labels, facts),
        points=study.budget.trials,
        steps=dict.fromkeys(labels, steps),
    )


def _not_of_a_search(study: Study) -> Iterator[Problem]:
    for key in COMPARISON_ONLY:
        if key in study.model_fields_set and getattr(study, key):
            message = (
                "a search has none: it tries configs of its space; allowed beside: base, space, budget, "
            )
            yield Problem((key,), message + "objective, judge.replicates")
    if study.budget is not None and study.budget.best > study.budget.trials:
        message = f"found {study.budget.best}; allowed: at most the {study.budget.trials} trials"
        yield Problem(("budget", "best"), message)
    for key, fits, allowed in (
        ("replicates", study.judge.replicates >= 2, "a search judges at least 2"),
        ("members", study.judge.members == 1, "a search judges nets one by one: 1"),
    ):
        if not fits:
            yield Problem(("judge", key), f"found {getattr(study.judge, key)}; {allowed}")


def _objective(study: Study) -> Iterator[Problem]:
    outcome = study.objective
    if outcome is not None and (outcome.function not in FUNCTIONS or not outcome.metric.startswith("val/")):
        message = (
            f"found {str(outcome)!r}; a search looks at the validation split alone: allowed: "
            "{final: val/METRIC} or {best: val/METRIC}"
        )
        yield Problem(("objective",), message)


def _first_default(study: Study) -> RunConfig | None:
    """The first default config; None where the space is what is wrong. Raises ConfigError: the base is."""
    configs = list(default_configs(study))
    errors = [config for config in configs if isinstance(config, ConfigError)]
    if len(errors) == len(configs) and errors[0].path not in study.space:
        raise errors[0]
    return next((config for config in configs if isinstance(config, RunConfig)), None)
