"""The ledger: claims corrected together, and what each verdict does to the notes."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from harness.analysis.controls import control_result
from harness.analysis.judge import judge_study
from harness.analysis.ledger import against_notes, judged_entry, make_ledger, open_entry
from harness.reporting.ledger import cells
from harness.reporting.numbers import MISSING
from harness.words.study import Study
from harness.words.verdict import Answer
from tests.simulated import simulated_evidence

ARMS = ("sgd", "momentum", "adam")
BETTER = {
    "primary": True,
    "kind": "superiority",
    "a": "adam",
    "b": "sgd",
    "outcome": {"final": "test/accuracy"},
    "delta": 0.01,
}


def judged(name="optimizers", scope="fresh", control=None, hypotheses=None, **options):
    """The entry of a simulated study."""
    evidence = simulated_evidence(arms=ARMS, hypotheses=hypotheses or [BETTER], **options)
    study = evidence.design.study.model_copy(update={"control": control})
    facts = {a: f.model_copy(update={"scope": scope}) for a, f in evidence.design.data.items()}
    design = evidence.design.model_copy(update={"name": name, "study": study, "data": facts})
    held = replace(evidence, design=design)
    return judged_entry(judge_study(held), design)


@pytest.fixture(scope="module")
def supported():
    return judged()


def test_an_entry_is_its_verdict(supported):
    assert (supported.answer, supported.grade, supported.state) == (Answer.SUPPORTED, "clear", "judged")
    assert supported.estimate.low > 0.01
    assert (supported.scope, supported.scopes) == ("fresh mnist1d", ["fresh"])
    assert (supported.date, supported.minutes) == ("2026-01-01", 0)
    assert supported.holds is None
    assert supported.notes == ""


def test_what_it_cost_is_all_its_executions():
    evidence = simulated_evidence(arms=ARMS, hypotheses=[BETTER])
    ran = ({"time_s": 90.0, "ended": "2026-02-01T10:00:00+00:00"}, {"started": "2026-02-03T10:00:00+00:00"})
    entry = judged_entry(judge_study(replace(evidence, executions=ran)), evidence.design)
    assert (entry.minutes, entry.date) == (1.5, "2026-02-01")


def test_p_values_are_corrected_over_all_claims_and_not_over_controls(supported):
    wanted = [0.001, 0.02, 0.03, 0.2, 0.9]
    entries = [with_p(supported, f"s{i}", p) for i, p in enumerate(wanted)]
    control = with_p(supported, "control", 1e-9).model_copy(update={"control": "planted_effect"})
    waiting = open_entry("waiting", Study.model_construct(), "not run")
    ledger = make_ledger([*entries, control, waiting])
    assert ledger.tests == 5
    found = [e.p_adjusted for e in ledger.claims]
    assert found[:5] == pytest.approx(multipletests(wanted, method="fdr_bh")[1].tolist())
    assert found[5] is None
    assert [e.study for e in ledger.controls] == ["control"]


def test_more_claims_never_make_a_p_smaller(supported):
    rng = np.random.default_rng(0)
    entries = [with_p(supported, str(i), p) for i, p in enumerate(rng.uniform(size=12))]
    ledger = make_ledger(entries)
    assert all(e.p_adjusted >= e.estimate.p_value for e in ledger.claims)


def test_a_supported_claim_that_the_correction_undoes(supported):
    chance = [with_p(supported, f"c{i}", 0.9) for i in range(20)]
    found = make_ledger([with_p(supported, "weak", 0.04), *chance]).claims[0]
    assert (
        found.notes == "Narrower than the notes: its p value, corrected for all claims, is 0.84, above 0.05."
    )


def with_p(entry, name, p_value):
    estimate = entry.estimate.model_copy(update={"p_value": float(p_value)})
    return entry.model_copy(update={"study": name, "estimate": estimate})


@pytest.mark.parametrize(
    ("hypothesis", "said"),
    [
        (BETTER | {"a": "sgd", "b": "adam"}, "Against the notes: the effect goes the other way."),
        (BETTER | {"delta": 0.2}, "a smaller one than would matter (20 percentage points)."),
        (BETTER | {"kind": "at_least", "x": 0.2, "delta": None}, "but a smaller one than the notes say."),
        (
            BETTER | {"kind": "non_inferiority", "a": "sgd", "b": "adam"},
            "Against the notes: it is worse by more than would matter (1 percentage point).",
        ),
        (
            BETTER | {"kind": "equivalence"},
            "Against the notes: the two differ by more than would matter (1 percentage point).",
        ),
        (BETTER | {"delta": "30%"}, "a smaller one than would matter (30 % of sgd's mean)."),
    ],
)
def test_what_a_refuted_claim_does_to_the_notes(hypothesis, said):
    entry = judged(hypotheses=[hypothesis])
    assert entry.answer is Answer.REFUTED
    assert said in against_notes(entry)


def test_no_effect_is_told_from_a_small_one():
    entry = judged(effect=0.0, hypotheses=[BETTER | {"delta": 0.05}])
    assert entry.grade == "negligible"
    told = "an effect, if there is one at all, is smaller than would matter (5 percentage points)."
    assert against_notes(entry) == f"Against the notes: {told}"


SENTENCES = [
    ("faster", "reversed", "ratio of steps", 1.25, "Against the notes: the other one is faster."),
    (
        "faster",
        "negligible",
        "ratio of steps",
        1.25,
        "Against the notes: a speed-up, if there is one at all, is smaller than would matter "
        "(a factor of 1.25 in steps).",
    ),
    (
        "faster",
        "too small",
        "ratio of steps",
        1.25,
        "Narrower than the notes: there is a speed-up, but a smaller one than would matter "
        "(a factor of 1.25 in steps).",
    ),
    ("best_of", "reversed", "percentage points", 1, "Against the notes: another arm does better."),
    ("dose", "reversed", "percentage points", 1, "Against the notes: the trend goes the other way."),
    (
        "dose",
        "too small",
        "percentage points",
        1,
        "Narrower than the notes: there is a trend, but a smaller one than would matter "
        "(1 percentage point).",
    ),
    (
        "interaction",
        "negligible",
        "loss",
        0.1,
        "Against the notes: a change of the advantage, if there is one at all, is smaller than would matter "
        "(0.1 in loss).",
    ),
    (
        "interior_optimum",
        "reversed",
        "percentage points",
        1,
        "Against the notes: an end of the range does better than the levels inside it.",
    ),
    (
        "mechanism",
        "reversed",
        "%",
        None,
        "Against the notes: what was measured lies on the other side of the bound set beforehand.",
    ),
    (
        "threshold",
        "no crossing",
        "ratio",
        None,
        "Against the notes: there is no critical level in the range.",
    ),
    (
        "identity",
        "unequal",
        "relative error",
        None,
        "Against the notes: the two ways of computing it differ by more than rounding.",
    ),
    (
        "impossibility",
        "possible",
        "%",
        None,
        "Against the notes: what they call impossible was not done, but it can be.",
    ),
]


@pytest.mark.parametrize(("kind", "grade", "unit", "delta", "sentence"), SENTENCES)
def test_every_kind_of_refutation_is_one_sentence(supported, kind, grade, unit, delta, sentence):
    estimate = supported.estimate.model_copy(update={"unit": unit})
    told = {"kind": kind, "grade": grade, "estimate": estimate, "shown_delta": delta}
    entry = supported.model_copy(update={"answer": Answer.REFUTED, **told})
    assert against_notes(entry) == sentence


def test_a_claim_that_is_short_of_more_than_one_thing_is_still_one_sentence():
    entry = judged(scope="fixed").model_copy(update={"fragile": True})
    assert against_notes(entry) == (
        "Narrower than the notes: it is shown on one data set as it is, and on no other; "
        "a robustness test that assumes less would not support it."
    )


def test_without_a_gate_the_reason_is_told(supported):
    between = (supported.estimate.value + supported.estimate.high) / 2
    entry = judged(hypotheses=[BETTER | {"delta": between}])
    assert entry.answer is Answer.INCONCLUSIVE
    told = against_notes(entry)
    assert told.startswith("Not decided: adam's test accuracy is better than sgd's by ")
    assert "; the interval reaches from too small an effect up to one that matters; about " in told
    assert told.endswith(" replicates would decide it at this estimate and spread.")


@pytest.mark.parametrize(
    ("scope", "said"), [("fixed", "on no other"), ("resplit", "split from one data set")]
)
def test_a_supported_claim_on_one_data_set_is_narrower(scope, said):
    entry = judged(scope=scope)
    assert entry.answer is Answer.SUPPORTED
    assert said in against_notes(entry)


@pytest.mark.parametrize(("scope", "narrower"), [("fixed", False), ("resplit", True)])
def test_a_certificate_of_data_as_they_are_is_as_wide_as_the_claim(scope, narrower):
    """What a linear program says of all there is needs no other data; of a split it needs other splits."""
    entry = judged(scope=scope).model_copy(update={"kind": "impossibility"})
    assert entry.answer is Answer.SUPPORTED
    assert bool(against_notes(entry)) is narrower
    fragile = entry.model_copy(update={"fragile": True})
    assert "would not support it" in against_notes(fragile)


def test_a_gate_is_named():
    entry = judged(diverged={"adam": 0.5})
    assert entry.answer is Answer.INCONCLUSIVE
    assert against_notes(entry) == "Not decided: gate G4 (diverged runs) fails."
    two = entry.model_copy(
        update={"failed_gates": ["G1 tuned value on its range's edge", "G8 enough tuning"]}
    )
    told = "gates G1 (tuned value on its range's edge) and G8 (enough tuning) fail"
    assert against_notes(two) == f"Not decided: {told}."


def test_settings_where_the_same_question_is_answered_otherwise(supported):
    elsewhere = [{"at": "data a", "answer": "SUPPORTED"}, {"at": "data b", "answer": "REFUTED"}]
    entry = supported.model_validate({**supported.model_dump(), "settings": elsewhere})
    assert "it is shown in 1 of 2 settings, and not at data b" in against_notes(entry)
    refuted = entry.model_copy(update={"answer": Answer.REFUTED, "grade": "reversed"})
    assert against_notes(refuted) == "Against the notes: the effect goes the other way; it holds at data a."


def test_hypotheses_that_differ_in_where_alone_are_settings():
    asked = [BETTER, BETTER | {"primary": False, "name": "again"}, BETTER | {"primary": False, "delta": 0.2}]
    entry = judged(hypotheses=asked)
    assert [s.answer for s in entry.settings] == [Answer.SUPPORTED] * 2
    assert entry.secondary == {"SUPPORTED": 1, "REFUTED": 1}


def test_a_control_holds_where_all_its_hypotheses_are_supported():
    good = judged(control="planted_effect")
    bad = judged(
        "bad", control="planted_effect", hypotheses=[BETTER, BETTER | {"primary": False, "delta": 0.2}]
    )
    ledger = make_ledger([good, bad])
    assert (good.holds, bad.holds) == (True, False)
    assert [e.study for e in ledger.failed_controls] == ["bad"]
    assert ledger.claims == []


def test_a_control_that_fails_is_gate_g9():
    evidence = simulated_evidence(arms=ARMS, hypotheses=[BETTER])
    failed = control_result(judge_study(simulated_evidence(arms=ARMS, effect=0.0, hypotheses=[BETTER])))
    fine = control_result(judge_study(evidence))
    assert (fine["passed"], failed["passed"]) == (True, False)
    assert judge_study(replace(evidence, controls=(fine,))).hypotheses[0].answer is Answer.SUPPORTED
    verdict = judge_study(replace(evidence, controls=(fine, failed)))
    assert verdict.hypotheses[0].answer is Answer.INCONCLUSIVE
    assert "G9 controls" in verdict.headline


def test_a_search_has_its_cost_and_its_date():
    evidence = simulated_evidence(arms=ARMS, hypotheses=[BETTER])
    ran = ({"time_s": 90.0, "ended": "2026-02-01T10:00:00+00:00"},)
    verdict = judge_study(replace(evidence, executions=ran)).model_copy(update={"hypotheses": []})
    entry = judged_entry(verdict, evidence.design, "It has changed.")
    assert (entry.answer, entry.state, entry.minutes, entry.date) == (None, "judged", 1.5, "2026-02-01")
    assert entry.note == f"{verdict.headline} It has changed."
    assert cells(entry) == ["judged", MISSING, MISSING, MISSING, "1 min 30 s", "2026-02-01"]


def part(**changes):
    return {**BETTER, "primary": False, "part": True, **changes}


def test_other_parts_of_the_claim_narrow_it():
    hypotheses = [BETTER, part(a="sgd", b="adam"), part(a="adam", b="momentum", delta=0.001)]
    entry = judged(hypotheses=hypotheses)
    assert entry.answer is Answer.SUPPORTED
    (refuted,) = [p.at for p in entry.parts if p.answer is Answer.REFUTED]
    assert refuted == "sgd has a better test accuracy than adam by at least 1 percentage point"
    assert f"Narrower than the notes: it is refuted that {refuted}" in against_notes(entry)
    plain = [BETTER, *({k: v for k, v in h.items() if k != "part"} for h in hypotheses[1:])]
    assert judged(hypotheses=plain).parts == []
    assert against_notes(judged(hypotheses=plain)) == ""


def test_which_hypotheses_are_parts_decides_no_verdict():
    plain, parts = (
        simulated_evidence(arms=ARMS, hypotheses=[BETTER, part(part=is_part, delta=0.02)])
        for is_part in (False, True)
    )
    assert plain.design.hash == parts.design.hash


@pytest.mark.parametrize(("state", "note"), [("not run", ""), ("unfinished", "3 of 40 are missing")])
def test_a_control_without_a_verdict_warns_beside_claims_that_have_one(supported, state, note):
    study = Study.model_construct(control="no_difference")
    control = open_entry("twins", study, state, note)
    assert make_ledger([control]).controls == [control]
    (warned,) = make_ledger([control, supported]).controls
    assert warned.note.startswith(f"{note}. This control" if note else "This control has no verdict")
    (held,) = make_ledger([judged(control="planted_effect"), supported]).controls
    assert held.note == ""
