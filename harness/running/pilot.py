"""How much what is tested varies, from what ran before: this study's own records serve as its pilot."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.analysis.evidence import Evidence, gather
from harness.analysis.kinds import ask
from harness.analysis.kinds.trend import fitted_changes
from harness.analysis.outcome_table import arm_values
from harness.analysis.outcomes import Floats
from harness.analysis.question import Question, best_column, column_means, scores
from harness.analysis.ranks import mean_ranks
from harness.analysis.tasks import in_units_of_tasks, task_scores
from harness.errors import HarnessError
from harness.planning.detectable import Sigma, is_of_rate, weights_norm
from harness.records.store import Contents, Store
from harness.words.design import Choice, Design
from harness.words.hypothesis import BY_RATIO, Dose, Hypothesis, Identity, Interaction, Mechanism
from harness.words.tasks import is_over_tasks

MIN_PAIRS = 5  # a sigma of fewer says little
MIN_DEGREES = 3  # of freedom, of a sigma from tuning seeds


def known_sigmas(design: Design, results: Path) -> dict[int, Sigma]:
    """Index of the hypothesis -> sigma of what it tests, as far as there are records.

    Judged records are taken where there are `MIN_PAIRS` pairs, else the seeds of the tuned points. A
    tier that has not run takes the records of the study without a tier.
    """
    for folder in dict.fromkeys((design.folder, design.name)):
        with contextlib.suppress(HarnessError):  # there are none, or they can't be read
            found = _sigmas(design, Store(results, folder, read_only=True).contents())
            if found:
                return found
    return {}


def _sigmas(design: Design, held: Contents) -> dict[int, Sigma]:
    evidence = gather(held.design, held.choices, held.frozen, held.planned, held.records.values())
    found: dict[int, Sigma] = {}
    for index, hypothesis in enumerate(design.study.hypotheses):
        if isinstance(hypothesis, Identity) or is_of_rate(hypothesis):
            continue
        sigma = _everywhere(evidence, hypothesis) or _tuned(design, held.choices, hypothesis)
        found |= {index: sigma} if sigma else {}
    return found


def _everywhere(evidence: Evidence, hypothesis: Hypothesis) -> Sigma | None:
    """The largest of the settings' sigmas, where it is hardest to show. None where one is unknown."""
    try:
        settings = evidence.design.settings(hypothesis)
    except HarnessError:  # a factor that was not there then
        return None
    found = [_judged(evidence, s.hypothesis) for s in settings]
    known = [sigma for sigma in found if sigma is not None]
    return max(known, key=lambda s: s.value) if len(known) == len(found) else None


def _judged(evidence: Evidence, hypothesis: Hypothesis) -> Sigma | None:
    """The deviation of what is tested, as judged; None where the study as it ran can't tell."""
    try:
        tested = _tested(ask(evidence, hypothesis))
    except (HarnessError, KeyError):  # it names arms or outcomes that were not there then
        return None
    n = min(map(len, tested))
    if n < MIN_PAIRS or any(np.isnan(values).any() for values in tested):
        return None
    spread = max(float(np.std(values, ddof=1)) for values in tested)
    if is_over_tasks(hypothesis):
        return Sigma(spread, f"sigma from {n} tasks as judged")
    single = isinstance(hypothesis, (Dose, Mechanism))
    return Sigma(spread, f"sigma from {n} judged {'replicates' if single else 'pairs'}")


def _tested(asked: Question) -> list[Floats]:
    """The (n,) values whose mean is tested; of a mechanism those of every arm."""
    if isinstance(asked.hypothesis, Mechanism):
        return [arm_values(asked.table, column) for column in asked.columns]
    if isinstance(asked.hypothesis, (Dose, Interaction)):
        return [fitted_changes(asked)]
    over_tasks = is_over_tasks(asked.hypothesis)
    values = _task_means(asked) if over_tasks else scores(asked, _compared(asked)).values
    return [values[:, 0] - values[:, 1]]


def _task_means(asked: Question) -> Floats:
    """(N, 2) means by task of the contender of the best mean rank and of the one that is second."""
    found = task_scores(asked).means
    means = in_units_of_tasks(found) if asked.scale.kind == "relative" else found
    return means[:, np.argsort(mean_ranks(means, asked.direction), kind="stable")[:2]]


def _compared(asked: Question) -> tuple[str, str]:
    """The two columns of a pair; of more, the best two."""
    if len(asked.columns) == 2:
        return asked.columns[0], asked.columns[1]
    means = column_means(asked)
    best = best_column(asked.columns, means, asked.direction)
    second = best_column([c for c in asked.columns if c != best], means, asked.direction)
    return best, second


def _tuned(design: Design, choices: Mapping[str, Choice], hypothesis: Hypothesis) -> Sigma | None:
    """sqrt(2 s^2), s^2 the residual variance of chosen points' scores, arms by seeds (two-way layout).

    For an outcome that is what tuning selected on, on the validation split where it asks for the test; of
    a fitted change with the norm of its weights in sqrt(2)'s place (`weights_norm`). Arms and seeds don't
    tell what a single arm varies by, nor what tasks do.
    """
    if is_over_tasks(hypothesis) or isinstance(hypothesis, Mechanism):
        return None
    selected = str(hypothesis.outcome).replace("test/", "val/")
    rows = [
        c.points[c.chosen].values for c in choices.values() if c.chosen is not None and c.outcome == selected
    ]
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or (len(rows) - 1) * (lengths.pop() - 1) < MIN_DEGREES:
        return None
    ratio = hypothesis.outcome.function == "steps_to" and isinstance(hypothesis, BY_RATIO)
    table = np.log(rows) if ratio else np.asarray(rows, dtype=float)
    return Sigma(
        weights_norm(design, hypothesis) * math.sqrt(residual_variance(table)),
        f"sigma from {table.shape[1]} tuning seeds of {len(rows)} arms",
    )


def residual_variance(table: Floats) -> float:
    """The variance of (k, s) values left by their row and column means, (k-1)(s-1) degrees of freedom."""
    rows, columns = table.shape
    residuals = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + table.mean()
    return float((residuals**2).sum() / ((rows - 1) * (columns - 1)))
