"""Best of k: the subject against the best other arm, every arm's comparison beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from harness.analysis.best_of import compare_arms, paired_scores
from harness.analysis.kinds.base import Answered, Kind
from harness.analysis.kinds.looks import among, held
from harness.analysis.kinds.pair import finding, superiority
from harness.analysis.outcome_table import pairs
from harness.analysis.question import Question, best_column, column_means, with_delta
from harness.analysis.scale import outcome_label
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.verdict_rule import Robustness, Ruling, effect_by_tests
from harness.analysis.wording import delta_text
from harness.words.hypothesis import BestOf
from harness.words.named import named_columns
from harness.words.verdict import Answer

P_METHODS = {"max_t": "max-T sign flips against every other arm, one-sided", "holm": "the largest by Holm"}


def weigh(asked: Question) -> Question:
    """The subject (a, or the best) first, then the best other arm, whose outcomes decide; then the rest."""
    hypothesis = asked.hypothesis
    assert isinstance(hypothesis, BestOf)
    means = column_means(asked)
    if hypothesis.a is None:
        subject = best_column(asked.columns, means, asked.direction)
    else:
        subject = asked.evidence.design.select_arm(hypothesis.a, hypothesis.at).label
    others = [c for c in asked.columns if c != subject]
    rival = best_column(others, means, asked.direction)
    rest = (c for c in others if c != rival)
    decided = replace(asked, columns=(subject, rival, *rest), deciders=(subject, rival))
    return with_delta(decided, rival, hypothesis.delta)


def best_of(asked: Question) -> Answered:
    """The subject's lead over the best other arm.

    The best other is chosen on the same data, which makes the lead smaller: supporting needs no
    correction. Refuting does: any of k - 1 rivals may (`looks`). Without `a` the claim is that some arm
    leads, and every other arm has to be refuted too.
    """
    rivals = len(asked.columns) - 1
    found = held(asked, _against_rival, rivals, "rivals")
    return unless_another_may(found, asked.columns[1:], partial(_trails, among(asked, rivals)))


def unless_another_may(answered: Answered, others: Sequence[str], trails: Callable[[str], bool]) -> Answered:
    """Where "some arm leads" is refuted of the first: open, if one of the others may yet lead by as much."""
    named = getattr(answered.question.hypothesis, "a", None) is not None
    if named or answered.ruling is None or answered.ruling.answer is not Answer.REFUTED:
        return answered
    leading = next((other for other in others if not trails(other)), None)
    if leading is None:
        return answered
    why = f"the arm that came out first is refuted, but {leading} may yet lead by as much"
    return replace(answered, ruling=Ruling(Answer.INCONCLUSIVE, "", why), robust=None)


def _trails(asked: Question, column: str) -> bool:
    """Whether it is refuted that a column leads the subject, the best other one to it."""
    ruling = superiority(replace(asked, columns=(column, asked.subject))).ruling
    return ruling is not None and ruling.answer is Answer.REFUTED


def _against_rival(asked: Question) -> Answered:
    """The p value holds for all arms together: max-T, or Holm's where replicates overlap.

    Max-T is one-sided, and as either of two tied arms can come out first it is held to the whole 5 %.
    """
    found = superiority(asked)
    table = paired_scores(asked.table, asked.arms)
    comparisons = compare_arms(table, asked.arms, asked.direction, asked.variance_ratio)
    of_subject = next((c for c in comparisons if c["arm"] == asked.subject), None)
    if of_subject is None or found.interval is None:
        return found
    test = "holm" if asked.variance_ratio else "max_t"
    adjusted, robust = float(of_subject[f"p_{test}"]), None
    if not asked.variance_ratio:
        both = pairs(asked.table, asked.subject, asked.reference)
        differences = both.oriented(asked.direction)
        tests = Robustness(adjusted / 2, sign_flip_p(differences - asked.margin, "less"))
        robust = effect_by_tests(found.interval.value, asked.margin, tests, asked.one_sided)
    return replace(
        found,
        interval=found.interval._replace(p_value=adjusted, p_method=P_METHODS[test]),
        robust=robust,
        extra=found.extra | {f"{test}_p": adjusted, "mean_rank": of_subject["mean_rank"]},
        comparisons=comparisons,
    )


def deciding(answered: Answered) -> Question:
    """All arms, but where a is refuted: one that does better refutes it, whatever became of the others."""
    asked, ruling = answered.question, answered.ruling
    if getattr(asked.hypothesis, "a", None) is None or ruling is None or ruling.answer is not Answer.REFUTED:
        return asked
    columns = {c.label: c.arm for c in named_columns(asked.evidence.design, asked.hypothesis)}
    pair = asked.columns[:2]
    return replace(asked, columns=pair, arms=tuple(dict.fromkeys(columns[c] for c in pair)))


def statement(asked: Question) -> str:
    """a, or some arm, is the best of k."""
    label, size = outcome_label(asked.outcome), delta_text(asked)
    if getattr(asked.hypothesis, "a", None) is None:
        return f"one arm has the best {label} of {len(asked.columns)}, by at least {size}"
    return f"{asked.subject} has the best {label} of {len(asked.columns)} arms, by at least {size}"


BEST_OF = Kind(weigh, best_of, statement, finding, deciding=deciding, held=False)
