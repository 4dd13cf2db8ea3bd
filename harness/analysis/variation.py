"""How far an arm's result varies by trial, and apart from that by what tuning happened to choose.

method.md, section 2: trial variance apart from study (tuning) variance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.evidence import Evidence
from harness.analysis.outcome_table import arm_values, outcome_table
from harness.analysis.outcomes import Floats
from harness.words.choosing import choose
from harness.words.design import Choice, Dimension, PointResult
from harness.words.outcome import Outcome
from harness.words.seeds import seed_for
from harness.words.verdict import Variation

DRAWS = 400  # of the tuning seeds


def variation_of(evidence: Evidence, arm: str) -> Variation | None:
    """Both deviations of the outcome that the arm was tuned for; None where nothing was tuned."""
    choice, tuned = evidence.choices.get(arm), evidence.design.arm(arm).tuned
    if choice is None or not tuned:
        return None
    values = arm_values(outcome_table(evidence, Outcome.of_text(choice.outcome)), arm)
    trial = float(np.std(values, ddof=1)) if len(values) > 1 and not np.isnan(values).any() else None
    return Variation(outcome=choice.outcome, trial_sd=trial, tuning_sd=tuning_sd(choice, tuned))


def tuning_sd(choice: Choice, declared: Sequence[Dimension]) -> float | None:
    """How far the score of an arm's chosen point varies with the luck of its tuning seeds.

    The seeds are drawn again with replacement, the same ones for every point, and the rule of selection
    chooses again. It is the standard deviation over the draws of the chosen point's mean over all
    seeds: of which point is chosen, not of how a seed scores. 0 where every draw chooses the same;
    None with fewer than two seeds, or no point without a diverged run. With 2 or 3 seeds it is rough,
    and on the low side. Source: Efron 1979, the bootstrap.
    """
    whole = [p for p in choice.points if p.score is not None]
    n = min((len(p.values) for p in whole), default=0)
    if n < 2:
        return None
    dimensions = [_searched(d, whole) for d in declared]
    drawn, times = _resamples(n, choice.arm)
    scores = [_score_chosen(choice, dimensions, whole, seeds.tolist()) for seeds in drawn]
    apart = np.subtract(scores, scores[0])  # so that equal scores leave no rounding
    return float(np.std(np.repeat(apart, times)))


def _resamples(n: int, arm: str) -> tuple[np.ndarray, np.ndarray]:
    """The different (n,) draws of n seeds with replacement, and how often each came among `DRAWS`."""
    generator = np.random.default_rng(seed_for("noise", "tuning seeds", arm))
    draws = np.sort(generator.integers(n, size=(DRAWS, n)), axis=1)
    different, times = np.unique(draws, axis=0, return_counts=True)
    return different, times


def _score_chosen(
    choice: Choice, dimensions: Sequence[Dimension], whole: Sequence[PointResult], seeds: Sequence[int]
) -> float:
    """The mean over all seeds of the point that is chosen by some of them."""
    seen = [[p.values[s] for s in seeds] for p in whole]
    drawn = [
        p.model_copy(update={"values": v, "score": float(np.mean(v))})
        for p, v in zip(whole, seen, strict=True)
    ]
    index, _ = choose(dimensions, drawn, choice.direction)
    assert index is not None
    return float(np.mean(whole[index].values))


def _searched(dimension: Dimension, points: Sequence[PointResult]) -> Dimension:
    """The dimension as it was after its extensions: as wide as the points that were tried."""
    if dimension.low is None or dimension.high is None:
        return dimension
    tried: Floats = np.array([p.params[dimension.path] for p in points], dtype=float)
    ends = {"low": min(dimension.low, float(tried.min())), "high": max(dimension.high, float(tried.max()))}
    return dimension.model_copy(update=ends)
