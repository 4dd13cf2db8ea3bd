"""Arms over several tasks: a mean a task, Friedman's test of the ranks, then Wilcoxon's corrected by Holm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.analysis.estimates import CONFIDENCE, Interval, hodges_lehmann, signed_rank_p
from harness.analysis.multiplicity import holm
from harness.analysis.outcomes import Direction, Floats
from harness.analysis.question import Question
from harness.analysis.ranks import FriedmanTest, friedman, mean_ranks
from harness.words.hypothesis import BestOf
from harness.words.tasks import Tasks, is_over_tasks, tasks_of

LEAST_RANKED = 3  # arms of Friedman's test


class TaskScores(NamedTuple):
    """The mean outcome of k contenders on each of N tasks."""

    tasks: tuple[str, ...]
    contenders: tuple[str, ...]
    means: Floats  # (N, k) over the replicates that every contender finished
    diverged: bool  # whether a diverged run is among them, at its imputed value


class OverTasks(NamedTuple):
    """One contender against each of the others over N tasks, gains above 0 where it is the better one."""

    subject: int
    rival: int  # the other it gains least over
    ranks: Floats  # (k,) mean ranks, 1 is best
    friedman: FriedmanTest | None  # None for two contenders
    gains: dict[int, Interval]  # other contender -> Hodges-Lehmann estimate and Wilcoxon's p
    holm: dict[int, float]  # other contender -> its p, adjusted for all k - 1 of them

    @property
    def p_value(self) -> float:
        """Of the claim that the subject is better than every other: the largest of the adjusted ones."""
        return max(self.holm.values())


def named_tasks(asked: Question) -> Tasks:
    """The tasks and contenders of a question that has `across`."""
    assert isinstance(asked.hypothesis, BestOf)
    return tasks_of(asked.evidence.design, asked.hypothesis)


def task_scores(asked: Question, diverged: bool = True) -> TaskScores:
    """The means over replicates, each task's on those that all its contenders finished.

    Tasks without such a replicate are left out. With `diverged` off replicates in which a run diverged are.
    """
    named, table = named_tasks(asked), asked.table
    values, lost = (table.pivot(index="replicate", columns="arm", values=v) for v in ("value", "diverged"))
    rows: dict[str, list[float]] = {}
    found = False
    for task, arms in zip(named.names, named.arms, strict=True):
        there = values.reindex(columns=list(arms)).dropna()
        failed = lost.reindex(index=there.index, columns=list(arms)).to_numpy(dtype=bool).any(axis=1)
        kept = there if diverged else there[~failed]
        found = found or bool(failed.any())
        if len(kept):
            rows[task] = [_rounded(v) for v in kept.to_numpy(dtype=float).mean(axis=0)]
    means = np.array(list(rows.values())).reshape(len(rows), len(named.contenders))
    return TaskScores(tuple(rows), named.contenders, means, found)


def _rounded(mean: float) -> float:
    """To 12 digits, so that means of equal outcomes tie whatever the order they were added up in."""
    return float(f"{mean:.12g}")


def in_units_of_tasks(means: Floats) -> Floats:
    """(N, k) values over the size of their task's mean: what a relative difference of two of them is."""
    sizes = np.abs(means.mean(axis=1, keepdims=True))
    shares: Floats = np.divide(means, sizes, out=np.zeros_like(means), where=sizes > 0)
    return shares


def claimed_gains(question: Question, gains: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """What gates hold against delta: the arms behind a gain in their outcome -> the gain.

    Over tasks a contender's mean over its arms, in the units of delta: what is wrong with the outcome of
    one task enters the estimate as one of N. Else every arm's own.
    """
    if not is_over_tasks(question.hypothesis):
        return {(arm,): gain for arm, gain in gains.items()}
    named, found = named_tasks(question), task_scores(question)
    shares = question.scale.kind == "relative"
    sizes = dict(zip(found.tasks, np.abs(found.means.mean(axis=1)), strict=True)) if shares else {}
    claimed = {}
    for arms in zip(*named.arms, strict=True):
        there = [(gains[a], sizes.get(t, 1.0)) for t, a in zip(named.names, arms, strict=True) if a in gains]
        if there:
            claimed[arms] = float(np.mean([gain / size if size else 0.0 for gain, size in there]))
    return claimed


def claimed_by(question: Question, arms: tuple[str, ...]) -> str:
    """The name of what those arms of `claimed_gains` make together."""
    return arms[0] if len(arms) == 1 else named_tasks(question).contender_of()[arms[0]]


def best_contender(means: Floats, direction: Direction) -> int:
    """The one of the best mean rank over (N, k) task means; of equals the one of the best mean."""
    sign = 1.0 if direction == "higher" else -1.0
    return int(np.lexsort((-sign * means.mean(axis=0), mean_ranks(means, direction)))[0])


def over_tasks(
    means: Floats, direction: Direction, subject: int, confidence: float = CONFIDENCE
) -> OverTasks:
    """The subject against each other contender over (N, k) task means, N >= 6.

    Friedman's statistic is without the correction for ties (Demsar 2006, section 3.2.2), which only makes
    it smaller. Each gain is the Hodges-Lehmann estimate over tasks with Wilcoxon's interval and p value;
    Holm's correction is over the k - 1 of them.
    """
    sign = 1.0 if direction == "higher" else -1.0
    k = means.shape[1]
    others = [i for i in range(k) if i != subject]
    gains = {i: hodges_lehmann(sign * (means[:, subject] - means[:, i]), confidence) for i in others}
    adjusted = holm([gains[i].p_value for i in others])
    return OverTasks(
        subject,
        min(others, key=lambda i: gains[i].value),
        mean_ranks(means, direction),
        friedman(means, correct_ties=False) if k >= LEAST_RANKED else None,
        gains,
        dict(zip(others, adjusted.tolist(), strict=True)),
    )


def pairwise_holm(means: Floats) -> Floats:
    """(k, k) Wilcoxon p values of every pair over (N, k) task means, adjusted by Holm over all of them.

    In place of post-hoc tests on mean ranks, whose answer for a pair hangs on the other arms in the study
    (Benavoli, Corani and Mangili 2016).
    """
    k = means.shape[1]
    pairs = list(combinations(range(k), 2))
    adjusted = holm([signed_rank_p(means[:, i] - means[:, j]) for i, j in pairs])
    found = np.ones((k, k))
    for (i, j), p in zip(pairs, adjusted, strict=True):
        found[i, j] = found[j, i] = p
    return found


def alike(ranks: Floats, p_values: Floats, alpha: float) -> list[tuple[int, int]]:
    """Groups not told apart, as first and last place in the order of (k,) mean ranks.

    Each is the longest run of neighbours in which no pair of (k, k) `p_values` is at most alpha; runs
    inside others are left out.
    """
    order = np.argsort(ranks, kind="stable")
    groups: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and np.all(p_values[order[last + 1], order[first : last + 1]] > alpha):
            last += 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def profile(means: Floats, direction: Direction, ratio: bool) -> Floats:
    """(N, k) how far each contender is from the best on its task: 1 or 0 for the best itself.

    With `ratio`, for losses and times, value / least value (Dolan and More 2002, r_{p,s}). Else the
    difference to the best, which suits accuracies: a ratio would shrink as all of them near 1, and an
    error of 0 has none.
    """
    oriented = means if direction == "lower" else -means
    best = oriented.min(axis=1, keepdims=True)
    distances: Floats = oriented / best if ratio else oriented - best
    return distances


def profile_curve(distances: Floats, contenders: Sequence[str]) -> pd.DataFrame:
    """arm, distance, share: the share of tasks within each distance of the best, a step at each of them."""
    rows = [
        (arm, float(x), float(np.mean(column <= x)))
        for arm, column in zip(contenders, distances.T, strict=True)
        for x in np.unique(column)
    ]
    return pd.DataFrame(rows, columns=["arm", "distance", "share"])
