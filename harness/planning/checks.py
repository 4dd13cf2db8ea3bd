"""Checks of a design's meaning: hypotheses match arms, metrics are measured, rules can fire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from harness.catalogue.metrics import measured
from harness.errors import BadInput, unknown
from harness.planning.ensembles import ensemble_problems
from harness.planning.hypothesis_checks import WITHOUT_METRIC, hypothesis_problems
from harness.planning.no_effect import no_effect_problems
from harness.planning.outcomes import outcomes_of
from harness.planning.power import ALPHA, smallest_sign_flip_p
from harness.planning.probes import probe_problems
from harness.planning.size_checks import too_many_trials
from harness.planning.tuning_checks import tuning_problems
from harness.words.config import NEEDS_COST
from harness.words.design import Arm, Design
from harness.words.form_errors import Problem, shown
from harness.words.hypothesis import BestOf, Faster, Superiority
from harness.words.metrics import split_metric
from harness.words.named import named_columns
from harness.words.outcome import UNITS, Outcome
from harness.words.study import Study, Target
from harness.words.tasks import is_over_tasks
from harness.words.yaml_tree import Location

MIN_REPLICATES = 8
CURVE_OUTCOMES = ("best", "steps_to", "area", "overshoot")
MIN_EVALUATIONS = 3  # a running median of three


def meaning_problems(study: Study, design: Design) -> list[Problem]:
    """Everything that is wrong with what the study means, given its arms."""
    problems = [*_outcome_problems(study, design), *_selection(study), *_targets(study, design)]
    for index, hypothesis in enumerate(study.hypotheses):
        problems.extend(hypothesis_problems(design, index, hypothesis))
    problems.extend(probe_problems(study, design))
    problems.extend(ensemble_problems(study, design))
    problems.extend(tuning_problems(study, design))
    problems.extend(no_effect_problems(study, design))
    problems.extend(_required(study, design))
    problems.extend(_replicates(study))
    problems.extend(_control(study))
    return problems or too_many_trials(design)


def _outcome_problems(study: Study, design: Design) -> Iterator[Problem]:
    for place, outcome in outcomes_of(study):
        if outcome.function in ("exact", "probe"):
            continue  # they have names of their own, checked with the identity and in `probes`
        asked_of = _asked_of(place, study, design)
        message = _metric_message(outcome, design, asked_of) or _option_message(outcome, place, study, design)
        if message:
            yield Problem(place, message)


def _asked_of(place: Location, study: Study, design: Design) -> list[Arm]:
    """The arms that the outcome at a place of the study is asked of; every arm where tuning is by it."""
    with suppress(BadInput):  # a side or an arm that names nothing: said at its own key
        if place[0] == "hypotheses":
            columns = named_columns(design, study.hypotheses[int(place[1])])
            return [design.arm(label) for label in dict.fromkeys(c.arm for c in columns)]
        if place[0] == "require":
            return design.select_arms(study.require[str(place[1])].arm)
    return design.arms


def _metric_message(outcome: Outcome, design: Design, arms: Sequence[Arm]) -> str | None:
    """What is wrong with the outcome's metric in any of the arms, or None."""
    if outcome.function in WITHOUT_METRIC:
        return None if not outcome.metric else f"{outcome.function} takes no metric; found {outcome.metric!r}"
    try:
        split, metric = split_metric(outcome.metric)
    except BadInput as error:
        return str(error)
    on_curve = outcome.function in CURVE_OUTCOMES
    if on_curve and split == "test":
        return (
            f"found {outcome.metric!r}; the test split is seen once, after the last step, so "
            f"{outcome.function} takes val/{metric.name} or train/{metric.name}"
        )
    for arm in arms:
        loss = arm.config["train"]["loss"]
        found = sorted(measured(loss, design.data[arm.label].n_classes, at_end=not on_curve))
        if metric.name not in found:
            when = "during training" if on_curve else "at the end"
            return (
                f"{metric.name} is not measured {when} where train.loss is {loss}, as in the arm "
                f"{arm.label!r}. {unknown('metric', metric.name, found)}"
            )
    return None


def _restarts_message(outcome: Outcome, place: Location, study: Study) -> str | None:
    """What is wrong with `{final: ..., restarts: n}`, or None."""
    wanted, members = outcome.options["restarts"], study.judge.members
    if type(wanted) is not int or wanted < 2:
        return f"found restarts: {shown(wanted)}; allowed: a whole number from 2 on"
    if place[0] != "hypotheses":
        return "restarts are of judged nets, for a hypothesis's outcome alone"
    return (
        None
        if wanted <= members
        else (f"asks for {wanted} restarts, judge.members is {members}: set judge: {{members: {wanted}}}")
    )


def _unit_message(unit: str, design: Design) -> str | None:
    """What is wrong with the unit of a time to a target, or None."""
    if unit not in UNITS:
        return unknown("unit", unit, UNITS)
    free = [a.label for a in design.arms if a.config["train"].get("cost") is None]
    return f"a time in seconds {NEEDS_COST}; arm {free[0]!r} has none" if unit == "seconds" and free else None


def _option_message(outcome: Outcome, place: Location, study: Study, design: Design) -> str | None:
    bounds = ("at_least", "at_most")
    options: Mapping[str, Any] = outcome.options
    if outcome.function == "final" and list(options) == ["restarts"]:
        return _restarts_message(outcome, place, study)
    if outcome.function == "steps_to" and list(options) == ["unit"]:
        return _unit_message(str(options["unit"]), design)
    if outcome.function != "success":
        allowed = "no options but unit" if outcome.function == "steps_to" else "no options"
        return None if not options else f"{outcome.function} takes {allowed}; found {', '.join(options)}"
    if len(options) != 1 or next(iter(options)) not in bounds:
        return f"success needs at_least or at_most, one of the two; found {', '.join(options) or 'neither'}"
    value = next(iter(options.values()))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"found {shown(value)} as the bound of success; allowed: a number"
    return None


def _selection(study: Study) -> Iterator[Problem]:
    select = study.tune.select
    if select is not None and select.metric.startswith("test/"):
        message = (
            f"found {str(select)!r}; tuning never sees the test split: select on val/"
            f"{select.metric.partition('/')[2]}"
        )
        yield Problem(("tune", "select"), message)


def _targets(study: Study, design: Design) -> Iterator[Problem]:
    asked = [place for place, outcome in outcomes_of(study) if outcome.function == "steps_to"]
    yield from _idle_target(study, bool(asked))
    if not asked:
        return
    for arm in design.arms:
        train = arm.config["train"]
        evaluations = train.get("evaluations") or train.get("epochs") or MIN_EVALUATIONS
        if evaluations < MIN_EVALUATIONS:
            message = (
                f"needs at least {MIN_EVALUATIONS} evaluations a run; the arm {arm.label!r} has {evaluations}"
            )
            yield Problem(asked[0], message)
            break
    yield from _target_factors(study, design)
    if study.target.value is not None:
        return
    if not study.tune.parameters:
        yield Problem(
            asked[0], "has no target: nothing is tuned, so no tuning run sets one; give target.value"
        )
        return
    try:
        references = [design.target_reference(arm.label) for arm in design.arms]
    except BadInput as error:
        if study.target.reference is not None:
            yield Problem(("target", "reference"), str(error))
        return  # else the hypothesis's own side is wrong, and said so
    if None in references:
        yield Problem(asked[0], "has no target; give target.value, or target.reference (an arm)")


def _idle_target(study: Study, asked: bool) -> Iterator[Problem]:
    """Keys of the target that nothing heeds: all without a time to it, those that would set a given one."""
    given = [key for key in Target.model_fields if key in study.target.model_fields_set]
    for key in given if not asked else ():
        yield Problem(
            ("target", key),
            "is without effect: no outcome is a time to a target, {steps_to: ...}; leave it out",
        )
    for key in ("reference", "margin"):
        if asked and key in given and study.target.value is not None:
            yield Problem(("target", key), "is without effect beside value, the target itself; leave one out")


def _target_factors(study: Study, design: Design) -> Iterator[Problem]:
    """What is wrong with the factors at whose levels arms have targets of their own."""
    if study.target.each and study.target.value is not None:
        yield Problem(("target", "each"), "stands beside value, one target for all arms: give one of the two")
    for factor in study.target.each or ():
        if factor not in design.levels:
            yield Problem(("target", "each"), unknown("factor", factor, design.levels))


def _required(study: Study, design: Design) -> Iterator[Problem]:
    for name, check in study.require.items():
        if check.at_least is None and check.at_most is None:
            yield Problem(("require", name), "needs at_least or at_most")
        try:
            design.select_arms(check.arm)
        except BadInput as error:
            yield Problem(("require", name, "arm"), str(error))


def _control(study: Study) -> Iterator[Problem]:
    """A control is held by its primary hypothesis being supported, so that must say what is known."""
    if study.control is None:
        return
    kind = study.primary.kind if study.primary else "none"
    if (kind == "equivalence") != (study.control == "no_difference") or study.primary is None:
        wanted = {"no_difference": "equivalence", "planted_effect": "superiority, at_least or faster"}
        message = (
            f"a control of {study.control} is held by a primary hypothesis of the kind "
            f"{wanted[study.control]}; found {kind}"
        )
        yield Problem(("control",), message)


def _replicates(study: Study) -> Iterator[Problem]:
    """Too few pairs for any verdict, or for one after the correction for several hypotheses."""
    n, place = study.judge.replicates, ("judge", "replicates")
    if not study.hypotheses:
        return
    smallest = smallest_sign_flip_p(n)
    if n < MIN_REPLICATES:
        message = (
            f"found {n}; allowed: at least {MIN_REPLICATES} (with {n} pairs a sign-flip test can't go "
            f"below p = 2^-{n} = {smallest:.2g} one-sided)"
        )
        yield Problem(place, message)
        return
    secondary = len(study.hypotheses) - 1
    corrected = smallest_sign_flip_p(n, two_sided=True, tests=secondary)
    single = [h for h in study.hypotheses if isinstance(h, BestOf) and not is_over_tasks(h)]
    ranked = [h for h in single if h is not study.primary]
    if ranked and corrected >= ALPHA:
        message = (
            f"found {n}; with {secondary} secondary hypotheses the max-T test of best_of can't go below "
            f"p = {corrected:.2g} after Holm's correction: add replicates, or drop hypotheses"
        )
        yield Problem(place, message)
    least = min(_arms_against_a_control(study), default=1)
    corrected = smallest_sign_flip_p(n, two_sided=True, tests=secondary / least)
    if least > 1 and corrected >= ALPHA:
        message = (
            f"found {n}; with {secondary} secondary hypotheses the max-T test of {least} arms against a "
            f"control can't go below p = {corrected:.2g}: add replicates, or drop hypotheses"
        )
        yield Problem(place, message)


def _arms_against_a_control(study: Study) -> list[int]:
    """How many arms each control has that secondary hypotheses hold against it, where they are several.

    As `analysis.families` groups them, by what the study says.
    """
    pairs = [
        h
        for h in study.hypotheses
        if isinstance(h, (Superiority, Faster)) and h is not study.primary and not h.for_each
    ]
    controls = Counter(repr((h.b, sorted(h.at.items()), h.outcome)) for h in pairs)
    return [arms for arms in controls.values() if arms > 1]
