"""Best of k: each arm against the best of the others, with tests that hold for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.estimates import paired_t, paired_t_p
from harness.analysis.multiplicity import holm
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
    """One row an arm, best first: the mean difference to the best other arm, its interval, its p.

    `scores` is (n, k). The best other arm is the one with the best mean, chosen on the same data: the
    winner's own difference is so made smaller, never larger. `p_max_t` is the sign-flip p over all arms,
    which stays valid where two arms tie for the best (the winner's one-sided test over both is the
    two-sided one of the pair). Repeated splits overlap, and can't be flipped apart: they have `p_holm`
    in its place (`holm_p`). Empty with fewer than two complete replicates.
    """
    if len(scores) < 2:
        return []
    oriented = scores if direction == "higher" else -scores
    means = oriented.mean(axis=0)
    rivals = [_best_other(means, i) for i in range(len(arms))]
    differences = oriented - oriented[:, rivals]
    ranks = mean_ranks(oriented)
    if variance_ratio:
        name, p_values = "p_holm", [holm_p(oriented, i, variance_ratio) for i in range(len(arms))]
    else:
        name, p_values = "p_max_t", max_t_p(differences).tolist()
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
                name: float(p_values[i]),
                "mean_rank": float(ranks[i]),
            }
        )
    return rows


def holm_p(oriented: Floats, arm: int, variance_ratio: float) -> float:
    """The p value of an arm being better than every other: Holm's largest over its k - 1 comparisons.

    Each is twice the one-sided t test's, at most 1, as the arm that comes out first may be either of two
    that tie. `oriented` is (n, k), above is better; `variance_ratio` as in `paired_t`.
    """
    others = np.delete(oriented, arm, axis=1)
    one_sided = [paired_t_p(oriented[:, arm] - o, variance_ratio, "greater") for o in others.T]
    return float(holm(np.minimum(2 * np.array(one_sided), 1.0).tolist()).max())


def _best_other(means: Floats, arm: int) -> int:
    return int(np.argmax(np.where(np.arange(len(means)) == arm, -np.inf, means)))
