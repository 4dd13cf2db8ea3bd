"""The ledger from the files and records of a project: never stale, never in the way."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.cli import ledger as command
from harness.errors import RunFailed
from harness.records.store import Store
from harness.words.record import Status
from tests.cli.conftest import Harness, imported
from tests.simulated import simulated_evidence

ARMS = ("sgd", "adam")
ASKED = {"primary": True, "a": "adam", "b": "sgd", "outcome": {"final": "test/accuracy"}, "delta": 0.01}


def put(project: Path, name: str, kind: str, control: str | None = None, effect: float = 1.0) -> None:
    """A study in `studies/` and its simulated records in `results/`."""
    made = simulated_evidence(replicates=8, arms=ARMS, effect=effect, hypotheses=[ASKED | {"kind": kind}])
    study = made.design.study.model_copy(update={"control": control})
    text = json.dumps(study.model_dump(mode="json", exclude_defaults=True))
    (project / f"studies/{name}.yaml").write_text(text)
    assert made.frozen is not None
    with Store(project / "results", name) as store:
        store.save_design(made.design.model_copy(update={"name": name, "study": study}))
        store.save_choices(dict(made.choices))
        store.save_frozen(made.frozen)
        store.save_plan(made.planned)
        store.append(list(made.records.values()))


def entries(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {e["study"]: e for e in [*tree["controls"], *tree["claims"]]}


def test_every_study_is_in_it(harness: Harness, project: Path) -> None:
    put(project, "judged", "superiority")
    (project / "studies/wrong.yaml").write_text("arms: [")
    ran = harness("ledger")
    assert ran.code == 0
    found = entries(harness("ledger", "--json").json)
    assert {n: e["state"] for n, e in found.items()} == {
        "judged": "judged",
        "tiny": "not run",
        "wrong": "broken",
    }
    assert found["judged"]["answer"] == "SUPPORTED"
    assert found["judged"]["note"] == ""
    assert "not valid YAML" in found["wrong"]["note"]
    for said in ("judged  ", "SUPPORTED (clear)", "not run", "3 claims: 1 SUPPORTED, 2 without a verdict"):
        assert said in ran.out


def test_a_tier_that_no_study_has(harness: Harness, project: Path) -> None:
    (project / "studies/wrong.yaml").write_text("arms: [")
    ran = harness("ledger", "--tier", "ful", "--no-controls")
    assert (ran.code, ran.out) == (2, "")
    assert "unknown tier 'ful'. Did you mean 'full'? Allowed: full." in ran.err
    assert harness("ledger", "--tier", "full").code == 0


def test_a_study_that_is_not_over_or_was_edited(harness: Harness, project: Path) -> None:
    put(project, "judged", "superiority")
    path = project / "studies/judged.yaml"
    path.write_text(path.read_text().replace('"value": 0.01', '"value": 0.02'))
    assert "has changed since" in entries(harness("ledger", "--json").json)["judged"]["note"]
    with Store(project / "results", "judged") as store:
        plan = store.plan()
        store.save_plan([*plan, plan[-1].model_copy(update={"trial": "0" * 16})])
    found = entries(harness("ledger", "--json").json)["judged"]
    assert found["state"] == "unfinished"
    assert "1 of 17 judged trials are missing" in found["note"]


def test_controls_come_first_and_one_that_fails_is_loud(harness: Harness, project: Path) -> None:
    put(project, "judged", "superiority")
    put(project, "twins", "equivalence", "no_difference", effect=0.0)
    found = harness("ledger", "--json").json
    assert [c["holds"] for c in found["controls"]] == [True]
    assert found["claims"][0]["answer"] == "SUPPORTED"

    put(project, "planted", "superiority", "planted_effect", effect=0.0)
    ran = harness("ledger", "--write")
    assert "THE CONTROL planted FAILS" in ran.out
    assert ran.out.index("planted") < ran.out.index("judged")
    found = entries(json.loads((project / "reports/ledger.json").read_text()))
    assert found["planted"]["holds"] is False
    assert found["judged"]["failed_gates"] == ["G9 controls"]
    page = (project / "reports/index.html").read_text()
    assert 'role="alert"' in page
    assert "nothing on this page can be trusted" in page


def test_the_page_links_to_reports_and_escapes_what_studies_say(harness: Harness, project: Path) -> None:
    put(project, "judged", "superiority")
    path = project / "studies/tiny.yaml"
    path.write_text(path.read_text().replace("says: Adam ends", "says: Adam <b>ends</b>"))
    harness("report", "judged")
    harness("ledger", "--write")
    page = (project / "reports/index.html").read_text()
    assert '<a href="judged/report.html">' in page
    assert "&lt;b&gt;ends" in page
    assert "<script" not in page
    assert "http" not in page
    assert 'href="tiny' not in page  # it has no report yet


def test_the_verdict_of_a_report_is_used_until_something_changes(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(project, "judged", "superiority")
    harness("report", "judged")
    calls: list[object] = []
    judge = command.verdict_of
    monkeypatch.setattr(command, "verdict_of", lambda held: calls.append(held) or judge(held))
    path = project / "reports/judged/verdict.json"
    path.write_text(path.read_text().replace('"grade": "clear"', '"grade": "kept"'))
    assert entries(harness("ledger", "--json").json)["judged"]["grade"] == "kept"
    assert calls == []
    with Store(project / "results", "judged") as store:
        lost = next(r for r in store.records() if r.phase == "judge")
        store.append([lost.model_copy(update={"status": Status.DIVERGED, "final": {}})])
    assert entries(harness("ledger", "--json").json)["judged"]["grade"] != "kept"
    assert len(calls) == 1
    os.utime(path)
    path.write_text("{")
    assert entries(harness("ledger", "--json").json)["judged"]["answer"]


def test_a_verdict_of_other_results_is_not_taken(harness: Harness, project: Path) -> None:
    put(project, "judged", "superiority")
    with Store(project / "results", "judged") as store:
        store.start_execution(command="here")
    harness("report", "judged")
    assert harness("list", "--json").json[0]["state"] == "judged"
    (project / "results").rename(project / "other")
    put(project, "judged", "superiority", effect=0.0)
    with Store(project / "results", "judged") as store:
        store.start_execution(command="there")
    os.utime(project / "reports/judged/verdict.json")
    row = harness("list", "--json").json[0]
    assert (row["name"], row["state"], row["verdict"]) == ("judged", "begun", "")
    assert entries(harness("ledger", "--json").json)["judged"]["answer"] != "SUPPORTED"
    other = ("--results", str(project / "other"))
    assert entries(harness("ledger", "--json", *other).json)["judged"]["answer"] == "SUPPORTED"
    assert harness("list", "--json", *other).json[0]["state"] == "judged"


def test_failed_trials_are_no_results(harness: Harness, project: Path) -> None:
    put(project, "judged", "superiority")
    with Store(project / "results", "judged") as store:
        judged = [r for r in store.records() if r.phase == "judge"]
    shutil.rmtree(project / "results/judged/records")
    failed = {"status": Status.FAILED, "final": {}, "curves": {}, "reason": "ValueError: lost\nTraceback"}
    with Store(project / "results", "judged") as store:
        store.append([record.model_copy(update=failed) for record in judged])
    said = f"{len(judged)} of {len(judged)} judged trials failed (ValueError: lost). Run it again"
    entry = entries(harness("ledger", "--json").json)["judged"]
    assert (entry["state"], entry["answer"]) == ("unfinished", None)
    assert said in entry["note"]
    refused = harness("report", "judged")
    assert refused.code == 2
    assert said in refused.err
    with Store(project / "results", "judged") as store:
        store.append(judged[1:])
    assert (
        f"1 of {len(judged)} judged trials failed"
        in entries(harness("ledger", "--json").json)["judged"]["note"]
    )


@pytest.mark.parametrize("damage", ["{", "[]", '{"study": 3}', "{}"])
def test_a_damaged_study_is_listed_and_the_others_go_on(harness: Harness, project: Path, damage: str) -> None:
    put(project, "judged", "superiority")
    put(project, "hurt", "superiority")
    put(project, "twins", "equivalence", "no_difference", effect=0.0)
    for name in ("hurt", "twins"):
        (project / f"results/{name}/design.json").write_text(damage)
    ran = harness("ledger")
    assert ran.code == 0, ran.err
    found = entries(harness("ledger", "--json").json)
    assert {n: e["state"] for n, e in found.items()} == {
        "hurt": "broken",
        "judged": "judged",
        "tiny": "not run",
        "twins": "broken",
    }
    assert found["judged"]["answer"] == "SUPPORTED"
    for name in ("hurt", "twins"):
        assert f"results/{name}/design.json is damaged" in found[name]["note"]
        assert "remove it and run the study again; records are kept" in found[name]["note"]
    assert found["hurt"]["says"] == found["judged"]["says"]
    assert found["twins"]["control"] == "no_difference"
    assert "broken" in ran.out
    assert harness("report", "judged").code == 0


def test_the_claim_stands_below_its_row(harness: Harness, project: Path) -> None:
    path = project / "studies/tiny.yaml"
    path.write_text(path.read_text().replace("says: Adam ends", f"says: {'Adam ' * 20}ends"))
    lines = harness("ledger").out.splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("tiny "))
    assert lines[row + 1].startswith("  “Adam Adam")
    assert lines[row + 2].endswith("ends with a higher test accuracy than SGD”")
    assert max(len(line) for line in lines[row + 1 : row + 3]) <= 96


CONTROL = """\
control: planted_effect
base:
  data: {name: linear_regression, n_train: 100, n_val: 50, n_test: 200}
  model: {name: mlp, widths: [], init: zeros}
  optimizer: {name: sgd, lr: 0.1}
  train: {batch_size: full, steps: 100, loss: mse, evaluations: 3}
arms: {noise: {planted: {data.noise: 1.5}, plain: {data.noise: 1.0}}}
judge: {replicates: 8}
hypotheses:
  - {kind: superiority, a: plain, b: planted, outcome: {final: test/mse}, delta: 0.1}
"""


@pytest.mark.usefixtures("no_workers")
def test_controls_without_a_verdict_are_run(harness: Harness, project: Path) -> None:
    (project / "studies/planted.yaml").write_text(CONTROL)
    assert entries(harness("ledger", "--json").json)["planted"]["state"] == "not run"  # no claim is judged
    put(project, "judged", "superiority")

    alone = harness("ledger", "--no-controls")
    assert alone.code == 0
    assert "planted: This control has no verdict: until it has, nothing guards the claims" in alone.out
    assert not (project / "results/planted").exists()

    ran = harness("ledger", "--json")
    assert ran.code == 0, ran.err
    assert "the control planted has no verdict yet: running it" in ran.err
    found = entries(ran.json)["planted"]
    assert (found["state"], found["holds"], found["note"]) == ("judged", True, "")
    assert (project / "reports/planted/report.html").is_file()
    assert "judging" not in harness("ledger").err


@pytest.mark.usefixtures("no_workers")
def test_a_control_that_can_not_run_is_told_after_the_ledger(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "studies/planted.yaml").write_text(CONTROL)
    put(project, "judged", "superiority")

    def fail(*asked: Any) -> None:
        raise RunFailed("3 trials failed")

    monkeypatch.setattr("harness.cli.many._run", fail)
    ran = harness("ledger")
    assert ran.code == 1
    assert "3 trials failed" in ran.err
    assert "controls failed to run: planted; --no-controls leaves them alone" in ran.err
    assert "nothing guards the claims (gate G9)" in " ".join(ran.out.split())


def test_it_needs_neither_torch_nor_optuna_nor_mlflow(project: Path) -> None:
    put(project, "judged", "superiority")
    assert imported(["ledger"], ("torch", "optuna", "mlflow")) == []
