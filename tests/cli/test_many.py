"""Several studies one after the other: controls first, what is done is passed over, failures are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli import many
from harness.errors import RunFailed
from tests.cli.conftest import TINY, Harness, NoWorkers

pytestmark = pytest.mark.usefixtures("no_workers")

QUICK = TINY.replace("tune: {optimizer.lr: own_range, points: 9, seeds: 2}\n", "").replace(
    "epochs: 2", "epochs: 1"
)
CONTROL = "control: planted_effect\n" + QUICK


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """What is run, in order, in the place of running it; `broken` fails, `bug` meets one."""
    names: list[tuple[str, str | None]] = []

    def run(asked: Any, settings: Any) -> str:
        names.append((asked.name, asked.tier))
        if asked.name == "broken":
            raise RunFailed("3 trials failed")
        if asked.name == "bug":
            raise ZeroDivisionError("a bug")
        return f"verdict of {asked.name}"

    monkeypatch.setattr(many, "_run", run)
    return names


def test_all_studies_controls_first(harness: Harness, project: Path, ran: list[Any]) -> None:
    (project / "studies/untiered.yaml").write_text(QUICK.partition("tiers:")[0])
    (project / "studies/zz_control.yaml").write_text(CONTROL)
    shown = harness("run", "--all", "--tier", "full", "--no-mlflow")
    assert shown.code == 0, shown.err
    assert ran == [("zz_control", "full"), ("tiny", "full"), ("untiered", None)]
    for said in ("1 of 3: zz_control, tier full", "3 of 3: untiered\n", "verdict of tiny"):
        assert said in shown.err
    assert "2 claims: 2 without a verdict" in shown.out
    assert (project / "reports/index.html").is_file()


def test_the_others_go_on_where_one_fails(
    harness: Harness, project: Path, ran: list[Any], no_workers: list[NoWorkers]
) -> None:
    for name in ("broken", "bug"):
        (project / f"studies/{name}.yaml").write_text(QUICK)
    (project / "studies/no_study.yaml").write_text("arms: [")
    shown = harness("run", "--all", "--no-mlflow")
    assert shown.code == 1
    assert [name for name, _ in ran] == ["broken", "bug", "tiny"]
    for said in ("3 trials failed", "ZeroDivisionError", "not valid YAML"):
        assert said in shown.err
    assert "3 of 4 studies failed: broken, bug, no_study" in shown.err
    assert [executor.restarts for executor in no_workers] == [3]  # they may be busy with what failed
    assert (project / "reports/ledger.json").is_file()


def test_named_studies_alone(harness: Harness, project: Path, ran: list[Any]) -> None:
    (project / "studies/other.yaml").write_text(QUICK)
    (project / "studies/third.yaml").write_text(QUICK)
    (project / "elsewhere.yaml").write_text(QUICK)
    assert harness("run", "third", "tiny", "elsewhere.yaml", "third").code == 0
    assert [name for name, _ in ran] == ["third", "tiny", "elsewhere.yaml"]


def test_what_is_done_is_passed_over(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "studies/tiny.yaml").write_text(QUICK)
    first = harness("run", "--all", "--no-mlflow", "--workers", "1")
    assert first.code == 0, first.err
    assert "judging: 16 trials" in first.err
    again = harness("run", "--all", "--no-mlflow")
    assert "done before. " in again.err
    assert "judging" not in again.err
    assert again.out == first.out  # the ledger

    rebuilt: list[Any] = []
    monkeypatch.setattr("harness.cli.reports.build_report", lambda *made: rebuilt.append(made))
    (project / "reports/tiny/verdict.json").unlink()
    assert "done before. " in harness("run", "--all", "--no-mlflow").err
    assert len(rebuilt) == 1

    (project / "studies/tiny.yaml").write_text(QUICK.replace("delta: 0.02", "delta: 0.03"))
    assert "another design" in harness("run", "--all", "--no-mlflow").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the studies to run, or give --all"),
        (["tiny", "--all"], "name the studies to run, or give --all"),
        (["--all", "--replicates", "9"], "--replicates: for one study at a time"),
        (
            ["tiny", "tiny", "--amend", "why", "--budget", "3"],
            "--amend and --budget: for one study at a time",
        ),
        (["tiny", "--replicates", "9", "--budget", "3"], "--replicates or --budget"),
        (["--all", "--tier", "huge"], "unknown tier 'huge'"),
        (["tiny", "nobody"], "unknown study 'nobody'"),
    ],
)
def test_what_makes_no_sense_is_refused(harness: Harness, words: list[str], said: str) -> None:
    shown = harness("run", *words)
    assert shown.code == 2
    assert said in shown.err


def test_a_plan_within_a_budget(harness: Harness, project: Path) -> None:
    (project / "studies/tiny.yaml").write_text(QUICK)
    shown = harness("plan", "tiny", "--budget", "2", "--json")
    assert shown.code == 0, shown.err
    assert "200 replicates fit into 2 minutes; the study asks for 8" in shown.err
    assert {arm["judged"] for arm in shown.json["arms"]} == {200}
    assert shown.json["minutes"] <= 2
    refused = harness("plan", "tiny", "--budget", "0.1")
    assert refused.code == 2
    assert "0.1 minutes are too few for 'tiny'" in refused.err


def test_a_run_within_a_budget_says_what_it_can_detect(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "studies/tiny.yaml").write_text(QUICK)
    asked: list[Any] = []
    monkeypatch.setattr("harness.cli.running.run_one", lambda one, *settings: asked.append(one))
    told = harness("run", "tiny", "--budget", "2", "--no-mlflow").err
    assert "200 replicates fit into 2 minutes; the study asks for 8; more than 200 would detect" in told
    assert "200 pairs detect a difference of " in " ".join(told.partition("it can detect:")[2].split())
    assert [one.replicates for one in asked] == [200]
