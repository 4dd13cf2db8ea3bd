"""Best of k over several tasks: Friedman's test over all, then Wilcoxon's with Holm's correction."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from harness.analysis.estimates import MIN_RANK_PAIRS, Interval, hodges_lehmann, probability_better
from harness.analysis.kinds.base import Answered, Extra, Kind
from harness.analysis.kinds.best_of import unless_another_may
from harness.analysis.kinds.looks import among, held
from harness.analysis.multiplicity import LEVEL, holm
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question
from harness.analysis.scale import Scale, default_delta, difference_scale, outcome_label
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.tasks import (
    OverTasks,
    TaskScores,
    best_contender,
    in_units_of_tasks,
    named_tasks,
    over_tasks,
    task_scores,
)
from harness.analysis.verdict_rule import Robustness, Ruling, effect_by_tests, effect_rule
from harness.analysis.wording import delta_text, interval_text, unit
from harness.words.hypothesis import BestOf
from harness.words.tasks import contender
from harness.words.verdict import Answer, Estimate

OF_TASKS = Scale("relative", "% of a task's mean")


def weigh(asked: Question) -> Question:
    """The smallest gain that matters: of the mean over tasks, or a share of each task's own mean."""
    assert isinstance(asked.hypothesis, BestOf)
    found = task_scores(asked)
    name, mean = "the tasks", math.nan
    if len(found.means):
        subject = best_contender(found.means, asked.direction)
        name, mean = found.contenders[subject], float(found.means[:, subject].mean())
    delta = asked.hypothesis.delta or default_delta(asked.outcome, mean)
    if delta.relative:
        return replace(asked, delta=delta.value, scale=OF_TASKS)
    value, scale = difference_scale(asked.outcome, delta, mean, name)
    return replace(asked, delta=value, scale=scale)


def best_over_tasks(asked: Question) -> Answered:
    """The subject's gain over the best other arm, over tasks.

    The tasks are the sample: each gives one mean over replicates for every arm, and the conclusion is
    about tasks like these. The subject is `a`, else the arm of the best mean rank. The estimand is the
    median of the Walsh averages (Hodges-Lehmann) of the tasks' gains over the other arm it gains least
    over, with Wilcoxon's signed-rank interval; of a relative delta gains are shares of their task's
    mean over the arms. It is supported only where besides Iman and Davenport's form of Friedman's test
    and every one of the subject's k - 1 Wilcoxon tests, corrected by Holm, are at most 5 %, and refuted as a
    best of k on one task is. Source: Demsar 2006; Benavoli, Corani and Mangili 2016 on Wilcoxon's in place
    of mean-rank post-hocs.
    """
    found = task_scores(asked)
    rivals = len(found.contenders) - 1
    judged = held(asked, _against_rival, rivals, "rivals")
    others = [c for c in found.contenders if c != judged.extra.get("subject")]
    return unless_another_may(judged, others, partial(_trails, among(asked, rivals), found))


def _trails(asked: Question, found: TaskScores, contender: str) -> bool:
    """Whether it is refuted that a contender leads all others."""
    result = over_tasks(
        _in_units(asked, found), asked.direction, found.contenders.index(contender), asked.confidence
    )
    return effect_rule(result.gains[result.rival], asked.margin).answer is Answer.REFUTED


def _against_rival(asked: Question) -> Answered:
    found = task_scores(asked)
    if len(found.means) < MIN_RANK_PAIRS:
        return Answered(asked)
    means = _in_units(asked, found)
    result = over_tasks(means, asked.direction, _subject(asked, found), asked.confidence)
    gain = result.gains[result.rival]
    ruling = effect_rule(gain, asked.margin, of="tasks")._replace(needed_n=None)
    gains = _gains(asked, means, result)
    return Answered(
        asked,
        gain._replace(p_value=result.p_value, p_method="the largest against any rival, by Holm"),
        _screened(ruling, result),
        _by_flips(asked, gains, result),
        _extra(found, gains[result.rival], result),
        _without_diverged(asked, result),
        _rows(found, result),
    )


def _in_units(asked: Question, found: TaskScores) -> Floats:
    return in_units_of_tasks(found.means) if asked.scale is OF_TASKS else found.means


def _subject(asked: Question, found: TaskScores) -> int:
    assert isinstance(asked.hypothesis, BestOf)
    named = contender(asked.evidence.design, asked.hypothesis, named_tasks(asked))
    if named is None:
        return best_contender(found.means, asked.direction)
    return found.contenders.index(named)


def _gains(asked: Question, means: Floats, result: OverTasks) -> dict[int, Floats]:
    """Other contender -> (N,) gains of the subject over it."""
    sign = 1.0 if asked.direction == "higher" else -1.0
    return {i: sign * (means[:, result.subject] - means[:, i]) for i in result.gains}


def _screened(ruling: Ruling, result: OverTasks) -> Ruling:
    """The ruling, a support only where the tests over all arms agree."""
    if ruling.answer is not Answer.SUPPORTED:
        return ruling
    overall = result.friedman
    if overall is not None and overall.f_p_value > LEVEL:
        reason = f"over all arms the mean ranks do not differ (Iman-Davenport p = {overall.f_p_value:.2g})"
        return Ruling(Answer.INCONCLUSIVE, "", f"{reason}; more tasks are needed")
    if result.p_value > LEVEL:
        reason = f"after Holm's correction it is not told from every other arm (p = {result.p_value:.2g})"
        return Ruling(Answer.INCONCLUSIVE, "", f"{reason}; more tasks are needed")
    return ruling


def _by_flips(asked: Question, gains: dict[int, Floats], result: OverTasks) -> Answer:
    """What the same rule answers with sign flips of the tasks' gains in place of Wilcoxon's tests."""
    p_values = holm([sign_flip_p(values) for values in gains.values()])
    below = sign_flip_p(gains[result.rival] - asked.margin, "less")
    flips = Robustness(float(p_values.max()) / 2, below)
    answer = effect_by_tests(float(gains[result.rival].mean()), asked.margin, flips, asked.one_sided)
    differ = result.friedman is None or result.friedman.f_p_value <= LEVEL
    return answer if differ or answer is not Answer.SUPPORTED else Answer.INCONCLUSIVE


def _extra(found: TaskScores, gains: Floats, result: OverTasks) -> Extra:
    extra: Extra = {
        "subject": found.contenders[result.subject],
        "best_other": found.contenders[result.rival],
        "mean_rank": float(result.ranks[result.subject]),
        "probability_better": probability_better(gains),
        "wilcoxon_p": result.gains[result.rival].p_value,
        "sign_flip_p": sign_flip_p(gains),
        "mean_a": float(found.means[:, result.subject].mean()),
        "mean_b": float(found.means[:, result.rival].mean()),
    }
    if result.friedman is None:
        return extra
    test = result.friedman
    return extra | {
        "friedman_chi2": test.chi_square,
        "iman_davenport_f": test.f_value if math.isfinite(test.f_value) else None,
        "iman_davenport_p": test.f_p_value,
    }


def _without_diverged(asked: Question, result: OverTasks) -> Interval | None:
    """The estimate without replicates in which a run diverged, where there are any and tasks enough left."""
    found = task_scores(asked, diverged=False)
    if not found.diverged or len(found.means) < MIN_RANK_PAIRS:
        return None
    return hodges_lehmann(_gains(asked, _in_units(asked, found), result)[result.rival])


def _rows(found: TaskScores, result: OverTasks) -> list[dict[str, Any]]:
    """A row an arm by mean rank: the subject against the best other, every other against the subject."""
    rows = []
    for i in np.argsort(result.ranks, kind="stable"):
        own = int(i) == result.subject
        other = result.rival if own else int(i)
        gain = result.gains[other]
        value, low, high = (gain.value, gain.low, gain.high) if own else (-gain.value, -gain.high, -gain.low)
        rows.append(
            {
                "arm": found.contenders[i],
                "against": found.contenders[result.rival if own else result.subject],
                "mean": float(found.means[:, i].mean()),
                "difference": value,
                "low": low,
                "high": high,
                "p_wilcoxon": gain.p_value,
                "p_holm": result.holm[other],
                "mean_rank": float(result.ranks[i]),
            }
        )
    return rows


def statement(asked: Question) -> str:
    """a, or some arm, is the best of k over the tasks."""
    named = named_tasks(asked)
    assert isinstance(asked.hypothesis, BestOf)
    subject = contender(asked.evidence.design, asked.hypothesis, named)
    label = f"the best {outcome_label(asked.outcome)} of {len(named.contenders)}"
    over = f"over {len(named.names)} levels of {named.factor}, by at least {delta_text(asked)}"
    return f"{'one arm' if subject is None else subject} has {label} {over}"


def finding(asked: Question, found: Estimate) -> str:
    """The subject is better or worse than the best other over the tasks, by how much, and what was asked."""
    value, interval = interval_text(found)
    better = found.value >= 0
    if not better:
        interval = interval.replace("interval", "interval for the gain")
    return (
        f"over {found.n} tasks {found.extra['subject']}'s {outcome_label(asked.outcome)} is "
        f"{'better' if better else 'worse'} than {found.extra['best_other']}'s by "
        f"{value.removeprefix('-')}{unit(asked, value)}, {interval}, at least {delta_text(asked)} asked"
    )


def deciding(answered: Answered) -> Question:
    """All arms; the outcomes that decide are those of the subject and of the best other, on every task."""
    asked, two = answered.question, {answered.extra.get(key) for key in ("subject", "best_other")}
    deciders = tuple(arm for arm, name in named_tasks(asked).contender_of().items() if name in two)
    return replace(asked, deciders=deciders)


BEST_OVER_TASKS = Kind(weigh, best_over_tasks, statement, finding, deciding=deciding, held=False)
