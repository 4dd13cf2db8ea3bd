"""What every section is written from, and how a section draws a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness.analysis.evidence import Evidence
from harness.analysis.scale import outcome_label
from harness.errors import HarnessError
from harness.reporting.document import Figure
from harness.reporting.figures import FIGURES
from harness.reporting.style import ArmStyle, arm_styles, drawing, to_svg
from harness.words.hypothesis import Hypothesis
from harness.words.metrics import METRICS
from harness.words.outcome import Outcome
from harness.words.verdict import HypothesisVerdict, StudyVerdict

SPLIT_LABELS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Context:
    """A study's evidence and verdict, and a style for each of its arms."""

    evidence: Evidence
    verdict: StudyVerdict
    styles: Mapping[str, ArmStyle] = field(init=False)

    def __post_init__(self) -> None:
        styles = arm_styles(a.label for a in self.evidence.design.arms)
        object.__setattr__(self, "styles", styles)

    def hypothesis(self, verdict: HypothesisVerdict) -> Hypothesis:
        """The hypothesis, as the study states it, that a verdict answers."""
        return self.evidence.design.study.hypotheses[verdict.index]

    @property
    def primary(self) -> HypothesisVerdict | None:
        """The verdict on the primary hypothesis, else the first; None where there are none."""
        marked = [h for h in self.verdict.hypotheses if h.primary]
        return next(iter(marked or self.verdict.hypotheses), None)

    @property
    def secondary(self) -> list[HypothesisVerdict]:
        """The verdicts on the other hypotheses."""
        return [h for h in self.verdict.hypotheses if h is not self.primary]


def draw(name: str, kind: str, words: tuple[str, str], frame: pd.DataFrame, *rest: Any) -> Figure:
    """Draw the figure `kind` of the table from `frame` and `rest`; `words`: what it shows, how to read it."""
    with drawing():
        svg = to_svg(FIGURES[kind](frame, *rest))
    data = {str(c): frame[c].tolist() for c in frame.columns}
    return Figure(name=name, svg=svg, alt=words[0], caption=words[1], data=data)


def metric_label(metric: str) -> str:
    """`val/accuracy` as "validation accuracy"."""
    split, _, name = metric.rpartition("/")
    label = METRICS[name].label if name in METRICS else name
    return f"{SPLIT_LABELS.get(split, split)} {label}".strip()


def outcome_words(outcome: Outcome | str) -> str:
    """An outcome, or one written as text (`steps_to val/accuracy`), in words; the text where it has none."""
    try:
        return outcome_label(outcome if isinstance(outcome, Outcome) else _parsed(outcome))
    except (HarnessError, ValueError):
        return str(outcome)


def _parsed(text: str) -> Outcome:
    function, _, metric = text.partition(" ")
    return Outcome(function=function, metric=metric)
