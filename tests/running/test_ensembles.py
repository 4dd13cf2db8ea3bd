"""A study of ensembles from its file to its verdict: members, predictions, and what is made of them."""

import numpy as np
import pytest

from harness.analysis.ensembles import disagreement, ensemble_curve, ensemble_values
from harness.analysis.judge import judge_study
from harness.cli.reports import evidence
from harness.errors import BadInput, StudyError
from harness.planning.trials import n_trials
from harness.reporting.content.context import Context
from harness.reporting.content.ensembles import ensembles_section
from harness.running.run import run_study
from harness.words.named import named_columns
from harness.words.outcome import Outcome
from tests.running.conftest import TUNED

MEMBERS = 3
ENSEMBLED = (
    ("judge: {replicates: 8}", f"judge: {{replicates: 8, members: {MEMBERS}}}"),
    (
        "{kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.01}",
        "{kind: at_least, a: {ensemble: mean, arm: adam}, b: {ensemble: member_mean, arm: adam},"
        " outcome: test/accuracy, x: 0.02}\n"
        "  - {kind: superiority, a: {ensemble: stacking, members: 2, arm: adam}, b: {arm: sgd},"
        " outcome: test/nll, delta: 5%}",
    ),
)


@pytest.fixture
def ran(design, bench):
    plan, b = design(*ENSEMBLED), bench()
    run_study(plan, b)
    return plan, b


def test_ensembles_of_a_regression_are_refused_before_anything_runs(design):
    regression = (
        ("{name: mnist1d, n_train: 200, n_val: 60, n_test: 60}", "{name: teacher}"),
        ("epochs: 2", "epochs: 2, loss: mse"),
    )
    with pytest.raises(StudyError, match=r"hypotheses\.0\.a: an ensemble needs a classification"):
        design(*ENSEMBLED, *regression)


def test_a_study_of_ensembles(ran):
    plan, b = ran
    assert n_trials(plan) == TUNED + 8 * (MEMBERS + 1)
    judged = [p for p in b.store.plan() if p.phase == "judge"]
    assert {(p.arm, p.replicate, p.member) for p in judged} == {
        *(("adam", r, m) for r in range(8) for m in range(MEMBERS)),
        *(("sgd", r, 0) for r in range(8)),
    }
    own = {(p.replicate, p.member): b.store.load()[p.trial] for p in judged if p.arm == "adam"}
    assert set(b.store.predictions) == {r.trial for r in own.values()}  # of no other arm, and not of tuning
    for r in range(8):  # the same data and fresh weights
        assert len({own[r, m].provenance.data_fingerprint for m in range(MEMBERS)}) == 1
        assert len({own[r, m].curves["val/loss"][0] for m in range(MEMBERS)}) == MEMBERS
    for record in own.values():
        said = b.store.predictions[record.trial]
        for split, (log_p, labels) in said.items():
            assert log_p.dtype == np.float32
            np.testing.assert_allclose(np.exp(log_p).sum(-1), 1, rtol=1e-5)
            hit = np.mean(log_p.argmax(-1) == labels)
            assert hit == pytest.approx(record.final[f"{split}/accuracy"])
            nll = -np.mean(log_p[np.arange(len(labels)), labels])
            assert nll == pytest.approx(record.final[f"{split}/nll"], rel=1e-5)


def test_what_analysis_makes_of_it(ran):
    plan, b = ran
    found = evidence(b.store.contents())
    assert {p.member for p in found.planned} == {0}  # the rest of analysis sees the trials as ever
    assert len(found.members) == 8 * (MEMBERS - 1)
    first, second = (named_columns(plan, h) for h in plan.study.hypotheses)
    outcome = Outcome(function="final", metric="test/accuracy")
    member_mean = ensemble_values(found, first[1], outcome)
    own = {(p.replicate, p.member): b.store.load()[p.trial] for p in (*found.planned, *found.members)
           if p.arm == "adam" and p.phase == "judge"}  # fmt: skip
    for row in member_mean.itertuples():
        finals = [own[row.replicate, m].final["test/accuracy"] for m in range(MEMBERS)]
        assert row.value == pytest.approx(np.mean(finals))
    curve = ensemble_curve(found, "adam", "mean", "nll")
    assert curve.groupby("members").size().to_dict() == dict.fromkeys(range(1, MEMBERS + 1), 8)
    alone = curve[curve["members"] == 1].set_index("replicate")["value"]
    assert alone.to_dict() == pytest.approx({r: own[r, 0].final["test/nll"] for r in range(8)}, rel=1e-5)
    pair = np.stack([found.predictions[own[0, m].trial]["test"].log_p for m in (0, 1)])
    assert 0 < disagreement(pair) < 1
    verdict = judge_study(found)
    assert [h.kind for h in verdict.hypotheses] == ["at_least", "superiority"]
    assert "mean (adam)" in verdict.hypotheses[0].statement
    gain = ensemble_values(found, first[0], outcome)["value"] - member_mean["value"]
    assert verdict.hypotheses[0].estimate.extra["mean_a"] - verdict.hypotheses[0].estimate.extra[
        "mean_b"
    ] == pytest.approx(gain.mean())
    assert second[0].label == "stacking of 2 (adam)"


def test_member_0_is_the_trial_without_ensembles(design, bench, ran):
    _, with_members = ran
    plain = bench(results="plain")
    run_study(design(), plain)
    before = {p.trial: plain.store.load()[p.trial] for p in plain.store.plan()}
    assert before.keys() <= with_members.store.load().keys()
    for trial, record in before.items():
        again = with_members.store.load()[trial]
        assert (repr(again.curves), repr(again.final)) == (repr(record.curves), repr(record.final))
    assert not plain.store.predictions


def test_predictions_survive_an_interruption_and_are_made_where_they_are_missing(design, bench, monkeypatch):
    plan, b = design(*ENSEMBLED), bench()
    append = b.store.append

    def interrupted(records):
        if any(r.member for r in records):
            raise KeyboardInterrupt  # between the predictions of a stack and its records
        return append(records)

    monkeypatch.setattr(b.store, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(plan, b)
    b.store.close()
    kept = {trial: b.store.predictions[trial]["test"].log_p for trial in b.store.predictions}
    assert len(kept) == 8 * MEMBERS
    assert not kept.keys() & b.store.finished()
    lost, *_ = kept
    (b.store.path / "predictions" / f"{lost}.npz").unlink()
    whole = bench()
    run_study(plan, whole)
    for trial, log_p in kept.items():
        np.testing.assert_array_equal(whole.store.predictions[trial]["test"].log_p, log_p)
    whole.store.close()
    (b.store.path / "predictions" / f"{lost}.npz").unlink()
    with pytest.raises(
        BadInput, match=f"the predictions of trial {lost} .* are missing: run the study again"
    ):
        judge_study(evidence(whole.store.contents()))
    mended = bench()
    run_study(plan, mended)
    assert mended.executor.trials == [lost]
    np.testing.assert_array_equal(mended.store.predictions[lost]["test"].log_p, kept[lost])


def test_the_report_shows_the_size_of_ensembles(ran):
    _, b = ran
    found = evidence(b.store.contents())
    paragraph, accuracy, nll = ensembles_section(Context(found, judge_study(found)))
    assert paragraph.text.startswith("adam: two nets of one replicate label ")
    assert set(accuracy.data["method"]) - set(nll.data["method"]) == {"vote", "stacking"}
    sizes = list(zip(nll.data["method"], nll.data["members"], nll.data["mean"], strict=True))
    by_size = {size: value for method, size, value in sizes if method == "mean"}
    assert by_size[1] > by_size[MEMBERS]  # averaging nets lowers the likelihood's loss
    curve = ensemble_curve(found, "adam", "mean", "nll")
    assert by_size == pytest.approx(curve.groupby("members")["value"].mean().to_dict())
