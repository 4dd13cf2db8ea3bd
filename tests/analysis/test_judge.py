"""From evidence to verdict: the whole path on simulated studies."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.judge import judge_study
from harness.analysis.kinds import ask
from harness.analysis.ledger import judged_entry
from harness.errors import BadInput
from harness.words.design import DataFacts
from harness.words.record import Status
from harness.words.study import Study
from harness.words.verdict import Answer
from tests.analysis.swept import swept
from tests.simulated import ARMS, simulated_design, simulated_evidence


def superiority(a="adam", b="momentum", outcome="test/accuracy", **options):
    return {"kind": "superiority", "a": a, "b": b, "outcome": outcome, **options}


def with_scope(evidence, scope):
    facts = DataFacts(scope=scope, n_train=4000, n_val=1000, n_test=1000, n_classes=10)
    data = {a.label: facts for a in evidence.design.arms}
    return replace(evidence, design=evidence.design.model_copy(update={"data": data}))


@pytest.fixture(scope="module")
def verdict():
    return judge_study(simulated_evidence())


def test_the_headline_says_effect_interval_and_what_was_asked(verdict):
    primary = verdict.hypotheses[0]
    assert (primary.answer, primary.grade, primary.primary) == (Answer.SUPPORTED, "clear", True)
    shown = primary.estimate
    assert verdict.headline == (
        f"SUPPORTED (clear): adam reaches {verdict.targets['val/accuracy']:.3g} validation accuracy in "
        f"{shown.shown_value:.2f}x fewer steps than momentum, 95 % interval {shown.shown_low:.2f} to "
        f"{shown.shown_high:.2f}, at least 1.25x asked."
    )
    # adam's time constant is 125 of momentum's 200 steps, its final accuracy higher: more than 1.6x in truth
    assert shown.shown_low > 1.5
    assert shown.shown_value == pytest.approx(math.exp(shown.value))
    assert primary.shown_delta == pytest.approx(1.25)
    assert 0 < shown.extra["pair_correlation"] < 1


def test_sensitivity_over_targets(verdict):
    rows = verdict.hypotheses[0].sensitivity
    targets = [r["target"] for r in rows]
    assert targets == sorted(targets)
    asked = next(r for r in rows if r["target"] == pytest.approx(verdict.targets["val/accuracy"]))
    assert asked["ratio"] == pytest.approx(verdict.hypotheses[0].estimate.shown_value)


def test_best_of_compares_every_arm(verdict):
    best = verdict.hypotheses[1]
    assert best.kind == "best_of"
    assert best.comparisons[0]["arm"] == "adam"
    assert len(best.comparisons) == 4
    assert best.p_adjusted == best.estimate.p_value  # the only secondary hypothesis
    assert best.estimate.unit == "percentage points"
    assert best.estimate.shown_value == pytest.approx(100 * best.estimate.value)


def test_the_verdict_is_plain_json_without_nan(verdict):
    text = json.dumps(verdict.model_dump(mode="json"), allow_nan=False)
    assert type(verdict).model_validate_json(text) == verdict


def test_arms_are_described(verdict):
    adam = next(a for a in verdict.arms if a.arm == "adam")
    assert (adam.n, adam.n_diverged, adam.n_failed, adam.tuning_trials, adam.steps) == (20, 0, 0, 18, 1200)
    found = adam.outcomes["final test/accuracy"]
    assert found["low"] < found["mean"] < found["high"]
    assert adam.gates == []


def test_relative_delta_refers_to_b():
    evidence = simulated_evidence(replicates=8, hypotheses=[superiority(outcome="test/loss")])
    verdict = judge_study(evidence).hypotheses[0]
    trials = evidence.trials[(evidence.trials["phase"] == "judge") & (evidence.trials["arm"] == "momentum")]
    mean = trials["test/loss"].mean()
    assert verdict.delta == pytest.approx(0.05 * mean)
    assert verdict.shown_delta == pytest.approx(5)
    assert verdict.estimate.shown_value == pytest.approx(100 * verdict.estimate.value / mean)
    assert verdict.estimate.value > 0  # a lower loss favours adam


def test_the_reverse_claim_is_refuted():
    verdict = judge_study(simulated_evidence(hypotheses=[superiority(a="sgd", b="adam")]))
    assert (verdict.hypotheses[0].answer, verdict.hypotheses[0].grade) == (Answer.REFUTED, "reversed")
    assert "sgd's test accuracy is worse than adam's" in verdict.headline
    slow = {"kind": "faster", "a": "momentum", "b": "adam", "outcome": {"steps_to": "val/accuracy"}}
    verdict = judge_study(simulated_evidence(hypotheses=[slow]))
    assert verdict.hypotheses[0].answer is Answer.REFUTED
    assert "momentum takes" in verdict.headline


def test_equal_arms_are_not_supported():
    verdict = judge_study(simulated_evidence(effect=0.0, hypotheses=[superiority()]))
    assert verdict.hypotheses[0].answer is not Answer.SUPPORTED


@pytest.mark.parametrize(("share", "method"), [(0.05, "paired t"), (0.1, "Hodges-Lehmann")])
def test_diverged_pairs_are_imputed_and_shown_without(share, method):
    evidence = simulated_evidence(diverged={"momentum": share}, hypotheses=[superiority()])
    verdict = judge_study(evidence).hypotheses[0]
    assert verdict.estimate.method.startswith(method)
    assert (verdict.estimate.n, verdict.without_diverged.n) == (20, 20 - round(20 * share))


def test_a_diverged_run_is_censored_for_faster():
    verdict = judge_study(simulated_evidence(diverged={"momentum": 0.1})).hypotheses[0]
    assert "restricted means" in verdict.estimate.method
    assert verdict.estimate.extra["b_censored"] == pytest.approx(0.1)
    assert verdict.without_diverged.n == 18


def test_scope_decides_the_interval():
    evidence = simulated_evidence(hypotheses=[superiority()])
    fresh, fixed, resplit = (
        judge_study(with_scope(evidence, scope)) for scope in ("fresh", "fixed", "resplit")
    )
    wider = resplit.hypotheses[0].estimate.standard_error / fresh.hypotheses[0].estimate.standard_error
    assert wider == pytest.approx(math.sqrt(1 + 20 * 1000 / 4000))
    assert "Nadeau-Bengio" in resplit.hypotheses[0].estimate.method
    assert fixed.hypotheses[0].estimate == fresh.hypotheses[0].estimate
    assert "conditional on that data set" in fixed.scope


def test_failed_trials_leave_their_pair_out_and_fail_the_gate():
    evidence = simulated_evidence(replicates=8, hypotheses=[superiority()])
    lost = next(p.trial for p in evidence.planned if p.arm == "adam" and p.phase == "judge")
    failed = evidence.records[lost].model_copy(update={"status": Status.FAILED, "final": {}, "curves": {}})
    trials = evidence.trials.copy()
    trials.loc[trials["trial"] == lost, "status"] = "failed"
    verdict = judge_study(replace(evidence, records={**evidence.records, lost: failed}, trials=trials))
    assert verdict.hypotheses[0].estimate.n == 7
    assert [g.passed for g in verdict.hypotheses[0].gates if g.name == "G7"] == [False]
    assert next(a.n_failed for a in verdict.arms if a.arm == "adam") == 1


def test_targets_come_from_freezing_else_the_study_else_tuning():
    evidence = simulated_evidence(replicates=2)
    hypothesis = evidence.design.study.primary
    frozen = evidence.frozen.targets["val/accuracy"]
    assert ask(evidence, hypothesis).target == frozen
    thawed = replace(evidence, frozen=None)
    assert ask(thawed, hypothesis).target == pytest.approx(frozen)  # the same rule, from the records
    given = evidence.design.study.target.model_copy(update={"value": 0.4})
    study = evidence.design.study.model_copy(update={"target": given})
    design = evidence.design.model_copy(update={"study": study})
    assert ask(replace(thawed, design=design), hypothesis).target == 0.4


def test_small_errors_get_a_smaller_default_delta():
    evidence = simulated_evidence(replicates=8, hypotheses=[superiority()])
    good = {
        i: r.model_copy(update={"final": {k: 1 - 0.02 * np.exp(-v) for k, v in r.final.items()}})
        for i, r in evidence.records.items()
    }
    asked = ask(replace(evidence, records=good), evidence.design.study.hypotheses[0])
    assert asked.delta == 0.003


SLOWER = {"kind": "faster", "a": "adam", "b": "sgd", "outcome": {"steps_to": "val/accuracy"}, "delta": 0.9}


@pytest.mark.parametrize(
    ("hypotheses", "message"),
    [
        ([{"kind": "dose", "outcome": "test/accuracy"}], "give `over`: the factors whose levels are numbers"),
        ([], "no hypotheses"),
        ([SLOWER], "ratio of steps above 1"),
        ([{**SLOWER, "outcome": "val/accuracy"}], "compares steps_to"),
        ([superiority(a="adam", b="adam")], "compares the arm 'adam' with itself"),
        ([superiority(a="lion")], "no arm; the study's arms: sgd, momentum, adam"),
        ([superiority(outcome="diverged")], "give delta"),
    ],
)
def test_what_cannot_be_judged_says_why(hypotheses, message):
    evidence = simulated_evidence(replicates=2, arms=("sgd", "momentum", "adam"), hypotheses=hypotheses)
    with pytest.raises(BadInput, match=message):
        judge_study(evidence)


def test_one_replicate_decides_nothing():
    verdict = judge_study(simulated_evidence(replicates=1, hypotheses=[superiority()])).hypotheses[0]
    assert (verdict.answer, verdict.estimate) == (Answer.INCONCLUSIVE, None)


def test_the_simulated_design_has_every_arm():
    assert [a.label for a in simulated_design(ARMS, 3).arms] == list(ARMS)


def holding_by_itself(count, error=0.0045):
    """`count` secondary hypotheses after a primary one, each of an effect .0102 with that error, p = .035.

    Each has a control of its own: arms against one are a family, which max-T corrects.
    """
    noise = np.random.default_rng(4).normal(size=(count + 1, 20))
    noise -= noise.mean(axis=1, keepdims=True)
    noise *= error * np.sqrt(20) / noise.std(axis=1, ddof=1, keepdims=True)
    runs = {f"a{i}": 0.8102 + row for i, row in enumerate(noise)}
    asked = [superiority(a=a, b=f"ref {a}", delta=0.01) for a in runs]
    runs |= {f"ref {a}": np.full(20, 0.8) for a in runs}
    evidence = swept({"arm": list(runs)}, runs.get, asked[0])
    study = Study.model_validate({"arms": {"arm": list(runs)}, "hypotheses": asked})
    return replace(evidence, design=evidence.design.model_copy(update={"study": study}))


@pytest.mark.parametrize(("count", "answer"), [(1, Answer.SUPPORTED), (2, Answer.INCONCLUSIVE)])
def test_a_secondary_hypothesis_is_supported_only_after_holms_correction(count, answer):
    verdict = judge_study(holding_by_itself(count))
    primary, *secondary = verdict.hypotheses
    assert (primary.answer, primary.p_adjusted) == (Answer.SUPPORTED, None)
    for found in secondary:
        assert found.answer is answer
        assert found.p_adjusted == pytest.approx(count * found.estimate.p_value)
        assert (found.p_adjusted > 0.05) == (answer is Answer.INCONCLUSIVE)
        said = f"corrected for {count} secondary hypotheses (Holm's method), is {found.p_adjusted:.2g}"
        assert (said in found.reason) == (answer is Answer.INCONCLUSIVE)
        assert found.grade == ("likely" if answer is Answer.SUPPORTED else "")


def test_the_ledger_counts_secondary_answers_after_the_correction():
    evidence = holding_by_itself(2)
    arms = [a.model_copy(update={"config": {"data": {"name": "digits"}}}) for a in evidence.design.arms]
    entry = judged_entry(judge_study(evidence), evidence.design.model_copy(update={"arms": arms}))
    assert entry.secondary == {"INCONCLUSIVE": 2}
