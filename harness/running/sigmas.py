"""How much what is tested varies, from what ran before: judged trials, a pilot's, or tuning's seeds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
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
from harness.planning.power import sigma_interval
from harness.records.store import Contents, Store
from harness.running.pilot import LEAST, pilot_store
from harness.words.design import Choice, Design
from harness.words.hypothesis import BY_RATIO, Dose, Hypothesis, Identity, Interaction, Mechanism
from harness.words.tasks import is_over_tasks

MIN_PAIRS = 5  # a sigma of fewer says little
MIN_DEGREES = 3  # of freedom, of a sigma from tuning seeds


def known_sigmas(design: Design, results: Path) -> dict[int, Sigma]:
    """Index of the hypothesis -> sigma of what it tests, as far as there are records.

    Judged records are taken where there are `MIN_PAIRS` pairs, else a pilot's, else the seeds of the tuned
    points. A tier of which nothing has run takes the records of the study without a tier.
    """
    for folder in dict.fromkeys((design.folder, design.name)):
        found = _sigmas(design, results, folder)
        if found:
            return found
    return {}


def _sigmas(design: Design, results: Path, folder: str) -> dict[int, Sigma]:
    held, pilot = _contents(Store(results, folder, read_only=True)), pilot_contents(results, folder)
    judged, piloted = held and _evidence(held), pilot and _evidence(pilot)
    found: dict[int, Sigma] = {}
    for index, hypothesis in enumerate(design.study.hypotheses):
        if isinstance(hypothesis, Identity) or is_of_rate(hypothesis):
            continue
        sigma = judged and _everywhere(judged, hypothesis, _judged)
        sigma = sigma or (piloted and _everywhere(piloted, hypothesis, _piloted))
        sigma = sigma or (held and _tuned(design, held.choices, hypothesis))
        found |= {index: sigma} if sigma else {}
    return found


def _contents(store: Store) -> Contents | None:
    """What the store holds; None where it holds nothing, or nothing that can be read."""
    with contextlib.suppress(HarnessError):
        return store.contents()
    return None


def pilot_contents(results: Path, folder: str) -> Contents | None:
    """What a study's pilot holds, its trials planned as judged ones: analysis then asks them alike."""
    held = _contents(pilot_store(results, folder, read_only=True))
    return held and held._replace(planned=[p.model_copy(update={"phase": "judge"}) for p in held.planned])


def _evidence(held: Contents) -> Evidence:
    return gather(held.design, held.choices, held.frozen, held.planned, held.records.values())


def _everywhere(
    evidence: Evidence, hypothesis: Hypothesis, source: Callable[[Evidence, Hypothesis], Sigma | None]
) -> Sigma | None:
    """The largest of the settings' sigmas, where it is hardest to show. None where one is unknown."""
    try:
        settings = evidence.design.settings(hypothesis)
        found = [source(evidence, s.hypothesis) for s in settings]
    except (HarnessError, KeyError):  # it names factors, arms or outcomes that were not there then
        return None
    known = [sigma for sigma in found if sigma is not None]
    return max(known, key=lambda s: s.value or 0.0) if len(known) == len(found) else None


def _judged(evidence: Evidence, hypothesis: Hypothesis) -> Sigma | None:
    """The deviation of what is tested, as judged; None with too few runs, or values missing."""
    n, spread = _spread(_tested(ask(evidence, hypothesis)))
    if n < MIN_PAIRS or math.isnan(spread):
        return None
    if is_over_tasks(hypothesis):
        return Sigma(spread, f"sigma from {n} tasks as judged")
    single = isinstance(hypothesis, (Dose, Mechanism))
    return Sigma(spread, f"sigma from {n} judged {'replicates' if single else 'pairs'}")


def _piloted(evidence: Evidence, hypothesis: Hypothesis) -> Sigma | None:
    """The same from a pilot, whose trials leave the test split alone: on validation in its place.

    None too where nothing varied: so few replicates can't say that nothing does.
    """
    outcome = hypothesis.outcome
    on_validation = outcome.model_copy(update={"metric": outcome.metric.replace("test/", "val/")})
    asked = ask(evidence, hypothesis.model_copy(update={"outcome": on_validation}))
    n, spread = _spread(_tested(asked))
    if n < LEAST or math.isnan(spread) or spread == 0:
        return None
    lost = int(asked.table[asked.table["arm"].isin(asked.columns)]["diverged"].sum())
    where = next((c.reason for c in evidence.choices.values() if c.params), "")
    said = [
        f"sigma from a pilot of {asked.table['replicate'].nunique()} replicates",
        *([where] if where else []),
        *(["on validation"] if outcome.metric.startswith("test/") else []),
        *([f"{lost} of its runs diverged"] if lost else []),
    ]
    return Sigma(spread, ", ".join(said), sigma_interval(spread, n))


def _spread(tested: Sequence[Floats]) -> tuple[int, float]:
    """How many values there are, and the largest deviation; NaN where one is missing, or there is but one."""
    n = min(map(len, tested))
    if n < 2:
        return n, math.nan
    return n, float(np.max([np.std(values, ddof=1) for values in tested]))


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
