"""Best of k: the subject against the best other arm, every arm's comparison beside it."""

from __future__ import annotations

from dataclasses import replace

from harness.analysis.best_of import compare_arms, paired_scores
from harness.analysis.kinds.base import Answered, Kind
from harness.analysis.kinds.pair import finding, superiority
from harness.analysis.outcome_table import pairs
from harness.analysis.question import Question, best_column, column_means, with_delta
from harness.analysis.scale import outcome_label
from harness.analysis.sign_flip import sign_flip_p
from harness.analysis.verdict_rule import Robustness, effect_by_tests
from harness.analysis.wording import delta_text
from harness.words.hypothesis import BestOf
from harness.words.named import named_columns
from harness.words.verdict import Answer


def weigh(asked: Question) -> Question:
    """The subject (a, or the best) first, then the best other arm, then the rest."""
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
    return with_delta(replace(asked, columns=(subject, rival, *rest)), rival, hypothesis.delta)


def best_of(asked: Question) -> Answered:
    """The p value is the max-T one, over all arms.

    It is one-sided, and as either of two tied arms can come out first it is held to the whole 5 %.
    """
    found = superiority(asked)
    table = paired_scores(asked.table, asked.arms)
    comparisons = compare_arms(table, asked.arms, asked.direction, asked.variance_ratio)
    of_subject = next((c for c in comparisons if c["arm"] == asked.subject), None)
    if of_subject is None or found.interval is None:
        return found
    adjusted, robust = float(of_subject["p_max_t"]), None
    if not asked.variance_ratio:
        both = pairs(asked.table, asked.subject, asked.reference)
        differences = both.oriented(asked.direction)
        tests = Robustness(adjusted / 2, sign_flip_p(differences - asked.margin, "less"))
        robust = effect_by_tests(found.interval.value, asked.margin, tests, asked.one_sided)
    return replace(
        found,
        interval=found.interval._replace(p_value=adjusted),
        robust=robust,
        extra=found.extra | {"max_t_p": adjusted, "mean_rank": of_subject["mean_rank"]},
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


BEST_OF = Kind(weigh, best_of, statement, finding, deciding=deciding)
