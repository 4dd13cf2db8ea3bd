"""`faster`: how many times sooner an arm reaches a target, with runs that never reach it.

Times are in one unit for both arms of a pair: optimizer steps, training examples or modelled seconds.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import stats

from harness.analysis.estimates import CONFIDENCE, Interval, paired_t, t_interval
from harness.analysis.outcome_table import Pairs
from harness.analysis.outcomes import Floats
from harness.analysis.sign_flip import Alternative
from harness.analysis.verdict_rule import ONE_SIDED, Robustness, Ruling, effect_by_tests
from harness.words.verdict import Answer


def log_speed_up(pairs: Pairs, variance_ratio: float = 0.0, confidence: float = CONFIDENCE) -> Interval:
    """log(T_b / T_a), above 0 where a is faster, from n >= 2 pairs of times to the target.

    None censored: the mean of the paired logs, paired t; exp(value) is the geometric speed-up.
    Some censored: the log ratio of the restricted means, log(mean min(T_b, budget) / mean min(T_a,
    budget)), with a paired jackknife t interval, and the two-sided sign test of wins against losses
    as its p value. Censoring pulls that ratio towards 1 where the slower arm is the more censored.
    Repeated splits (`variance_ratio` > 0, as in `paired_t`) overlap, which no sign test allows for: the
    p value is the interval's own, by the same correction.
    """
    if not is_censored(pairs):
        return paired_t(np.log(pairs.b) - np.log(pairs.a), variance_ratio, confidence)
    return _restricted_ratio(pairs, variance_ratio, confidence)


def is_censored(pairs: Pairs) -> bool:
    """Whether some run never reached the target."""
    return bool(pairs.a_censored.any() or pairs.b_censored.any())


def _restricted_ratio(pairs: Pairs, variance_ratio: float, confidence: float) -> Interval:
    n = len(pairs)
    value = math.log(pairs.b.mean() / pairs.a.mean())
    left_out = np.log(_means_without_one(pairs.b) / _means_without_one(pairs.a))
    pseudo = n * value - (n - 1) * left_out
    error = float(np.std(pseudo, ddof=1)) * math.sqrt(1 / n + variance_ratio)
    method = f"ratio of restricted means (paired jackknife{', Nadeau-Bengio' if variance_ratio else ''})"
    interval = t_interval(method, n, value, error, confidence)
    if variance_ratio:
        return interval
    return interval._replace(p_value=win_loss_p(wins(pairs)), p_method="sign test, wins against losses")


def wins(pairs: Pairs) -> Floats:
    """(n,) 1 where a reaches the target first, -1 where b does, 0 for a tie (both censored, or equal)."""
    a = np.where(pairs.a_censored, np.inf, pairs.a)
    b = np.where(pairs.b_censored, np.inf, pairs.b)
    return np.where(a < b, 1.0, np.where(a > b, -1.0, 0.0))


def win_loss_p(signs: Floats, alternative: Alternative = "two-sided") -> float:
    """The sign test: wins among untied pairs against a fair coin. 1 where every pair ties."""
    untied = int(np.count_nonzero(signs))
    if not untied:
        return 1.0
    won = int(np.count_nonzero(signs > 0))
    return float(stats.binomtest(won, untied, 0.5, alternative=alternative).pvalue)


def by_wins(pairs: Pairs, value: float, margin: float, level: float = ONE_SIDED) -> Answer:
    """The effect rule by wins against losses, as they are and with a's times lengthened by exp(margin).

    What is censored stays so.
    """
    slowed = replace(pairs, a=pairs.a * math.exp(margin))
    tests = Robustness(win_loss_p(wins(pairs), "greater"), win_loss_p(wins(slowed), "less"))
    return effect_by_tests(value, margin, tests, level)


def held_to_wins(ruling: Ruling, interval: Interval, robust: Answer | None, pairs: Pairs) -> Ruling:
    """The ruling on a ratio of restricted means; that a speed-up is too small only where wins refute it too.

    Runs of b cut at the budget pull the ratio down, and with it the interval's upper end: alone it would
    refute true speed-ups. That b is the faster one stands by itself, as does what a's own cut runs flatter.
    """
    safe = interval.high < 0 or not pairs.b_censored.any() or robust is Answer.REFUTED
    if ruling.answer is not Answer.REFUTED or safe:
        return ruling
    share = f"{pairs.b_censored.mean():.0%} of the runs it is held against never reached the target"
    why = f"{share}, which hides some of the speed-up, and wins against losses don't refute it"
    return Ruling(Answer.INCONCLUSIVE, "", f"{why}; train longer, or lower the target")


def restricted_mean_difference(pairs: Pairs, variance_ratio: float = 0.0) -> Interval:
    """mean min(T_b, budget) - mean min(T_a, budget) in the pairs' unit; a mean's jackknife is paired t."""
    return paired_t(pairs.b - pairs.a, variance_ratio)


def log_rank_p(pairs: Pairs) -> float:
    """The two-sided log-rank p value of the two arms' times. It ignores the pairing, so it is cautious."""
    if pairs.a_censored.all() and pairs.b_censored.all():
        return 1.0
    left, right = _survival(pairs.a, pairs.a_censored), _survival(pairs.b, pairs.b_censored)
    return float(stats.logrank(left, right).pvalue)


def _survival(steps: Floats, censored: np.ndarray) -> stats.CensoredData:
    return stats.CensoredData.right_censored(steps, censored)


def _means_without_one(values: Floats) -> Floats:
    """(n,) the mean of all but the i-th value."""
    without: Floats = (values.sum() - values) / (len(values) - 1)
    return without
