"""A study with a universal claim from its file to its report: trained, judged at every setting, told."""

import json

import pytest

from harness.analysis.judge import judge_study
from harness.analysis.ledger import judged_entry
from harness.analysis.outcome_table import tuning_points
from harness.analysis.question import question
from harness.analysis.target import tuning_target
from harness.cli.reports import evidence
from harness.reporting.build import build_report
from harness.running.run import run_study
from harness.running.sigmas import known_sigmas
from harness.words.verdict import Answer, StudyVerdict

CLAIM = "{kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.01}"
SHRUNK = (
    ("arms: {optimizer.name: [sgd, adam]}", "arms: {optimizer.name: [sgd, adam], model.depth: [1, 2]}"),
    ("model: {name: mlp, widths: [8]}", "model: {name: mlp, width: 8}"),
    (CLAIM, CLAIM.replace("delta: 0.01", "delta: 0.01, for_each: model.depth")),
)


@pytest.fixture
def ran(design, bench):
    plan, b = design(*SHRUNK), bench()
    run_study(plan, b)
    return plan, evidence(b.store.contents())


def test_a_shrunk_study_from_file_to_report(ran, tmp_path):
    plan, found = ran
    verdict = judge_study(found)
    (joint,) = verdict.hypotheses
    assert [s.at for s in joint.settings] == [{"model.depth": "1"}, {"model.depth": "2"}]
    answers = [s.answer for s in joint.settings]
    expected = (
        Answer.REFUTED
        if Answer.REFUTED in answers
        else Answer.SUPPORTED
        if answers == [Answer.SUPPORTED] * 2
        else Answer.INCONCLUSIVE
    )
    assert joint.answer is expected
    failing = {a.arm: set(a.gates) for a in verdict.arms}
    for depth, setting in zip((1, 2), joint.settings, strict=True):
        failed = {g.name for g in setting.gates if g.passed is False}
        assert failed <= failing[f"sgd, depth {depth}"] | failing[f"adam, depth {depth}"]
    paths = build_report(found, verdict, tmp_path / "report")
    written = StudyVerdict.model_validate_json(paths.json.read_text())
    assert written.hypotheses[0].holds_in == joint.holds_in
    assert joint.holds_in in json.loads(paths.json.read_text())["headline"]
    assert "Where universal claims hold" in paths.html.read_text()
    entry = judged_entry(verdict, plan)
    assert [s.at for s in entry.settings] == ["depth 1", "depth 2"]


def test_what_varies_most_among_the_settings_tells_what_can_be_detected(ran, tmp_path):
    plan, found = ran
    (joint,) = judge_study(found).hypotheses
    errors = [s.estimate.standard_error for s in joint.settings]
    assert known_sigmas(plan, tmp_path / "none") == {}
    from_records = known_sigmas(plan.model_copy(update={"name": "tiny"}), tmp_path / "results")[0]
    assert from_records.value == pytest.approx(max(errors) * 8**0.5)


def test_each_setting_is_timed_to_its_own_target(design, bench):
    pair = "kind: faster, a: adam, b: sgd, outcome: {steps_to: val/accuracy}, delta: 1.25"
    faster = f"{{{pair}, for_each: model.depth}}"
    plan, b = design(*SHRUNK[:2], ("epochs: 2", "epochs: 2, evaluations: 8"), (CLAIM, faster)), bench()
    run_study(plan, b)
    found = evidence(b.store.contents())
    own = {
        f"val/accuracy at depth {d}": tuning_target("val/accuracy", tuning_points(found, f"sgd, depth {d}"))
        for d in (1, 2)
    }
    assert found.frozen.targets == own
    (joint,) = judge_study(found).hypotheses
    assert [question(found, s.hypothesis).target for s in plan.settings(plan.study.hypotheses[0])] == list(
        own.values()
    )
    assert len(joint.settings) == 2
