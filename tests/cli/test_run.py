"""A small study from one command to its report, rebuilt from records, listed, mirrored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.asked import Asked
from harness.cli.running import device_of
from harness.errors import BadInput
from tests.cli.conftest import TINY, Harness, NoWorkers, files


def test_a_study_from_one_command_to_its_report(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = harness("run", "tiny", "--no-mlflow", "--workers", "1")
    assert ran.code == 0, ran.err
    verdict = json.loads((project / "reports/tiny/verdict.json").read_text())
    assert ran.out.split("\n")[1] == verdict["headline"]  # results to stdout: the verdict and the report
    assert "report  reports/tiny/report.html" in ran.out
    for said in ("[small]", "tuning: 36 trials", "tuned so far", "judging: 16 trials", "took "):
        assert said in ran.err  # how it went on to stderr
    executions = json.loads((project / "results/tiny/executions.json").read_text())
    assert [(e["command"], e["status"]) for e in executions] == [("make study NAME=tiny", "done")]

    records = files(project / "results/tiny/records")
    page = (project / "reports/tiny/report.html").read_bytes()
    rebuilt = harness("report", "tiny", "--json")
    assert rebuilt.json["headline"] == verdict["headline"]  # JSON alone on stdout, without NaN
    assert (project / "reports/tiny/report.html").read_bytes() == page

    monkeypatch.setattr("harness.running.executors.WorkerProcesses", NoWorkers)  # from here on none trains
    again = harness("run", "tiny", "--no-mlflow", "--workers", "1", "--json")
    assert again.json["headline"] == verdict["headline"]
    assert "judging: 16 trials, 16 of them kept from before" in again.err
    assert files(project / "results/tiny/records") == records  # nothing ran again
    assert [row["state"] for row in harness("list", "--json").json] == ["judged"]

    trial = json.loads((project / "results/tiny/plan.json").read_text())[-1]["trial"]
    same = harness("reproduce", trial[:10])
    assert f"trial {trial} of tiny, replicate 7" in same.out
    assert "the same, bit for bit" in same.out
    assert "no record of such a trial" in harness("reproduce", "0000000000000000").err

    pictures = harness("report", "tiny", "--gallery").out.split()
    assert pictures == ["reports/gallery/tiny.pdf", "reports/gallery/tiny.png"]
    assert (project / pictures[1]).read_bytes().startswith(b"\x89PNG")

    # A design that changed is refused before anything is written, with what changed and how to go on.
    executions = (project / "results/tiny/executions.json").read_bytes()
    refused = harness("run", "tiny", "--replicates", "9")  # with MLflow, whose mirror would start
    assert refused.code == 2
    for said in (
        "another design",
        "changed since: judge.replicates 8 -> 9.",
        "Go on as it was judged: harness run tiny --replicates 8;",
        'harness run tiny --replicates 9 --amend "why it changed"',
    ):
        assert said in refused.err
    assert (project / "results/tiny/executions.json").read_bytes() == executions
    assert not list((project / "results").glob("mlflow*"))
    assert "done before. " in harness("run", "--all", "--no-mlflow").err


@pytest.mark.usefixtures("no_workers")
def test_where_every_point_diverged_nobody_is_sent_to_run_it_again(harness: Harness, project: Path) -> None:
    huge = "optimizer.lr: {log_range: [1.0e20, 1.0e22]}"
    text = TINY.replace("optimizer.lr: own_range", huge).replace("points: 9", "points: 3, extend: 0")
    text = text.replace("[sgd, adam]", "[sgd, momentum]").replace("a: adam", "a: momentum")
    (project / "studies/tiny.yaml").write_text(text)
    for words in (["run", "tiny", "--no-mlflow"], ["report", "tiny"]):
        ran = harness(*words)
        assert ran.code == 2
        assert "every tuned point of every arm diverged" in ran.err
        assert "Lower the range of optimizer.lr, or check the network" in ran.err


def test_the_command_that_reproduces_a_run(project: Path) -> None:
    assert Asked("tiny").command == "make study NAME=tiny"
    assert Asked("studies/tiny.yaml", "full").command == "make study NAME=tiny TIER=full"
    assert Asked("tiny", "full", 9).command == "harness run tiny --tier full --replicates 9"
    (project / "studies").rename(project / "my studies")
    assert Asked("my studies/tiny.yaml").command == "harness run 'my studies/tiny.yaml'"


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert device_of("auto") == "cpu"
    with pytest.raises(BadInput, match=r"sees no GPU; allowed: auto, cpu$"):
        device_of("cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert (device_of("auto"), device_of("cpu")) == ("cuda", "cpu")
