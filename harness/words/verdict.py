"""The verdict: supported, refuted or inconclusive, with an effect, an interval and a reason."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from harness.words.base import Word


class Answer(StrEnum):
    """The four answers."""

    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_TESTABLE = "NOT TESTABLE"


def grades(grade: str, fragile: bool) -> str:
    """What qualifies an answer: "clear", "likely, fragile", or nothing."""
    return ", ".join(word for word in (grade, "fragile" if fragile else "") if word)


def graded(answer: Answer, grade: str, fragile: bool) -> str:
    """An answer with what qualifies it: "SUPPORTED (likely, fragile)"."""
    said = grades(grade, fragile)
    return f"{answer.value} ({said})" if said else answer.value


class Estimate(Word):
    """An estimand's value with its 95 % interval, oriented so that above 0 favours the claim.

    `shown_*` is the same on the scale people read (a ratio for `faster`, points for accuracy, the
    outcome itself for `mechanism`), low to high. Rates and errors that claim to be 0 are as they are.
    """

    method: str  # "paired t", "paired t (Nadeau-Bengio)", ...
    n: int  # pairs, or replicates
    value: float
    low: float
    high: float
    standard_error: float
    p_value: float | None  # of the primary test; None where nothing is tested (a certificate)
    p_method: str = ""  # that test, where it is another than the method's own
    shown_value: float
    shown_low: float
    shown_high: float
    unit: str  # "ratio of steps", "accuracy", ...
    extra: dict[str, float | str | None] = {}  # d_z, P(A>B)+1/2 P(=), pair correlation, sign-flip p, ...


class Gate(Word):
    """One validity gate of one hypothesis."""

    name: str  # "G1" ... "G9"
    title: str
    passed: bool | None  # None: does not apply
    detail: str  # what was found
    remedy: str = ""  # what would lift it


class HypothesisVerdict(Word):
    """The answer to one hypothesis."""

    index: int
    primary: bool
    kind: str
    statement: str  # the hypothesis in words
    answer: Answer
    grade: str  # clear, likely, reversed, negligible, too small, different, certified, ... or ""
    fragile: bool  # the robustness test would decide otherwise
    reason: str  # one sentence
    estimate: Estimate | None
    delta: float | None  # on the estimate's own scale
    shown_delta: float | None
    gates: list[Gate]
    comparisons: list[dict[str, Any]] = []  # best_of: each arm against the best other
    without_diverged: Estimate | None = None  # the result without the diverged pairs
    p_adjusted: float | None = None  # over the secondary hypotheses
    correction: str = ""  # how: "Holm's method", "max-T sign flips of 3 arms against sgd", ...
    needed_n: int | None = None  # replicates after which an inconclusive result could be decided
    sensitivity: list[dict[str, float]] = []  # faster: target -> ratio and its interval
    levels: list[dict[str, Any]] = []  # kinds over a factor: level, value, n, mean, low, high
    at: dict[str, str] = {}  # the verdict at one setting of a universal claim: factor -> level
    settings: list[HypothesisVerdict] = []  # for_each: the verdict at every setting
    holds_in: str = ""  # for_each: "supported in 7 of 9 settings: ...; refuted in ..."


class Variation(Word):
    """Standard deviations of the outcome an arm was tuned for, None where there is too little to tell.

    `trial_sd`: over judged replicates. `tuning_sd`: of the chosen point's mean score, had the tuning seeds
    been drawn otherwise.
    """

    outcome: str
    trial_sd: float | None
    tuning_sd: float | None


class ArmSummary(Word):
    """One row of the table of arms."""

    arm: str
    n: int
    n_diverged: int
    n_failed: int
    tuning_trials: int
    steps: int
    n_parameters: int
    chosen: dict[str, Any]
    outcomes: dict[str, dict[str, float | None]]  # outcome text -> mean, sd, median, low, high
    gates: list[str]  # names of the gates this arm fails
    variation: Variation | None = None  # None where nothing is tuned


class StudyVerdict(Word):
    """Everything a report prints. Written to `reports/<study>/verdict.json`."""

    study: str
    title: str
    says: str
    source: str
    headline: str  # the verdict in one sentence
    scope: str
    hypotheses: list[HypothesisVerdict]
    arms: list[ArmSummary]
    targets: dict[str, float]
    provenance: dict[str, Any]
    report: dict[str, Any] = {}  # filled when written: the report's tables and what its figures draw
