"""The kinds of hypothesis. One new kind: one file here, one line in the table."""

from __future__ import annotations

from harness.analysis.evidence import Evidence
from harness.analysis.kinds.base import Answered, Kind
from harness.analysis.kinds.best_of import BEST_OF
from harness.analysis.kinds.best_over_tasks import BEST_OVER_TASKS
from harness.analysis.kinds.bounds import AT_LEAST, NON_INFERIORITY
from harness.analysis.kinds.equivalence import EQUIVALENCE
from harness.analysis.kinds.faster import FASTER
from harness.analysis.kinds.identity import IDENTITY
from harness.analysis.kinds.impossibility import IMPOSSIBILITY
from harness.analysis.kinds.interior_optimum import INTERIOR_OPTIMUM
from harness.analysis.kinds.looks import held
from harness.analysis.kinds.mechanism import MECHANISM
from harness.analysis.kinds.pair import SUPERIORITY
from harness.analysis.kinds.threshold import THRESHOLD
from harness.analysis.kinds.trend import DOSE, INTERACTION
from harness.analysis.question import Question, question
from harness.analysis.verdict_rule import Ruling
from harness.words.hypothesis import Hypothesis
from harness.words.tasks import is_over_tasks
from harness.words.verdict import Answer

KINDS: dict[str, Kind] = {
    "superiority": SUPERIORITY,
    "faster": FASTER,
    "equivalence": EQUIVALENCE,
    "non_inferiority": NON_INFERIORITY,
    "at_least": AT_LEAST,
    "best_of": BEST_OF,
    "dose": DOSE,
    "interior_optimum": INTERIOR_OPTIMUM,
    "interaction": INTERACTION,
    "mechanism": MECHANISM,
    "impossibility": IMPOSSIBILITY,
    "identity": IDENTITY,
    "threshold": THRESHOLD,
}


def kind_of(hypothesis: Hypothesis) -> Kind:
    """How the hypothesis is judged; a best of k over tasks has tests of its own."""
    return BEST_OVER_TASKS if is_over_tasks(hypothesis) else KINDS[hypothesis.kind]


def ask(evidence: Evidence, hypothesis: Hypothesis) -> Question:
    """The hypothesis as a question of the evidence. Raises BadInput where it names nothing there is."""
    return kind_of(hypothesis).weigh(question(evidence, hypothesis))


def answer(asked: Question) -> Answered:
    """The numbers of a question, and what its kind's rule makes of them; nothing where a value is missing.

    At one of several settings it is REFUTED only by the interval that is right for as many.
    """
    missing = asked.table[asked.table["arm"].isin(asked.columns)]["value"].isna()
    if missing.any():
        reason = f"the outcome could not be measured in {int(missing.sum())} of {len(missing)} runs"
        return Answered(asked, ruling=Ruling(Answer.INCONCLUSIVE, "", reason))
    if asked.scale.is_relative_to_nothing:
        reason = f"delta is a share {asked.scale.unit.removeprefix('% ')}, which is 0: give it as a number"
        return Answered(asked, ruling=Ruling(Answer.INCONCLUSIVE, "", reason))
    kind = kind_of(asked.hypothesis)
    return held(asked, kind.answer) if kind.held else kind.answer(asked)
