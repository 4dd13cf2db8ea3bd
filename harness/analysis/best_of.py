"""Best of k: each arm against the best of the others, with max-T sign flips that keep the pairing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.estimates import paired_t
from harness.analysis.outcomes import Direction, Floats
from harness.analysis.ranks import mean_ranks
from harness.analysis.sign_flip import max_t_p


def paired_scores(table: pd.DataFrame, arms: Sequence[str]) -> Floats:
    """(n, k) outcomes of the replicates that every arm finished."""
    wide = table.pivot(index="replicate", columns="arm", values="value").reindex(columns=list(arms))
    return wide.dropna().to_numpy(dtype=float)


def compare_arms(
    scores: Floats, arms: Sequence[str], direction: Direction, variance_ratio: float = 0.0
) -> list[dict[str, Any]]:
    """One row an arm, best first: the mean difference to the best other arm, its interval, its max-T p.

    `scores` is (n, k). The best other arm is the one with the best mean, chosen on the same data: the
    winner's own difference is so made smaller, never larger, and the max-T p values stay valid where
    two arms tie for the best (the winner's one-sided test over both is the two-sided one of the pair).
    Empty with fewer than two complete replicates.
    """
    if len(scores) < 2:
        return []
    oriented = scores if direction == "higher" else -scores
    means = oriented.mean(axis=0)
    rivals = [_best_other(means, i) for i in range(len(arms))]
    differences = oriented - oriented[:, rivals]
    p_values, ranks = max_t_p(differences), mean_ranks(oriented)
    rows = []
    for i in np.argsort(-means):
        found = paired_t(differences[:, i], variance_ratio)
        rows.append(
            {
                "arm": arms[i],
                "against": arms[rivals[i]],
                "mean": float(scores[:, i].mean()),
                "difference": found.value,
                "low": found.low,
                "high": found.high,
                "p_max_t": float(p_values[i]),
                "mean_rank": float(ranks[i]),
            }
        )
    return rows


def _best_other(means: Floats, arm: int) -> int:
    return int(np.argmax(np.where(np.arange(len(means)) == arm, -np.inf, means)))
