"""What every section is written from, and how a section draws a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.analysis.evidence import Evidence
from harness.analysis.kinds import ask
from harness.analysis.question import Question
from harness.analysis.scale import outcome_label
from harness.errors import HarnessError
from harness.reporting.document import Figure
from harness.reporting.figures import FIGURES
from harness.reporting.numbers import count
from harness.reporting.style import ArmStyle, arm_styles, drawing, to_svg
from harness.words.design import Design
from harness.words.hypothesis import Hypothesis
from harness.words.metrics import METRICS
from harness.words.outcome import Outcome
from harness.words.verdict import Estimate, HypothesisVerdict, StudyVerdict

MOST_LINES = 12  # in one panel
SPLIT_LABELS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Context:
    """A study's evidence and verdict, and a style for each of its arms."""

    evidence: Evidence
    verdict: StudyVerdict
    styles: Mapping[str, ArmStyle] = field(init=False)
    _asked: dict[str, Question | None] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "styles", _design_styles(self.evidence.design))

    def hypothesis(self, verdict: HypothesisVerdict) -> Hypothesis:
        """The hypothesis that a verdict answers, as the study states it; a setting's as it is asked there."""
        stated = self.evidence.design.study.hypotheses[verdict.index]
        if not verdict.at:
            return stated
        asked = (s for s in self.evidence.design.settings(stated) if s.levels == verdict.at)
        return next(asked).hypothesis

    def question(self, verdict: HypothesisVerdict) -> Question | None:
        """The hypothesis with the outcomes it compares; None where the records don't hold them.

        None too of a claim of several settings, which is a question only at each of them.
        """
        key = self.key(verdict)
        if key not in self._asked:
            try:
                asked = None if verdict.settings else ask(self.evidence, self.hypothesis(verdict))
                self._asked[key] = asked
            except HarnessError:
                self._asked[key] = None
        return self._asked[key]

    def key(self, verdict: HypothesisVerdict) -> str:
        """What tells a verdict from the others, in names of figures: "2", and "2-1" of its first setting."""
        if not verdict.at:
            return str(verdict.index)
        settings = self.verdict.hypotheses[verdict.index].settings
        return f"{verdict.index}-{1 + [s.at for s in settings].index(verdict.at)}"

    @property
    def questions(self) -> list[HypothesisVerdict]:
        """Every verdict that answers one question: a claim of several settings by each of these."""
        return [part for h in self.verdict.hypotheses for part in h.settings or [h]]

    def styles_of(self, columns: Iterable[str]) -> dict[str, ArmStyle]:
        """Styles for what a hypothesis compares: an arm's own; the first ones for anything else."""
        names = list(columns)
        spare = arm_styles(names)
        return {c: self.styles.get(c, spare[c]) for c in names}

    @property
    def primary(self) -> HypothesisVerdict | None:
        """The verdict on the primary hypothesis, else the first; None where there are none."""
        marked = [h for h in self.verdict.hypotheses if h.primary]
        return next(iter(marked or self.verdict.hypotheses), None)

    @property
    def secondary(self) -> list[HypothesisVerdict]:
        """The verdicts on the other hypotheses."""
        return [h for h in self.verdict.hypotheses if h is not self.primary]


class Case(NamedTuple):
    """A hypothesis with its verdict and the outcomes it compares: what its own figures are drawn from."""

    context: Context
    verdict: HypothesisVerdict
    asked: Question


def _design_styles(design: Design) -> dict[str, ArmStyle]:
    """A style for each arm; arms too many for one panel are grouped by the factor with the fewest levels.

    Within their groups they are known by their other levels, which look the same in every group.
    """
    arms, factors = design.arms, list(design.study.arms)
    counts = {f: len({a.levels[f] for a in arms}) for f in factors}
    grouping = [f for f in reversed(factors) if counts[f] > 1]
    if len(arms) <= MOST_LINES or len(grouping) < 2:
        return arm_styles(a.label for a in arms)
    by = min(grouping, key=lambda f: counts[f])
    names = {a.label: ", ".join(v for f, v in a.levels.items() if f != by) for a in arms}
    looks = arm_styles(dict.fromkeys(names.values()))
    return {a.label: looks[names[a.label]]._replace(group=f"{by} {a.levels[by]}") for a in arms}


def pages(items: Sequence[str], most: int) -> list[list[str]]:
    """The items in order, in as few parts of at most `most` as there must be, of nearly equal size."""
    n = -(-len(items) // most)
    return [[items[i] for i in part] for part in np.array_split(np.arange(len(items)), n)] if n else []


def further(parts: Sequence[Sequence[str]], page: int) -> str:
    """The caption of a figure that goes on from the page before: which of how many arms it shows."""
    before = sum(map(len, parts[:page]))
    last, of_all = before + len(parts[page]), sum(map(len, parts))
    return f"The same for arms {count(before + 1)} to {count(last)} of {count(of_all)}."


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


def estimator(found: Estimate) -> str:
    """What an estimate is of the values that it rests on: their mean, unless its method says otherwise."""
    if found.method.startswith("Hodges-Lehmann"):
        return "Hodges–Lehmann estimate"
    if found.method.startswith("ratio of restricted means"):
        return "ratio of restricted means"
    return "geometric mean" if found.unit.startswith("ratio of") else "mean"


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def outcome_words(outcome: Outcome | str) -> str:
    """An outcome, or its text (`steps_to val/accuracy in examples`), in words; the text where it has none."""
    try:
        return outcome_label(outcome if isinstance(outcome, Outcome) else Outcome.of_text(outcome))
    except (HarnessError, ValueError):
        return str(outcome)
