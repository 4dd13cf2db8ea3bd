"""Arms against one control: max-T within a family, Holm between families."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harness.analysis.families import Family, corrected_p
from harness.analysis.judge import judge_study
from harness.analysis.multiplicity import holm
from harness.reporting.build import build_document
from harness.reporting.document import Table
from harness.words.study import Study
from harness.words.verdict import Answer
from tests.analysis.swept import swept
from tests.reporting.test_report import blocks_of

RARE = 1e-4
N = 10  # all 1,024 sign vectors


def t_p(differences: np.ndarray) -> list[float]:
    return stats.ttest_1samp(differences, 0, axis=0).pvalue.tolist()


def family(differences: np.ndarray, first: int = 0, control: str = "ref") -> Family:
    return Family(control, tuple(range(first, first + differences.shape[1])), differences)


def test_without_families_it_is_holms_method() -> None:
    p_values = [0.3, 0.001, 0.02, 0.02, 0.9]
    found = corrected_p(dict(enumerate(p_values)), [])
    assert list(found.values()) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_families_of_one_are_holms_method() -> None:
    """Of the p values that each family's own flips give."""
    rng = np.random.default_rng(0)
    apart = rng.normal(0.6, 1, (N, 4))
    flips = [step_down_by_hand(apart[:, [i]])[0] for i in range(4)]
    families = [family(apart[:, [i]], i, f"ref{i}") for i in range(4)]
    found = corrected_p(dict.fromkeys(range(4), 0.0), families)
    assert list(found.values()) == pytest.approx(holm(flips))


def step_down_by_hand(differences: np.ndarray) -> list[float]:
    """Westfall and Young's algorithm over every sign vector, t values by scipy."""
    observed = np.abs(stats.ttest_1samp(differences, 0).statistic)
    signs = itertools.product((1, -1), repeat=len(differences))
    flipped = [np.abs(stats.ttest_1samp(np.array(s)[:, None] * differences, 0).statistic) for s in signs]
    order, least, found = np.argsort(-observed), 0.0, np.zeros(len(observed))
    for place, i in enumerate(order):
        largest = np.max(np.array(flipped)[:, order[place:]], axis=1)
        least = max(least, float(np.mean(largest >= observed[i] * (1 - 1e-9))))
        found[i] = least
    return found.tolist()


def test_one_family_is_step_down_max_t() -> None:
    rng = np.random.default_rng(1)
    differences = rng.normal(size=(8, 1)) + rng.normal([0.2, 0.9, 1.4], 1, (8, 3))
    found = corrected_p(dict.fromkeys(range(3), 0.0), [family(differences)])
    assert list(found.values()) == pytest.approx(step_down_by_hand(differences))
    raw = dict(enumerate(t_p(differences)))
    assert all(p >= raw[i] for i, p in corrected_p(raw, [family(differences)]).items())


def against_one(rng: np.random.Generator, effects: list[float], own: float = 0.5) -> np.ndarray:
    """(n, k) differences of arms from a control whose runs vary by 1, their own by less: correlated."""
    arms = own * rng.normal(size=(N, len(effects))) + np.asarray(effects)
    return arms - rng.normal(size=(N, 1))


def wrong(effects: tuple[list[float], list[float]], alone: list[float], studies: int) -> int:
    """In how many studies a test without effect is below 5 %; of two families and tests that stand alone."""
    rng, count = np.random.default_rng(2), 0
    truth = np.array([*effects[0], *effects[1], *alone])
    for _ in range(studies):
        first, second = (against_one(rng, e) for e in effects)
        others = rng.normal(size=(N, len(alone))) + alone
        p_values = dict(enumerate(t_p(np.hstack([first, second, others]))))
        families = [family(first), family(second, first.shape[1], "other")]
        adjusted = np.array(list(corrected_p(p_values, families).values()))
        count += bool((adjusted[truth == 0] <= 0.05).any())
    return count


FAR = 8.0
TRUTHS = {
    "no effect anywhere": (([0, 0, 0, 0], [0, 0]), [0, 0, 0]),
    "a family with one effect": (([FAR, 0, 0, 0], [0, 0]), [0, 0, 0]),
    "a family that is all found": (([0, 0, 0, 0], [FAR, FAR]), [FAR, 0, 0]),
    "one true test in each": (([FAR, FAR, FAR, 0], [FAR, 0]), [FAR, FAR, 0]),
}


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_study_rarely_has_a_false_finding(truth: str) -> None:
    studies = 2500
    assert wrong(*TRUTHS[truth], studies) <= stats.binom.ppf(1 - RARE, studies, 0.05)


def test_correlated_arms_are_found_more_often_than_by_holms_method() -> None:
    rng, by_family, by_holm = np.random.default_rng(3), 0, 0
    for _ in range(400):
        differences = against_one(rng, [1.0] * 6)
        p_values = dict(enumerate(t_p(differences)))
        by_family += sum(p <= 0.05 for p in corrected_p(p_values, [family(differences)]).values())
        by_holm += sum(p <= 0.05 for p in corrected_p(p_values, []).values())
    assert by_family > 1.15 * by_holm > 0


ARMS = ("ref", "a", "b", "c")


def judged(hypotheses, diverged: float = 0.0, scope: str = "fresh"):
    """A study of four arms on 20 replicates; the first hypothesis is primary."""
    rng = np.random.default_rng(4)
    runs = {arm: 0.8 + 0.02 * (arm != "ref") + 0.01 * rng.normal(size=20) for arm in ARMS}
    runs["a"][: round(20 * diverged)] = np.nan
    evidence = swept({"arm": list(ARMS)}, runs.__getitem__, hypotheses[0])
    study = Study.model_validate({"arms": {"arm": list(ARMS)}, "hypotheses": hypotheses})
    facts = {arm: f.model_copy(update={"scope": scope}) for arm, f in evidence.design.data.items()}
    design = evidence.design.model_copy(update={"study": study, "data": facts})
    return replace(evidence, design=design)


def pair(a: str, b: str = "ref", kind: str = "superiority", outcome: str = "test/accuracy"):
    return {"kind": kind, "a": a, "b": b, "outcome": outcome, "delta": 0.01}


THREE = [pair("a"), pair("b"), pair("c")]
FIRST = {**pair("c", "b"), "primary": True}


def corrections(evidence) -> list[str]:
    return [h.correction for h in judge_study(evidence).hypotheses]


def test_arms_against_a_control_are_a_family() -> None:
    verdict = judge_study(judged([FIRST, *THREE]))
    named = "max-T sign flips of 3 arms against ref"
    assert [h.correction for h in verdict.hypotheses] == ["", named, named, named]
    found = [h.p_adjusted for h in verdict.hypotheses[1:]]
    assert all(p <= 0.05 for p in found)
    assert verdict.hypotheses[0].p_adjusted is None


def test_a_mixed_study_names_both_corrections() -> None:
    evidence = judged([FIRST, *THREE, pair("a", "b"), pair("a", kind="equivalence")])
    mixed = "max-T sign flips of 3 arms against ref, Holm's method between them and the others"
    assert corrections(evidence) == ["", mixed, mixed, mixed, "Holm's method", "Holm's method"]
    tables = blocks_of(build_document(evidence, judge_study(evidence)), Table)
    (table,) = [t for t in tables if t.caption.startswith("The secondary hypotheses")]
    assert "by Holm's method; those marked max-T" in table.caption
    place = [c.title for c in table.columns].index("p, corrected")
    assert ["(max-T)" in str(row[place]) for row in table.rows] == [True] * 3 + [False] * 2


HOLM = ["", "Holm's method", "Holm's method"]


def test_what_is_no_family_keeps_holms_method() -> None:
    other_outcome = {**pair("b"), "outcome": {"success": "test/accuracy", "at_least": 0.7}}
    assert corrections(judged([FIRST, pair("a"), other_outcome])) == HOLM
    assert corrections(judged([FIRST, pair("a"), pair("b", "c")])) == HOLM
    assert corrections(judged([FIRST, pair("a"), pair("b")], diverged=0.1)) == HOLM  # a goes by ranks
    assert corrections(judged([FIRST, pair("a"), pair("b")], scope="resplit")) == HOLM  # signs don't flip
    assert (
        corrections(judged([FIRST, pair("a"), pair("b")]))[1:]
        == ["max-T sign flips of 2 arms against ref"] * 2
    )


def test_what_max_t_leaves_open_says_so() -> None:
    """Two arms, each of p = .035 by itself, that share no noise: max-T comes near to twice that."""
    noise = np.random.default_rng(4).normal(size=(2, 20))
    noise -= noise.mean(axis=1, keepdims=True)
    noise *= 0.0045 * np.sqrt(20) / noise.std(axis=1, ddof=1, keepdims=True)
    runs = {"ref": np.full(20, 0.8), "a": 0.8102 + noise[0], "b": 0.8102 + noise[1], "c": np.full(20, 0.8)}
    evidence = judged([FIRST, pair("a"), pair("b")])
    found = swept({"arm": list(ARMS)}, runs.__getitem__, FIRST)
    verdict = judge_study(replace(found, design=evidence.design))
    for one in verdict.hypotheses[1:]:
        assert one.answer is Answer.INCONCLUSIVE
        assert one.estimate.p_value < 0.05 < one.p_adjusted < 0.08
        assert "corrected for 2 secondary hypotheses (max-T sign flips of 2 arms against ref)" in one.reason
