"""One hypothesis as analysis asks it: what is compared, on which outcome, what matters, on which scale."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.ensembles import ensemble_values
from harness.analysis.estimates import CONFIDENCE
from harness.analysis.evidence import Evidence
from harness.analysis.outcome_table import COLUMNS, arm_values, outcome_table, resolve_target
from harness.analysis.outcomes import Direction, Floats, outcome_direction
from harness.analysis.scale import PLAIN, Scale, difference_scale, ratio_scale
from harness.analysis.verdict_rule import ONE_SIDED
from harness.errors import BadInput
from harness.words.hypothesis import BY_RATIO, Faster, Hypothesis
from harness.words.named import Column, named_columns
from harness.words.outcome import Delta, Outcome


@dataclass(frozen=True)
class Question:
    """What a hypothesis speaks of, on which data. `delta` is on the estimate's scale.

    `columns` are the labels by which `table` (of `outcome_table`, judged trials) knows what is
    compared, in the kind's order: of a pair the one the claim is about, then the one it is held
    against; of a sweep the levels, ascending.
    """

    evidence: Evidence
    hypothesis: Hypothesis
    columns: tuple[str, ...]
    arms: tuple[str, ...]  # those behind the columns: they gate the hypothesis
    target: float | None
    table: pd.DataFrame
    delta: float | None = None  # None for kinds without a smallest effect
    scale: Scale = PLAIN
    settings: int = 1  # of a universal claim, any of which refutes it
    looks: int = 1  # the interval is that of 5 % / looks
    deciders: tuple[str, ...] = ()  # the arms whose outcomes decide, where not all of `arms` do

    @property
    def confidence(self) -> float:
        """Of the interval: 95 %, or Bonferroni's for as many looks."""
        return CONFIDENCE if self.looks == 1 else 1 - (1 - CONFIDENCE) / self.looks

    @property
    def one_sided(self) -> float:
        """The level of one-sided tests put in the interval's place."""
        return ONE_SIDED / self.looks

    @property
    def decisive(self) -> tuple[str, ...]:
        """The arms whose outcomes decide: all, unless some were picked out."""
        return self.deciders or self.arms

    @property
    def outcome(self) -> Outcome:
        """The hypothesis's outcome."""
        return self.hypothesis.outcome

    @property
    def subject(self) -> str:
        """What the claim is about: the first column."""
        return self.columns[0]

    @property
    def reference(self) -> str:
        """What a pair's subject is held against: the second column."""
        return self.columns[1]

    @property
    def direction(self) -> Direction:
        """Which way the outcome is better; raises BadInput for an outcome of which nobody knows."""
        own = getattr(self.hypothesis, "direction", None)
        return outcome_direction(self.outcome, own if own in ("higher", "lower") else None)

    @property
    def margin(self) -> float:
        """The smallest effect that matters, of a kind that has one."""
        assert self.delta is not None
        return self.delta

    @property
    def variance_ratio(self) -> float:
        """Nadeau and Bengio's n_test / n_train where replicates split one set: the arms' largest."""
        data = self.evidence.design.data
        return max((data[a].overlap(self.outcome.metric) for a in self.arms), default=0.0)


def question(evidence: Evidence, hypothesis: Hypothesis) -> Question:
    """Find the arms, the target and the outcomes. Raises BadInput where one is missing."""
    outcome = hypothesis.outcome
    if isinstance(hypothesis, Faster) and outcome.function != "steps_to":
        raise BadInput(f"a faster hypothesis compares steps_to a metric; found outcome {outcome}")
    columns = named_columns(evidence.design, hypothesis)
    target = None
    if outcome.function == "steps_to":
        held = columns[0].arm if columns else evidence.design.arms[0].label
        target = resolve_target(evidence, outcome.metric, held)
    return Question(
        evidence,
        hypothesis,
        tuple(c.label for c in columns),
        tuple(dict.fromkeys(c.arm for c in columns)),
        target,
        column_table(evidence, columns, outcome, target),
    )


def column_table(
    evidence: Evidence, columns: Sequence[Column], outcome: Outcome, target: float | None
) -> pd.DataFrame:
    """The outcomes of what is compared, `arm` holding a column's label. Raises BadInput as its makers."""
    if not columns:
        return pd.DataFrame(columns=COLUMNS)
    ensembles = [ensemble_values(evidence, c, outcome) for c in columns if c.ensemble is not None]
    table = outcome_table(evidence, outcome, target, {c.arm for c in columns})
    return pd.concat([table, *ensembles], ignore_index=True)


def with_delta(asked: Question, reference: str, given: Delta | None) -> Question:
    """The question with its smallest effect and its scale, both as given or as the outcome's own.

    `reference` is the column whose mean a relative delta refers to. Raises BadInput without a default.
    """
    if asked.outcome.function == "steps_to" and isinstance(asked.hypothesis, BY_RATIO):
        delta, scale = ratio_scale(asked.outcome, given)
    else:
        mean = column_means(asked)[reference]
        delta, scale = difference_scale(asked.outcome, given, mean, reference)
    return replace(asked, delta=delta, scale=scale)


def names_without(asked: Question, factors: Collection[str]) -> tuple[str, ...]:
    """The columns' names without the levels of some factors; whole where a level's own label has a comma."""
    names = {c: c for c in asked.columns}
    for label in asked.arms:
        levels = asked.evidence.design.arm(label).levels
        parts = label.split(", ")
        if len(parts) == len(levels):
            free = [part for part, f in zip(parts, levels, strict=True) if f not in factors]
            short = ", ".join(free) or label
            names = {c: name.replace(label, short) for c, name in names.items()}
    return tuple(names.values())


def column_means(asked: Question) -> dict[str, float]:
    """Each column's mean outcome, NaN without any finished run."""
    values = {c: arm_values(asked.table, c) for c in asked.columns}
    return {c: float(np.mean(v)) if len(v) else math.nan for c, v in values.items()}


def best_column(columns: Sequence[str], means: Mapping[str, float], direction: Direction) -> str:
    """The column with the best mean; one without any finished run (NaN) comes last."""
    sign = 1.0 if direction == "higher" else -1.0
    return max(columns, key=lambda c: -math.inf if math.isnan(means[c]) else sign * means[c])


@dataclass(frozen=True)
class Scores:
    """Outcomes of the replicates that every column finished, on the estimate's scale (logs of steps)."""

    values: Floats  # (n, k)
    diverged: NDArray[np.bool_]  # (n,) any of the row diverged
    replicates: NDArray[np.int64]  # (n,)

    def __len__(self) -> int:
        return len(self.values)


def scores(asked: Question, columns: Sequence[str] | None = None) -> Scores:
    """The paired outcomes of some columns, all of the question's by default."""
    names = list(asked.columns if columns is None else columns)
    values = asked.table.pivot(index="replicate", columns="arm", values="value").reindex(columns=names)
    lost = asked.table.pivot(index="replicate", columns="arm", values="diverged").reindex(columns=names)
    whole = values.notna().all(axis=1)
    found = values[whole].to_numpy(dtype=float)
    return Scores(
        np.log(found) if asked.scale.kind == "ratio" else found,
        np.any(lost[whole].to_numpy(dtype=bool), axis=1, keepdims=False),
        values.index[whole].to_numpy(dtype=np.int64),
    )
