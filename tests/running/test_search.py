"""A search from its design to judged records and its report: what runs, what is kept, what is said."""

import json
from dataclasses import replace

import pytest

from harness.analysis.outcomes import outcome_value
from harness.analysis.search import advantage, best_so_far, judge_search, judged_configs
from harness.cli.reports import evidence
from harness.errors import BadInput
from harness.planning.design import make_design
from harness.planning.search_design import objective_of
from harness.reporting import build_report
from harness.reporting.content import SEARCH_SECTIONS
from harness.running.search import n_search_trials, run_search
from harness.running.search_plan import make_search_plan
from harness.words.record import Status
from harness.words.study_file import load_study
from tests.running.executors import interrupted_after

TEXT = """\
kind: search
base:
  data: {name: mnist1d, n_train: 200, n_val: 60, n_test: 60}
  model: {name: mlp, width: 8}
  train: {batch_size: 50, epochs: 2}
space:
  model.depth: [1, 2]
  optimizer.name: [sgd, adam]
  optimizer.lr: {log_range: [1.0e-3, 1.0e+8]}
budget: {trials: 8, batch: 4, best: 2}
judge: {replicates: 3}
"""
DEFAULTS, TRIED, JUDGED, RERUNS = 2, 8, 3 * 3, 2


@pytest.fixture
def searching(tmp_path):
    def _searching(old="", new=""):
        assert old in TEXT
        (tmp_path / "tiny.yaml").write_text(TEXT.replace(old, new))
        return make_design(load_study(tmp_path / "tiny.yaml"))

    return _searching


def test_a_whole_search(searching, bench, tmp_path):
    plan, b = searching(), bench()
    run_search(plan, b)
    records, found = b.store.load(), b.store.search()
    assert n_search_trials(plan) == DEFAULTS + TRIED + JUDGED
    assert len(b.executor.trials) == len(records) + RERUNS
    for p in b.store.plan():  # the test split is seen by judged trials alone
        assert ("test/accuracy" in records[p.trial].final) == (p.phase == "judge")
    by_point = {p.point: records[p.trial] for p in b.store.plan() if p.arm == "search"}
    for trial in found.trials:
        record = by_point[trial.index]
        assert trial.value == outcome_value(objective_of(plan), record, None, 10).value
        assert trial.diverged == (record.status is Status.DIVERGED)
        assert record.config["optimizer"]["lr"] == trial.params["optimizer.lr"]
    ranked = sorted(found.trials, key=lambda t: -t.value)
    assert [found.trials[i].value for i in found.best] == [t.value for t in ranked[:2]]
    choices = b.store.choices()
    assert choices["best 1"].params == found.trials[found.best[0]].params
    assert b.store.frozen().choices == {arm: c.params for arm, c in choices.items()}
    assert all(check["same"] for check in b.store.checks())
    _report_of(b.store, tmp_path / "reports")


def _report_of(store, folder):
    held = evidence(store.contents())
    verdict = judge_search(held)
    judged = judged_configs(held)
    assert [j.arm for j in judged] == ["best 1", "best 2", "default"]
    assert verdict.hypotheses == []
    assert f"{judged[0].test.value:.1f}" in verdict.headline
    tests = {
        arm: [held.records[p.trial].final.get("test/accuracy", 0.1) for p in held.planned if p.arm == arm]
        for arm in ("best 1", "default")
    }
    assert judged[0].test.value == pytest.approx(sum(tests["best 1"]) / 3)
    assert advantage(held).value == pytest.approx((sum(tests["best 1"]) - sum(tests["default"][-3:])) / 3)
    assert best_so_far(held.search)[-1] == max(t.value for t in held.search.trials)
    paths = build_report(held, verdict, folder)
    page = paths.html.read_text()
    for title, _ in SEARCH_SECTIONS.values():
        assert title in page
    report = json.loads(paths.json.read_text())["report"]
    assert set(report["figures"]) >= {"judged", "importance", "progress", "slices"}
    lost = sum(t.diverged for t in held.search.trials)
    assert lost  # rates up to 1e8: some of the configs diverge, and are told
    assert sum(report["figures"]["slices"]["data"]["diverged"]) == lost
    assert f"{lost} of them diverged" in verdict.headline
    assert paths.pdf.read_bytes().startswith(b"%PDF")
    with pytest.raises(BadInput, match="run it first"):
        judge_search(replace(held, search=None))


@pytest.mark.parametrize("jobs", [1, 5])
def test_a_search_that_was_killed_goes_on_and_runs_nothing_twice(searching, bench, jobs):
    plan = searching()
    whole = bench(results="whole")
    run_search(plan, whole)
    first = bench(interrupted_after(jobs))
    with pytest.raises(KeyboardInterrupt):
        run_search(plan, first)
    kept = first.store.finished()
    first.store.close()
    rest = bench()
    run_search(plan, rest)
    assert len(kept) + len(rest.executor.trials) == len(whole.executor.trials)
    assert rest.store.search() == whole.store.search()
    assert rest.store.choices() == whole.store.choices()
    rest.store.close()
    again = bench()
    run_search(plan, again)
    assert again.executor.trials == []


def test_more_trials_after_judging_need_a_reason(searching, bench):
    b = bench()
    run_search(searching(), b)
    b.store.close()
    longer = searching("trials: 8", "trials: 12")
    with pytest.raises(BadInput, match="--amend"):
        run_search(longer, bench())
    b = bench()
    run_search(longer, b, amendment="eight were too few")
    assert len(b.executor.trials) <= 4 + JUDGED + RERUNS
    assert b.store.frozen().amendments


def test_a_plan_of_a_search(searching, tmp_path):
    made = make_search_plan(searching(), tmp_path / "results", workers=1)
    assert made.trials == DEFAULTS + TRIED + JUDGED
    assert (made.kept, made.workers) == (0, 1)
    assert made.minutes > 0
    assert [a.arm for a in made.arms] == ["search", "best 1", "best 2", "default"]
