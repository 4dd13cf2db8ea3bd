"""Faster: a reaches the target in fewer steps (or another unit) than b, by a factor of delta or more."""

from __future__ import annotations

import numpy as np

from harness.analysis.kinds.base import Answered, Kind, effect_by_flips
from harness.analysis.kinds.pair import pair_extra, weigh
from harness.analysis.outcome_table import Pairs, outcome_table, pairs
from harness.analysis.question import Question
from harness.analysis.time_to_target import (
    log_rank_p,
    log_speed_up,
    restricted_mean_difference,
    win_loss_p,
    wins,
)
from harness.analysis.verdict_rule import Robustness, effect_by_tests, effect_rule
from harness.analysis.wording import delta_text, rounded, target_text
from harness.words.verdict import Answer, Estimate

TARGET_GRID = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.05)  # of the way from the first evaluation to the target


def faster(asked: Question) -> Answered:
    """The log ratio of times to the target; with censored runs the robustness test is wins against losses."""
    both = pairs(asked.table, asked.subject, asked.reference)
    if len(both) < 2:
        return Answered(asked)
    interval = log_speed_up(both, asked.variance_ratio, asked.confidence)
    kept = both.without_diverged()
    logs = np.log(both.b) - np.log(both.a)
    censored = bool(both.a_censored.any() or both.b_censored.any())
    extra = pair_extra(asked, both, wins(both) if censored else logs)
    extra |= {
        "a_censored": float(both.a_censored.mean()),
        "b_censored": float(both.b_censored.mean()),
        "log_rank_p": None if asked.variance_ratio else log_rank_p(both),
    }
    robust = effect_by_flips(asked, logs, interval.value)
    if censored:
        gap = restricted_mean_difference(both, asked.variance_ratio)
        saved = f"{asked.outcome.unit}_saved"
        extra |= {saved: gap.value, f"{saved}_low": gap.low, f"{saved}_high": gap.high}
        robust = _by_wins(asked, both, interval.value)
    lost = 2 <= len(kept) < len(both)
    return Answered(
        asked,
        interval,
        effect_rule(interval, asked.margin, asked.variance_ratio),
        robust,
        extra,
        log_speed_up(kept, asked.variance_ratio) if lost else None,
        sensitivity=target_sensitivity(asked),
    )


def _by_wins(asked: Question, both: Pairs, value: float) -> Answer | None:
    """Wins against losses as they are, and with a's times lengthened by delta (censored stay censored)."""
    if asked.variance_ratio:
        return None
    slowed = Pairs(both.a * np.exp(asked.margin), both.b, both.a_censored, both.b_censored, both.diverged)
    tests = Robustness(win_loss_p(wins(both), "greater"), win_loss_p(wins(slowed), "less"))
    return effect_by_tests(value, asked.margin, tests, asked.one_sided)


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
        low, value, high = rounded(*inverse)
        return (
            f"{a} takes {value}x the {unit} of {b} to reach {goal}, 95 % interval {low} to {high}, "
            f"at least {delta_text(asked)} fewer asked"
        )
    low, value, high = rounded(found.shown_low, found.shown_value, found.shown_high)
    return (
        f"{a} reaches {goal} in {value}x fewer {unit} than {b}, 95 % interval {low} to {high}, "
        f"at least {delta_text(asked)} asked"
    )


FASTER = Kind(weigh, faster, statement, finding)
