"""Arms over several tasks: the diagram of their mean ranks, the profile, and the outcomes task by task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.estimates import MIN_RANK_PAIRS
from harness.analysis.multiplicity import LEVEL
from harness.analysis.question import Question
from harness.analysis.ranks import critical_difference, mean_ranks
from harness.analysis.scale import is_share
from harness.analysis.tasks import TaskScores, alike, pairwise_holm, profile, profile_curve, task_scores
from harness.reporting.content.context import Case, capital, draw, outcome_words
from harness.reporting.document import Block, Column, Paragraph, Table
from harness.reporting.numbers import count, estimate, number, p_value, setting
from harness.words.tasks import is_over_tasks
from harness.words.verdict import HypothesisVerdict


def task_blocks(case: Case) -> Iterator[Block]:
    """Nothing for a best of k on one task, whose comparisons stand under the effects."""
    hypothesis = case.asked.hypothesis
    if not is_over_tasks(hypothesis):
        return
    found = task_scores(case.asked)
    if len(found.means) < MIN_RANK_PAIRS:
        yield Paragraph(f"Only {count(len(found.means))} tasks have runs of every arm: too few to rank them.")
        return
    yield _ranks(case, found)
    yield _profile(case, found)
    if case.verdict.comparisons:
        yield _comparisons(case.verdict, found)
    yield _by_task(case.asked, found, str(hypothesis.across))


def _ranks(case: Case, found: TaskScores) -> Block:
    means, asked = found.means, case.asked
    n, k = means.shape
    ranks = mean_ranks(means, asked.direction)
    order = np.argsort(ranks, kind="stable")
    names = [found.contenders[i] for i in order]
    frame = pd.DataFrame({"arm": names, "rank": ranks[order]})
    groups = alike(ranks, pairwise_holm(means), LEVEL)
    outcome = outcome_words(asked.outcome)
    caption = (
        f"Critical-difference diagram: each arm's rank by {outcome}, 1 for the best, averaged over "
        f"{count(n)} tasks. A bar joins neighbours among which no pair differs by Wilcoxon's signed-rank "
        f"test over the tasks, corrected by Holm for all {count(k * (k - 1) // 2)} pairs (5 %). Nemenyi's "
        "critical difference of mean ranks is drawn for comparison alone: it decides nothing here, as its "
        "answer for two arms hangs on which others are in the study (Demšar 2006; Benavoli, Corani and "
        "Mangili 2016)."
    )
    alt = f"Mean ranks by {outcome}: " + ", ".join(
        f"{a} {r:.2f}" for a, r in zip(names, ranks[order], strict=True)
    )
    name, scale = f"ranks-{case.verdict.index}", critical_difference(k, n, LEVEL)
    styles = case.context.styles_of(found.contenders)
    return draw(name, "critical_difference_diagram", (alt, caption), frame, styles, groups, scale)


def _profile(case: Case, found: TaskScores) -> Block:
    """By ratios for losses and times, by differences for shares and whatever is better the higher."""
    asked, outcome = case.asked, outcome_words(case.asked.outcome)
    ratio = asked.direction == "lower" and not is_share(asked.outcome) and bool(np.all(found.means > 0))
    distances = profile(found.means, asked.direction, ratio)
    if ratio:
        axis, near = f"{outcome}, as a multiple of the best on the task", "at most that many times the best"
    else:
        points = is_share(asked.outcome)
        distances = 100 * distances if points else distances
        axis = f"distance from the best {outcome} on the task{', percentage points' if points else ''}"
        near = "within that distance of the best"
    caption = (
        f"Performance profile: the share of tasks on which an arm's {outcome} is {near} on the task. A curve "
        "starts at the share of tasks on which the arm is best itself, and the higher it runs, the less is "
        "lost by always choosing that arm (Dolan and Moré 2002"
        f"{'' if ratio else ', here by differences: ratios say little of values with an upper bound'})."
    )
    alt = f"Share of tasks against {axis}, a curve an arm."
    order = np.argsort(mean_ranks(found.means, asked.direction), kind="stable")
    curves = profile_curve(distances[:, order], [found.contenders[i] for i in order])
    styles = case.context.styles_of(found.contenders)
    best = 1.0 if ratio else 0.0
    name = f"profile-{case.verdict.index}"
    return draw(name, "performance_profile", (alt, caption), curves, styles, axis, best)


def _comparisons(verdict: HypothesisVerdict, found: TaskScores) -> Table:
    """Every arm's mean rank, and its Wilcoxon test against the one the claim is about."""
    titles = ("Arm", "Mean rank", "Mean", "Against", "Difference (95 % interval)", "p, Wilcoxon", "p, Holm")
    unit = f", in {verdict.estimate.unit}" if verdict.estimate is not None and verdict.estimate.unit else ""
    caption = (
        f"Arms by mean rank over {count(len(found.tasks))} tasks: the arm asked about against the one it "
        f"gains least over, every other against the arm asked about{unit}. Differences are "
        "Hodges–Lehmann estimates over tasks, above 0 where the row's arm is better; the corrected p-values "
        f"are for those {count(len(found.contenders) - 1)} comparisons together."
    )
    rows = tuple(_comparison(verdict, part) for part in verdict.comparisons)
    return Table(caption, tuple(Column(t, t not in ("Arm", "Against")) for t in titles), rows)


def _comparison(verdict: HypothesisVerdict, part: dict[str, Any]) -> tuple[str, ...]:
    factor = (verdict.shown_delta or 1.0) / (verdict.delta or 1.0)
    return (
        str(part["arm"]),
        number(part["mean_rank"]),
        number(part["mean"], 4),
        str(part["against"]),
        estimate(*(factor * float(part[key]) for key in ("difference", "low", "high"))),
        p_value(part["p_wilcoxon"]),
        p_value(part["p_holm"]),
    )


def _by_task(asked: Question, found: TaskScores, factor: str) -> Table:
    """The means that everything rests on, each with its rank on the task."""
    own = np.array([mean_ranks(row[None, :], asked.direction) for row in found.means])
    rows = [
        (task, *(_ranked(v, r) for v, r in zip(values, ranks, strict=True)))
        for task, values, ranks in zip(found.tasks, found.means, own, strict=True)
    ]
    rows.append(("mean rank", *(number(r) for r in own.mean(axis=0))))
    caption = (
        f"{capital(outcome_words(asked.outcome))} by task: the mean over replicates, and in brackets its "
        "rank on the task."
    )
    return Table(caption, (Column(factor), *(Column(c, True) for c in found.contenders)), tuple(rows))


def _ranked(value: float, rank: float) -> str:
    return f"{number(value, 3)} ({setting(float(rank))})"
