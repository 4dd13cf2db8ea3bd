"""Universal claims: judged at every setting, refuted by one, supported by all; and what k looks cost."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.analysis.estimates import hodges_lehmann
from harness.analysis.judge import judge_study
from harness.analysis.kinds import answer, ask
from harness.analysis.kinds.joint import joint_answer
from harness.analysis.ledger import against_notes, judged_entry
from harness.analysis.universal import holds_in
from harness.words.verdict import Answer, StudyVerdict
from tests.analysis.swept import swept

SUPPORTED, REFUTED, INCONCLUSIVE = Answer.SUPPORTED, Answer.REFUTED, Answer.INCONCLUSIVE
DEPTHS = ("1", "3", "8")
CLAIM = {"kind": "superiority", "a": "adam", "b": "sgd", "outcome": "test/accuracy", "delta": 0.01}


def judged(gains, n=20, spread=0.01, seed=0, hypothesis=None, each=True):
    """The verdict of a study in which adam gains `gains[setting]`, settings being depths or (rate, depth)."""
    generator = np.random.default_rng(seed)
    crossed = isinstance(next(iter(gains)), tuple)
    depths = list(dict.fromkeys(k[-1] if crossed else k for k in gains))
    factors = {"optimizer.name": ["sgd", "adam"], "model.depth": depths}
    names = ["model.depth"]
    if crossed:
        factors = {"activation": list(dict.fromkeys(k[0] for k in gains)), **factors}
        names = ["activation", "model.depth"]

    def outcomes(*levels):
        *where, optimizer, depth = levels
        gain = gains[(where[0], depth) if where else depth] if optimizer == "adam" else 0.0
        return 0.6 + gain + spread * generator.normal(size=n)

    asked = {**CLAIM, **({"for_each": names} if each else {}), **(hypothesis or {})}
    verdict = judge_study(swept(factors, outcomes, asked))
    return verdict, verdict.hypotheses[0]


@pytest.mark.parametrize("crossed", [False, True])
def test_true_everywhere_is_supported(crossed):
    settings = [(a, d) for a in ("relu", "tanh") for d in DEPTHS] if crossed else DEPTHS
    verdict, joint = judged(dict.fromkeys(settings, 0.05))
    assert (joint.answer, joint.primary, joint.gates and joint.fragile) == (SUPPORTED, True, False)
    assert joint.holds_in.startswith(f"supported in {len(settings)} of {len(settings)} settings: ")
    assert [s.answer for s in joint.settings] == [SUPPORTED] * len(settings)
    assert verdict.headline.startswith("SUPPORTED")
    assert joint.holds_in in verdict.headline
    assert joint.holds_in in joint.reason


def test_one_false_setting_refutes_and_is_named():
    verdict, joint = judged({"1": 0.05, "3": -0.05, "8": 0.05})
    assert (joint.answer, joint.grade) == (REFUTED, "reversed")
    assert joint.holds_in == "supported in 2 of 3 settings: depth 1, depth 8; refuted in depth 3"
    assert joint.estimate.extra["setting"] == "depth 3"
    assert joint.estimate.value == joint.settings[1].estimate.value < 0
    assert "what decides is depth 3: " in verdict.headline
    assert joint.estimate.p_value == 1  # nothing supports it there, however surely the effect is not 0


def exactly(means, error, n=20):
    """The verdict where each depth's differences have exactly that mean, and exactly that standard error."""
    noise = np.random.default_rng(1).normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * error * np.sqrt(n)

    def outcomes(optimizer, depth):
        return np.full(n, 0.6) if optimizer == "sgd" else 0.6 + means[depth] + noise

    factors = {"optimizer.name": ["sgd", "adam"], "model.depth": list(means)}
    return judge_study(swept(factors, outcomes, {**CLAIM, "for_each": "model.depth"})).hypotheses[0]


def test_an_open_setting_leaves_it_open_and_is_named():
    joint = exactly({"1": 0.05, "3": 0.05, "8": 0.012}, error=0.01)
    answers = dict(zip(DEPTHS, (s.answer for s in joint.settings), strict=True))
    assert answers == {"1": SUPPORTED, "3": SUPPORTED, "8": INCONCLUSIVE}
    assert joint.answer is INCONCLUSIVE
    assert joint.holds_in == "supported in 2 of 3 settings: depth 1, depth 3; inconclusive in depth 8"
    assert joint.needed_n == joint.settings[2].needed_n > 20


def test_every_setting_is_judged_as_if_it_were_asked_alone():
    gains = {"1": 0.05, "3": -0.05, "8": 0.03}
    _, joint = judged(gains)
    for depth, setting in zip(DEPTHS, joint.settings, strict=True):
        alone = judged(gains, hypothesis={"at": {"model.depth": depth}}, each=False)[1]
        assert setting.at == {"model.depth": depth}
        same = {name: getattr(alone, name) for name in ("statement", "answer", "grade", "estimate", "gates")}
        assert {name: getattr(setting, name) for name in same} == same
    assert joint.statement == (
        "adam has a better test accuracy than sgd by at least 1 percentage point, at every depth (3 settings)"
    )


def test_the_p_value_is_the_largest_of_the_settings():
    _, joint = judged({"1": 0.05, "3": 0.012, "8": 0.03})
    assert joint.estimate.p_value == max(s.estimate.p_value for s in joint.settings)


def test_the_rule_over_every_combination_of_answers():
    assert joint_answer([SUPPORTED, SUPPORTED]) is SUPPORTED
    for others in ([SUPPORTED], [INCONCLUSIVE], [INCONCLUSIVE, SUPPORTED]):
        assert joint_answer([REFUTED, *others]) is REFUTED
        assert joint_answer([*others, REFUTED]) is REFUTED
    assert joint_answer([SUPPORTED, INCONCLUSIVE]) is INCONCLUSIVE


def test_a_setting_refutes_only_by_the_interval_for_as_many_looks():
    """Where the 95 % interval just excludes delta, that of 3 looks does not."""
    error, delta = 0.002, 0.01
    quantile, wide = (stats.t.ppf(1 - tail, 19) for tail in (0.025, 0.025 / 3))
    between = exactly({"1": 0.05, "3": delta - (quantile + wide) / 2 * error, "8": 0.05}, error)
    assert between.settings[1].estimate.high < delta
    assert between.answer is between.settings[1].answer is INCONCLUSIVE
    assert "the 95 % interval would refute it, but not the 98.33 % interval" in between.reason
    beyond = exactly({"1": 0.05, "3": delta - 1.05 * wide * error, "8": 0.05}, error)
    assert beyond.answer is REFUTED
    assert "judged by the 98.33 % interval" in beyond.reason


def test_a_claim_true_to_the_letter_is_refuted_no_more_often_than_by_one_look():
    """60 studies of 10 settings whose effect is delta itself: a look has a chance of 2.5 %, 10 have 22 %.

    A setting is a question put together once; a study is ten other tables of it.
    """
    generator = np.random.default_rng(5)
    evidence = swept({"optimizer.name": ["sgd", "adam"]}, lambda _: [0.5] * 8, CLAIM)
    asked = replace(ask(evidence, evidence.design.study.hypotheses[0]), settings=10)
    gains = np.where(asked.table["arm"] == "adam", 0.01, 0.0)
    wrong = alone = 0
    for _ in range(60):
        outcomes = 0.6 + gains + 0.01 * generator.normal(size=(10, len(gains)))
        tables = [asked.table.assign(value=values) for values in outcomes]
        found = [answer(replace(asked, table=table)) for table in tables]
        wrong += joint_answer([setting.ruling.answer for setting in found]) is REFUTED
        alone += any(setting.interval.high < 0.01 for setting in found)
    assert stats.binomtest(wrong, 60, 0.025, alternative="greater").pvalue > 0.01
    assert stats.binomtest(alone, 60, 0.025, alternative="greater").pvalue < 0.01  # without the correction


def test_bounds_and_shares_are_claims_of_every_setting_too():
    claim = {"kind": "at_least", "x": 0.02, "delta": None}
    _, joint = judged({"1": 0.05, "3": 0.002, "8": 0.05}, hypothesis=claim)
    assert (joint.answer, joint.settings[1].answer) == (REFUTED, REFUTED)
    assert joint.estimate.p_value == 1  # below the bound, though surely above 0 it may be
    _, level = judged({"1": 0.0, "3": 0.0, "8": 0.05}, hypothesis={"kind": "equivalence"})
    assert level.answer is REFUTED
    assert level.estimate.extra["setting"] == "depth 8"  # the farthest from equal decides


def test_a_verdict_with_settings_reads_back():
    verdict, joint = judged({"1": 0.05, "3": -0.05, "8": 0.05})
    again = StudyVerdict.model_validate_json(verdict.model_dump_json())
    assert again.hypotheses[0].settings == joint.settings
    assert holds_in(again.hypotheses[0].settings) == joint.holds_in


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        (
            (0.05, -0.05, 0.05),
            "Narrower than the notes: supported in 2 of 3 settings: depth 1, depth 8; refuted",
        ),
        (
            (-0.05, -0.05, -0.05),
            "the effect goes the other way; supported in 0 of 3 settings; refuted in depth",
        ),
        ((0.05, 0.05, 0.05), ""),
    ],
)
def test_the_ledger_says_where_a_claim_holds(gains, said):
    verdict, joint = judged(dict(zip(DEPTHS, gains, strict=True)))
    entry = judged_entry(verdict, swept_design())
    assert [(s.at, s.answer) for s in entry.settings] == [
        (f"depth {d}", s.answer) for d, s in zip(DEPTHS, joint.settings, strict=True)
    ]
    found = against_notes(entry)
    assert found == "" if said == "" else said in found


def swept_design():
    """The design of the studies that `judged` makes, with its data named as the ledger's scope wants it."""
    factors = {"optimizer.name": ["sgd", "adam"], "model.depth": list(DEPTHS)}
    claim = {**CLAIM, "for_each": ["model.depth"]}
    return swept(factors, lambda *_: [0.5, 0.6], claim, config={"data": {"name": "mnist1d"}}).design


def test_ranks_of_few_pairs_have_no_interval_for_many_looks():
    """One of 2^n sign vectors lies at either end, so no interval of n pairs is surer than 1 - 2 / 2^n."""
    values = np.arange(1.0, 9.0)
    within, beyond = (hodges_lehmann(values, 1 - share * 2.0**-7) for share in (1.001, 0.999))
    assert (within.low, within.high) == (values.min(), values.max())
    assert (beyond.low, beyond.high) == (-np.inf, np.inf)
