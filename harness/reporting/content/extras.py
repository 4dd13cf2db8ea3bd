"""What stands beside an estimate: effect sizes and robustness tests, each with its name and its unit."""

from __future__ import annotations

import math

from harness.reporting.numbers import MISSING, in_unit, number, p_value
from harness.words.verdict import Estimate, HypothesisVerdict

EXTRA_LABELS = {
    "setting": "Setting that decides",
    "d_z": "Effect in standard deviations of the difference, d_z",
    "probability_better": "Share of pairs it wins, ties half",
    "pair_correlation": "Correlation of paired outcomes",
    "sign_flip_p": "Sign-flip permutation test, p",
    "mean_a": "Mean of the arm asked about",
    "mean_b": "Mean of the arm it is compared with",
    "variance_ratio": "Nadeau–Bengio variance ratio",
    "a_censored": "Share that missed the target, arm asked about",
    "b_censored": "Share that missed the target, the other arm",
    "log_rank_p": "Log-rank test, p",
    "win_loss_p": "Wins against losses (sign test), p",
    "max_t_p": "Best of all arms (max-T), p",
    "holm_p": "Best of all arms (Nadeau–Bengio t, Holm), p",
    "mean_rank": "Mean rank among the arms",
    "subject": "Arm asked about",
    "best_other": "Other arm it gains least over",
    "wilcoxon_p": "Wilcoxon's test of the two over tasks, p",
    "friedman_chi2": "Friedman's statistic over all arms",
    "iman_davenport_f": "Iman and Davenport's F of it",
    "iman_davenport_p": "Iman and Davenport's test, p",
    "slope_per_sd": "Change a standard deviation of the level",
    "end_to_end": "Change from the first level to the last, means alone",
    "largest_reversal": "Largest step between neighbours against the claim",
    "reversal_beyond_delta": "Is that step larger than δ?",
    "share_of_replicates": "Share of replicates that go the way claimed",
    "page_p": "Page's test of a trend in the ranks, p",
    "optimum": "Inner level chosen",
    "against": "End that comes nearer to it",
    "over_the_low_end": "Gain over the lowest level",
    "over_the_high_end": "Gain over the highest level",
    "low_90": "90 % interval, lower end",
    "high_90": "90 % interval, upper end",
    "beyond_x": "Distance of the estimate from the bound",
    "arm": "Arm that decides",
    "tolerance": "Tolerance",
    "successes": "Runs that succeeded",
    "certificate": "Certificate",
    "steps_saved": "Steps saved within the budget, mean",
    "steps_saved_low": "Steps saved, lower end",
    "steps_saved_high": "Steps saved, upper end",
    "examples_saved": "Training examples saved within the budget, mean",
    "examples_saved_low": "Training examples saved, lower end",
    "examples_saved_high": "Training examples saved, upper end",
    "seconds_saved": "Modelled seconds saved within the budget, mean",
    "seconds_saved_low": "Modelled seconds saved, lower end",
    "seconds_saved_high": "Modelled seconds saved, upper end",
}
SILENT_AT_ZERO = {"variance_ratio", "a_censored", "b_censored"}
ON_OWN_SCALE = {"slope_per_sd", "end_to_end", "largest_reversal"}  # as `Estimate.value` is
AS_SHOWN = {"over_the_low_end", "over_the_high_end", "low_90", "high_90", "beyond_x"}
MEANS = {"mean_a", "mean_b"}  # of the outcome itself, no differences


def extra_items(verdict: HypothesisVerdict) -> tuple[tuple[str, str], ...]:
    """Terms and values, those left out that are missing, and corrections and censoring that didn't happen."""
    found = verdict.estimate
    if found is None:
        return ()
    return tuple(
        (EXTRA_LABELS.get(name, name.replace("_", " ")), _text(verdict, found, name))
        for name, value in found.extra.items()
        if value is not None and not (name in SILENT_AT_ZERO and value == 0)
    )


def _text(verdict: HypothesisVerdict, found: Estimate, name: str) -> str:
    value = found.extra[name]
    if value is None or isinstance(value, str):
        return value or MISSING
    if name.endswith("_p"):
        return p_value(value)
    if name in ON_OWN_SCALE:
        return in_unit(number(_shown(verdict, found, value)), found.unit)
    if name in AS_SHOWN:
        return in_unit(number(value), found.unit)
    return _mean(value, found.unit) if name in MEANS else number(value)


def _shown(verdict: HypothesisVerdict, found: Estimate, value: float) -> float:
    """A value of the estimate's own scale as the estimate is shown: a ratio, or a multiple."""
    if found.unit.startswith("ratio"):
        return math.exp(value)
    return value * (verdict.shown_delta or 1.0) / (verdict.delta or 1.0)


def _mean(value: float, unit: str) -> str:
    """The mean of an outcome whose differences are in this unit."""
    if unit == "percentage points":
        return f"{number(100 * value, 4)} %"
    counted = unit.removeprefix("ratio of ")
    return number(value) if counted == unit else f"{number(value)} {counted}"
