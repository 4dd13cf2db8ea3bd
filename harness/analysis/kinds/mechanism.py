"""Mechanism: an outcome of every arm selected lies above, or below, a threshold fixed beforehand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from harness.analysis.estimates import Interval
from harness.analysis.events import rate_beyond
from harness.analysis.kinds.base import (
    EVENTS,
    WITHOUT_DELTA,
    Answered,
    Kind,
    bound_by_flips,
    described,
    mean_interval,
    without_diverged,
)
from harness.analysis.kinds.joint import deciding, judged_parts
from harness.analysis.outcome_table import arm_values
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question
from harness.analysis.scale import Scale, is_share, outcome_label
from harness.analysis.verdict_rule import bound_rule
from harness.analysis.wording import interval_text
from harness.words.hypothesis import Mechanism
from harness.words.verdict import Estimate


def weigh(asked: Question) -> Question:
    """The estimate is how far the outcome lies on the claim's side; shown is the outcome itself.

    A share that a diverged run didn't leave, as of dead units, counts as the one that speaks most
    against the claim: 0 where it says above, 1 where it says below.
    """
    bound, sign = _bound(asked)
    if is_share(asked.outcome):
        values = asked.table["value"].mask(asked.table["diverged"] & asked.table["value"].isna(), sign < 0)
        table = asked.table.assign(value=values.astype(float))
        return replace(asked, table=table, scale=Scale("points", "%", offset=bound, sign=sign))
    return replace(asked, scale=Scale("plain", "", offset=bound, sign=sign))


def mechanism(asked: Question) -> Answered:
    """The interval of an arm's mean against the threshold; with several arms, all must hold."""
    bound, sign = _bound(asked)
    values = {arm: sign * (arm_values(asked.table, arm) - bound) for arm in asked.columns}
    if any(len(v) < 2 for v in values.values()):
        return Answered(asked)
    judges = {arm: partial(_against_bound, arm=arm, values=v) for arm, v in values.items()}
    least = deciding(judged_parts(asked, judges))
    own = asked.table[asked.table["arm"] == least.label].sort_values("replicate")
    rows = [
        {"level": a, "value": None, **described(asked, arm_values(asked.table, a))} for a in asked.columns
    ]
    return Answered(
        asked,
        least.interval,
        least.ruling,
        least.robust,
        {"arm": least.label, "variance_ratio": asked.variance_ratio},
        without_diverged(asked, values[least.label], own["diverged"].to_numpy(dtype=bool)),
        levels=rows if len(rows) > 1 else [],
    )


def _against_bound(asked: Question, arm: str, values: Floats) -> Answered:
    """Whether an arm's (n,) values, its distances from the threshold, lie above 0: on the claim's side."""
    if asked.outcome.function in EVENTS:
        interval = _rate(asked, values)
    else:
        interval = mean_interval(asked, values, [arm])
    return Answered(
        asked,
        interval._replace(method=interval.method.removeprefix("paired ")),
        bound_rule(interval, 0.0, asked.variance_ratio),
        bound_by_flips(asked, values, 0.0),
    )


def _rate(asked: Question, values: Floats) -> Interval:
    """The distance of the rate that an event, or with a claim of `below` its absence, has."""
    bound, sign = _bound(asked)
    far = bound if sign > 0 else 1 - bound
    return rate_beyond(np.rint(values + far), far, asked.variance_ratio, asked.confidence)


def _bound(asked: Question) -> tuple[float, float]:
    """The threshold, and 1 where the claim is above it, -1 where below."""
    hypothesis = asked.hypothesis
    assert isinstance(hypothesis, Mechanism)
    if hypothesis.above is not None:
        return hypothesis.above, 1.0
    assert hypothesis.below is not None
    return hypothesis.below, -1.0


def _side(asked: Question) -> str:
    sign = _bound(asked)[1]
    return f"{'above' if sign > 0 else 'below'} {_shown(asked, f'{asked.scale.show(0.0):.4g}')}"


def _shown(asked: Question, number: str) -> str:
    return f"{number} %" if asked.scale.unit == "%" else number


def statement(asked: Question) -> str:
    """The outcome of the arms lies above, or below, the threshold."""
    arms = asked.subject if len(asked.columns) == 1 else f"each of {len(asked.columns)} arms"
    return f"the {outcome_label(asked.outcome)} of {arms} is {_side(asked)}"


def finding(asked: Question, found: Estimate) -> str:
    """The mean of the arm that decides, its interval, the threshold."""
    value, interval = interval_text(found)
    several = len(asked.columns) > 1
    which = (
        f"{found.extra['arm']}, the arm that decides among {len(asked.columns)},"
        if several
        else asked.subject
    )
    return (
        f"the {outcome_label(asked.outcome)} of {which} is {_shown(asked, value)}, {interval}, "
        f"{_side(asked)} claimed"
    )


MECHANISM = Kind(weigh, mechanism, statement, finding, WITHOUT_DELTA, held=False)
