"""Faster: a reaches the target in fewer steps (or another unit) than b, by a factor of delta or more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.analysis.estimates import Interval, probability_better
from harness.analysis.kinds.base import Answered, Extra, Kind, effect_by_flips
from harness.analysis.kinds.pair import pair_extra, weigh
from harness.analysis.outcome_table import Pairs, outcome_table, pairs
from harness.analysis.question import Question
from harness.analysis.time_to_target import (
    by_wins,
    held_to_wins,
    is_censored,
    log_rank_p,
    log_speed_up,
    restricted_mean_difference,
    win_loss_p,
    wins,
)
from harness.analysis.verdict_rule import effect_rule
from harness.analysis.wording import delta_text, rounded_ratio, target_text
from harness.words.verdict import Estimate

TARGET_GRID = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.05)  # of the way from the first evaluation to the target


def faster(asked: Question) -> Answered:
    """The log ratio of times to the target; where some runs never reach it, see `_censored`."""
    both = pairs(asked.table, asked.subject, asked.reference)
    if len(both) < 2:
        return Answered(asked)
    interval = log_speed_up(both, asked.variance_ratio, asked.confidence)
    kept = both.without_diverged()
    logs = np.log(both.b) - np.log(both.a)
    never: Extra = {
        "a_censored": float(both.a_censored.mean()),
        "b_censored": float(both.b_censored.mean()),
        "log_rank_p": None if asked.variance_ratio else log_rank_p(both),
    }
    lost = 2 <= len(kept) < len(both)
    found = Answered(
        asked,
        interval,
        effect_rule(interval, asked.margin, asked.variance_ratio),
        effect_by_flips(asked, logs, interval.value),
        pair_extra(asked, both, logs) | never,
        log_speed_up(kept, asked.variance_ratio) if lost else None,
        sensitivity=target_sensitivity(asked),
    )
    return _censored(found, both, interval) if is_censored(both) else found


def _censored(found: Answered, both: Pairs, interval: Interval) -> Answered:
    """An answer by the ratio of restricted means, with wins against losses as robustness test and guard."""
    asked, signs = found.question, wins(both)
    saved, gap = f"{asked.outcome.unit}_saved", restricted_mean_difference(both, asked.variance_ratio)
    beside: Extra = {
        saved: gap.value,
        f"{saved}_low": gap.low,
        f"{saved}_high": gap.high,
        "probability_better": probability_better(signs),
        "win_loss_p": None if asked.variance_ratio else win_loss_p(signs),
        "d_z": None,  # of times of which some are not known
        "sign_flip_p": None,
    }
    robust = None
    if not asked.variance_ratio:
        robust = by_wins(both, interval.value, asked.margin, asked.one_sided)
    ruling = found.ruling and held_to_wins(found.ruling, interval, robust, both)
    return replace(found, ruling=ruling, robust=robust, extra=found.extra | beside)


def target_sensitivity(asked: Question) -> list[dict[str, float]]:
    """The speed-up at other targets, from halfway to slightly beyond the one asked.

    A target is a share of the way from the median first evaluation of the two arms to the target.
    """
    if asked.target is None:
        return []
    curves = asked.evidence.curves([asked.outcome.metric])
    chosen = curves[curves["arm"].isin(asked.arms)]
    start = float(chosen[chosen["step"] == chosen["step"].min()]["value"].median())
    rows = []
    for share in TARGET_GRID:
        target = start + share * (asked.target - start)
        both = pairs(outcome_table(asked.evidence, asked.outcome, target), asked.subject, asked.reference)
        found = log_speed_up(both, asked.variance_ratio)
        rows.append(
            {
                "target": target,
                "ratio": asked.scale.show(found.value),
                "low": asked.scale.show(found.low),
                "high": asked.scale.show(found.high),
                "a_censored": float(both.a_censored.mean()),
                "b_censored": float(both.b_censored.mean()),
            }
        )
    return rows


def statement(asked: Question) -> str:
    """a reaches the target in fewer steps, or units of another kind, than b."""
    fewer = f"at least {delta_text(asked)} fewer {asked.outcome.unit_label}"
    return f"{asked.subject} reaches {target_text(asked)} in {fewer} than {asked.reference}"


def finding(asked: Question, found: Estimate) -> str:
    """How many times fewer, or more, steps, or units of another kind, a takes than b."""
    a, b, goal, unit = asked.subject, asked.reference, target_text(asked), asked.outcome.unit_label
    if found.value < 0:
        inverse = (1 / found.shown_high, 1 / found.shown_value, 1 / found.shown_low)
        low, value, high = rounded_ratio(*inverse)
        return (
            f"{a} takes {value}x the {unit} of {b} to reach {goal}, 95 % interval {low} to {high}, "
            f"at least {delta_text(asked)} fewer asked"
        )
    low, value, high = rounded_ratio(found.shown_low, found.shown_value, found.shown_high)
    return (
        f"{a} reaches {goal} in {value}x fewer {unit} than {b}, 95 % interval {low} to {high}, "
        f"at least {delta_text(asked)} asked"
    )


FASTER = Kind(weigh, faster, statement, finding)
