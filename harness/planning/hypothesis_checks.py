"""Checks of a hypothesis's meaning: what it names is there, and its rule can be applied to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from harness.errors import BadInput, unknown
from harness.planning.detectable import EVENTS, far_bound, overlap
from harness.planning.for_each import for_each_problems
from harness.planning.rates import decided_from
from harness.planning.task_checks import task_problems
from harness.words.certificates import not_about
from harness.words.design import Design
from harness.words.form_errors import Problem
from harness.words.hypothesis import (
    BY_RATIO,
    CLOSED_FORMS,
    AtLeast,
    Hypothesis,
    Impossibility,
    Interaction,
    Mechanism,
    Threshold,
)
from harness.words.named import named_columns, sweep
from harness.words.outcome import Delta
from harness.words.tasks import is_over_tasks
from harness.words.yaml_tree import Location

WITHOUT_METRIC = ("diverged",)
WITH_DEFAULT_DELTA = ("final", "best", "area")
# kind -> the outcomes it can be asked of, and how such an outcome is written
OUTCOMES_OF = {
    "faster": (("steps_to",), "`faster` compares steps, such as {steps_to: val/accuracy}"),
    "threshold": (("diverged", "success"), "`threshold` asks when runs diverge or succeed: write diverged"),
    "impossibility": (("success",), "`impossibility` asks for {success: train/accuracy, at_least: 1.0}"),
    "identity": (("exact",), "`identity` compares exact quantities, such as {exact: linear_collapse}"),
}


def hypothesis_problems(design: Design, index: int, hypothesis: Hypothesis) -> Iterator[Problem]:
    """Everything that is wrong with one hypothesis of a study."""
    place: Location = ("hypotheses", index)
    wrong = list(for_each_problems(design, place, hypothesis))
    if wrong:
        yield from wrong
        return
    said: set[Location] = set()
    for setting in design.settings(hypothesis):
        found = [p for p in _problems(design, place, setting.hypothesis) if p.location not in said]
        said |= {p.location for p in found}
        yield from found


def _problems(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """What is wrong with a hypothesis at one setting."""
    yield from _sides(design, place, hypothesis)
    yield from _kind_of_outcome(place, hypothesis)
    yield from _one_target(design, place, hypothesis)
    yield from _bound(design, place, hypothesis)
    yield from _certificate(design, place, hypothesis)
    yield from _rate_out_of_reach(design, place, hypothesis)
    yield from task_problems(design, place, hypothesis)
    if hasattr(hypothesis, "delta"):
        yield from _delta(place, hypothesis, hypothesis.delta)
        yield from _share_of_nothing(design, place, hypothesis)


def _sides(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """Sides, selectors and factors that name nothing, or not one arm; each at its own key."""
    at, wrong = hypothesis.at, False
    checks: dict[str, Callable[[], Any]] = {
        "at": lambda: design.select_arms({}, at),
        "over": lambda: sweep(design, hypothesis),  # type: ignore[arg-type]  # only those that have it
        "arm": lambda: design.select_arms(getattr(hypothesis, "arm", {}), at),
    }
    if not isinstance(hypothesis, Interaction):  # whose sides name one arm at each level
        checks |= {key: _side_check(design, hypothesis, key) for key in ("a", "b")}
    for key, check in checks.items():
        if not hasattr(hypothesis, key) or (key == "a" and getattr(hypothesis, key) is None):
            continue
        if key == "a" and is_over_tasks(hypothesis):
            continue  # an arm on every task: said in `task_checks`
        try:
            check()
        except BadInput as error:
            wrong = True
            yield Problem((*place, key), str(error))
            if key == "at":
                return
    if not wrong:
        yield from _columns(design, place, hypothesis)


def _side_check(design: Design, hypothesis: Hypothesis, key: str) -> Callable[[], Any]:
    return lambda: design.select_arm(getattr(hypothesis, key), hypothesis.at)


def _columns(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """What the sides make together: different arms, one at each level."""
    try:
        named_columns(design, hypothesis)
    except BadInput as error:
        yield Problem((*place, "b") if hasattr(hypothesis, "b") else place, str(error))


def _kind_of_outcome(place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    outcome, where = hypothesis.outcome, (*place, "outcome")
    allowed, message = OUTCOMES_OF.get(hypothesis.kind, ((), ""))
    if allowed and outcome.function not in allowed:
        yield Problem(where, f"found {str(outcome)!r}; {message}")
    elif outcome.function == "exact" and hypothesis.kind != "identity":
        yield Problem(where, f"found {str(outcome)!r}; an exact quantity is for the kind identity")
    elif outcome.function == "exact" and outcome.metric not in CLOSED_FORMS:
        yield Problem(where, unknown("exact quantity", outcome.metric, CLOSED_FORMS))


def _one_target(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """Times to unlike targets can't be compared."""
    outcome = getattr(hypothesis, "outcome", None)
    if outcome is None or outcome.function != "steps_to":
        return
    try:
        columns = named_columns(design, hypothesis)
    except BadInput:  # said elsewhere
        return
    names = sorted({design.target_name(outcome.metric, column.arm) for column in columns})
    if len(names) > 1:
        yield Problem(
            (*place, "outcome"),
            f"compares times to unlike targets ({', '.join(names)}): each level of "
            f"{' and '.join(design.target_factors)} has its own. Compare within a level, by `at` or "
            "for_each, or give target: {each: []} for one target",
        )


def _bound(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """A threshold works in the logarithm of levels, and its bound lies between them."""
    if not isinstance(hypothesis, Threshold):
        return
    try:
        levels = sweep(design, hypothesis)
    except BadInput:
        return  # said of `over`
    low, high = levels.values[0], levels.values[-1]
    if low <= 0:
        message = f"{hypothesis.over!r} has the level {levels.labels[0]}; threshold needs levels above 0"
        yield Problem((*place, "over"), message)
    for key in ("above", "below"):
        bound = getattr(hypothesis, key)
        if bound is not None and not low < bound < high:
            message = f"found {bound:g}; allowed: between the outermost levels, {low:g} and {high:g}"
            yield Problem((*place, key), message)


def _certificate(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """A certificate is about the arms it is asked for."""
    if not isinstance(hypothesis, Impossibility):
        return
    try:
        arms = design.select_arms(hypothesis.arm, hypothesis.at)
    except BadInput:
        return  # said of `arm`
    message = next((m for a in arms if (m := not_about(a.config)) is not None), None)
    if message is not None:
        yield Problem((*place, "certificate"), message)


def _rate_out_of_reach(design: Design, place: Location, hypothesis: Hypothesis) -> Iterator[Problem]:
    """A bound on a rate that so few runs can't be surely beyond, even if all of them are."""
    if not isinstance(hypothesis, Mechanism) or hypothesis.outcome.function not in EVENTS:
        return
    n, key = design.study.judge.replicates, "above" if hypothesis.above is not None else "below"
    try:
        decided = decided_from(n, far_bound(hypothesis), overlap(design, hypothesis))
    except BadInput:
        return  # said of `arm`
    if decided is None:
        yield Problem(
            (*place, key),
            f"found {getattr(hypothesis, key):g}; of {n} replicates not even all on that side put Clopper "
            "and Pearson's interval there: judge more replicates, or move the bound",
        )


def _share_of_nothing(design: Design, place: Location, hypothesis: Any) -> Iterator[Problem]:
    """A relative delta of an outcome that may be 0 on average, or lie on both sides of it."""
    outcome, delta = hypothesis.outcome, hypothesis.delta
    why = None
    if outcome.function in (*EVENTS, "overshoot"):
        why = "which may be 0"
    elif outcome.function in WITH_DEFAULT_DELTA and _is_log_density(design, hypothesis):
        why = "the negative log of a density, which may be 0 or below"
    by_default = delta is None and outcome.function in WITH_DEFAULT_DELTA
    if why and (by_default or (delta is not None and delta.relative)):
        found = "missing, so 5 % of the other arm's mean" if delta is None else f"found {delta}"
        yield Problem(
            (*place, "delta"),
            f"{found}; no share can be taken of {outcome}, {why}: give a number, such as 0.1",
        )


def _is_log_density(design: Design, hypothesis: Any) -> bool:
    try:
        arms = {column.arm for column in named_columns(design, hypothesis)}
    except BadInput:  # said elsewhere
        return False
    metric = hypothesis.outcome.metric.partition("/")[2]
    losses = [design.arm(arm).config["train"]["loss"] for arm in arms if design.data[arm].n_classes is None]
    return bool(losses) and (metric == "nll" or (metric == "loss" and "gaussian_nll" in losses))


def _delta(place: Location, hypothesis: Hypothesis, delta: Delta | None) -> Iterator[Problem]:
    where, outcome = (*place, "delta"), hypothesis.outcome
    by_ratio = outcome.function == "steps_to" and isinstance(hypothesis, BY_RATIO)
    if delta is None:
        own = outcome.function in WITH_DEFAULT_DELTA or by_ratio
        if not own and not (isinstance(hypothesis, AtLeast) and hypothesis.x):
            yield Problem(
                where, f"missing; {outcome} has no smallest effect of its own: give one, such as 0.1"
            )
        return
    if by_ratio and not delta.relative and delta.value <= 1:
        yield Problem(
            where, f"found {delta}; steps are compared by their ratio: allowed above 1, such as 1.25"
        )
    bounded = outcome.function in EVENTS or outcome.metric.endswith(("/accuracy", "/error"))
    if outcome.function != "steps_to" and bounded and not delta.relative and delta.value >= 1:
        message = f"found {delta}; no difference of {outcome} can reach 1: allowed below 1, such as 0.01"
        yield Problem(where, message)
