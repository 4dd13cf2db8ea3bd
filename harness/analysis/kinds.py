"""The kinds of hypothesis: from a question to an estimate, its robustness test and its details."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.analysis.best_of import compare_arms, paired_scores
from harness.analysis.estimates import (
    MIN_RANK_PAIRS,
    Interval,
    d_z,
    hodges_lehmann,
    pair_correlation,
    paired_t,
    probability_better,
)
from harness.analysis.evidence import Evidence
from harness.analysis.outcome_table import Pairs, outcome_table, pairs
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question, Scale, question
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.time_to_target import (
    log_rank_p,
    log_speed_up,
    restricted_mean_difference,
    win_loss_p,
    wins,
)
from harness.analysis.verdict_rule import Robustness
from harness.errors import BadInput
from harness.words.hypothesis import BestOf, Faster, Hypothesis, Superiority
from harness.words.verdict import Estimate

RANK_ABOVE = 0.05  # share of diverged runs in either arm above which the rank test is primary
TARGET_GRID = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.05)  # of the way from the first evaluation to the target


@dataclass(frozen=True)
class Answered:
    """A question with its numbers. `interval` is None with fewer than two pairs."""

    question: Question
    interval: Interval | None
    robustness: Robustness | None
    extra: dict[str, float | str | None] = field(default_factory=dict)
    without_diverged: Interval | None = None
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    sensitivity: list[dict[str, float]] = field(default_factory=list)


def answer_question(evidence: Evidence, hypothesis: Hypothesis) -> Answered:
    """The numbers of one hypothesis. Raises BadInput for a kind that is not available."""
    if not isinstance(hypothesis, (Superiority, Faster, BestOf)):
        raise BadInput(
            f"hypothesis kind {hypothesis.kind!r} is not available yet; available: {', '.join(KINDS)}"
        )
    asked = question(evidence, hypothesis)
    both = pairs(asked.table, asked.subject, asked.reference)
    if len(both) < 2:
        return Answered(asked, None, None)
    return KINDS[hypothesis.kind](asked, both)


def superiority(asked: Question, both: Pairs) -> Answered:
    """The mean paired difference; the rank test is primary where more than 5 % of an arm's runs diverged.

    Repeated splits of one data set keep the Nadeau-Bengio t, which alone accounts for their overlap,
    and have no robustness test: sign flips take replicates to be independent.
    """
    differences = both.oriented(asked.direction)
    kept = both.without_diverged()
    return Answered(
        asked,
        _difference(asked, both, differences),
        _sign_flip_robustness(asked, differences),
        _extra(asked, both, differences),
        _without(asked, both, lambda: paired_t(kept.oriented(asked.direction), asked.variance_ratio)),
    )


def faster(asked: Question, both: Pairs) -> Answered:
    """The log ratio of steps to the target; with censored runs the robustness test is wins against losses."""
    kept = both.without_diverged()
    logs = np.log(both.b) - np.log(both.a)
    censored = bool(both.a_censored.any() or both.b_censored.any())
    extra = _extra(asked, both, wins(both) if censored else logs)
    extra |= {
        "a_censored": float(both.a_censored.mean()),
        "b_censored": float(both.b_censored.mean()),
        "log_rank_p": log_rank_p(both),
    }
    robustness = _sign_flip_robustness(asked, logs)
    if censored:
        gap = restricted_mean_difference(both, asked.variance_ratio)
        extra |= {"steps_saved": gap.value, "steps_saved_low": gap.low, "steps_saved_high": gap.high}
        robustness = _win_loss_robustness(asked, both)
    return Answered(
        asked,
        log_speed_up(both, asked.variance_ratio),
        robustness,
        extra,
        _without(asked, both, lambda: log_speed_up(kept, asked.variance_ratio)),
        sensitivity=target_sensitivity(asked),
    )


def best_of(asked: Question, both: Pairs) -> Answered:
    """The subject against the best other arm; every arm's comparison stands beside it, max-T adjusted.

    The p value is the max-T one, over all arms. It is one-sided, and as either of two tied arms can
    come out first it is held to the whole 5 %.
    """
    found = superiority(asked, both)
    scores = paired_scores(asked.table, asked.arms)
    comparisons = compare_arms(scores, asked.arms, asked.direction, asked.variance_ratio)
    of_subject = next((c for c in comparisons if c["arm"] == asked.subject), None)
    if of_subject is None or found.interval is None:
        return found
    adjusted = float(of_subject["p_max_t"])
    robustness = found.robustness and found.robustness._replace(above_zero=adjusted / 2)
    return replace(
        found,
        interval=found.interval._replace(p_value=adjusted),
        robustness=robustness,
        extra=found.extra | {"max_t_p": adjusted, "mean_rank": of_subject["mean_rank"]},
        comparisons=comparisons,
    )


def target_sensitivity(asked: Question) -> list[dict[str, float]]:
    """The speed-up at other targets, from halfway to slightly beyond the one asked.

    A target is a share of the way from the median first evaluation of the two arms to the target.
    """
    if asked.target is None:
        return []
    curves = asked.evidence.curves
    chosen = curves[(curves["phase"] == "judge") & curves["arm"].isin(asked.arms)]
    chosen = chosen[(chosen["metric"] == asked.outcome.metric)]
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


def estimate(interval: Interval, scale: Scale, extra: dict[str, float | str | None]) -> Estimate:
    """The interval as the verdict's noun, shown on the readers' scale."""
    return Estimate(
        **interval._asdict(),
        shown_value=scale.show(interval.value),
        shown_low=scale.show(interval.low),
        shown_high=scale.show(interval.high),
        unit=scale.unit,
        extra=extra,
    )


def _difference(asked: Question, both: Pairs, differences: Floats) -> Interval:
    lost = (
        asked.table[asked.table["arm"].isin((asked.subject, asked.reference))]
        .groupby("arm")["diverged"]
        .mean()
    )
    ranked = float(lost.max()) > RANK_ABOVE and len(both) >= MIN_RANK_PAIRS and not asked.variance_ratio
    if ranked and asked.outcome.function != "diverged":
        return hodges_lehmann(differences)
    return paired_t(differences, asked.variance_ratio)


def _without(asked: Question, both: Pairs, result: Callable[[], Interval]) -> Interval | None:
    """The result without diverged pairs, where there are any and two pairs are left."""
    left = int((~both.diverged).sum())
    if left == len(both) or left < 2 or asked.outcome.function == "diverged":
        return None
    return result()


def _sign_flip_robustness(asked: Question, differences: Floats) -> Robustness | None:
    if asked.variance_ratio:
        return None
    return Robustness(sign_flip_p(differences, "greater"), sign_flip_p(differences - asked.delta, "less"))


def _win_loss_robustness(asked: Question, both: Pairs) -> Robustness | None:
    """Wins against losses as they are, and with a's steps lengthened by delta (censored stay censored)."""
    if asked.variance_ratio:
        return None
    slowed = Pairs(both.a * np.exp(asked.delta), both.b, both.a_censored, both.b_censored, both.diverged)
    return Robustness(win_loss_p(wins(both), "greater"), win_loss_p(wins(slowed), "less"))


def _extra(asked: Question, both: Pairs, differences: Floats) -> dict[str, float | str | None]:
    return {
        "d_z": d_z(differences),
        "probability_better": probability_better(differences),
        "pair_correlation": pair_correlation(both.a, both.b),
        "sign_flip_p": sign_flip_p(differences),
        "mean_a": float(both.a.mean()),
        "mean_b": float(both.b.mean()),
        "variance_ratio": asked.variance_ratio,
    }


KINDS: dict[str, Callable[[Question, Pairs], Answered]] = {
    "superiority": superiority,
    "faster": faster,
    "best_of": best_of,
}
