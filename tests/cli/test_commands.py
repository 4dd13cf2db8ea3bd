"""What the commands that run nothing print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest

from harness.cli import show
from harness.cli.asked import Asked
from harness.cli.running import Settings
from harness.errors import BadInput
from harness.running.cores import cores
from harness.words.design import Design
from tests.cli.conftest import Harness, NoWorkers, files


def test_list(harness: Harness, project: Path) -> None:
    (project / "studies/broken.yaml").write_text("claim: 3\n")
    rows = {row["name"]: row for row in harness("list", "--json").json}
    assert (rows["tiny"]["state"], rows["tiny"]["verdict"]) == ("new", "")
    assert rows["broken"]["state"] == "broken"
    shown = harness("list")
    assert shown.code == 0
    assert "tiny    new     Does Adam beat SGD on [small] digits?" in shown.out
    assert "studies/broken.yaml:1: claim" in shown.out


def test_list_tells_where_studies_stand(harness: Harness, project: Path) -> None:
    for stored, folder, name in (("tiny", "results", "design"), ("tiny-full", "reports", "verdict")):
        (project / folder / stored).mkdir(parents=True)
        (project / folder / stored / f"{name}.json").write_text(json.dumps({"headline": "SUPPORTED: so."}))
    states = {row["name"]: row["state"] for row in harness("list", "--json").json}
    assert states == {"tiny": "begun", "tiny-full": "judged"}
    assert "tiny-full: SUPPORTED: so." in harness("list").out


def test_list_without_studies(harness: Harness, project: Path) -> None:
    (project / "studies/tiny.yaml").unlink()
    assert "studies/NAME.yaml" in harness("list").out


def test_show(harness: Harness, project: Path) -> None:
    assert (project / "studies/tiny.yaml").read_text() in harness("show", "tiny").out
    assert harness("show", "tiny", "--json").json["judge"]["replicates"] == 8


def test_validate(harness: Harness) -> None:
    valid = harness("validate", "studies/tiny.yaml")
    assert (valid.code, valid.out, valid.err) == (0, "studies/tiny.yaml: valid\n", "")


def test_plan(harness: Harness) -> None:
    told = harness("plan", "tiny", "--workers", "2", "--json").json
    assert told["trials"] == 2 * (9 * 2 + 8)
    assert sum(s["count"] * s["size"] for s in told["stacks"]) == told["trials"]
    shown = harness("plan", "tiny", "--workers", "2")
    assert shown.code == 0
    assert "2 arms: sgd; adam" in shown.out  # arms that are alike share a row
    assert "52 trials in all: about " in shown.out
    assert "8 pairs detect a difference of " in " ".join(shown.out.split())
    assert max(len(line) for line in shown.out.splitlines()) <= 100


@pytest.mark.parametrize(
    ("words", "workers", "device", "stack"),
    [
        ((), 1, "cuda", 4096),
        (("--device", "cpu"), cores(), "cpu", 256),
        (("--workers", "3", "--stack", "7"), 3, "cuda", 7),
    ],
    ids=str,
)
def test_plan_and_run_go_by_the_same_rule(
    harness: Harness,
    no_workers: list[NoWorkers],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    workers: int,
    device: str,
    stack: int,
) -> None:
    """One worker and larger stacks on a GPU, else one a core."""
    told: list[tuple[int, str, int]] = []

    def planned(design: Design, results: Path, workers: int, device: str, largest: int) -> NoReturn:
        told.append((workers, device, largest))
        raise BadInput("enough")

    def ran(asked: Asked, settings: Settings, as_json: bool) -> NoReturn:
        told.append((settings.executor.workers, settings.device, settings.stack))
        raise BadInput("enough")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("harness.running.cost.make_plan", planned)
    monkeypatch.setattr("harness.cli.running.run_one", ran)
    for command in ("plan", "run"):
        assert "enough" in harness(command, "tiny", *words).err
    assert told == [(workers, device, stack)] * 2


def test_plan_says_how_small_stacks_would_do(harness: Harness) -> None:
    told = harness("plan", "tiny", "--stack", "3", "--device", "cpu", "--json").json
    assert max(s["size"] for s in told["stacks"]) <= 3


def test_what_reproduces_only_to_rounding_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"trial": "abc", "study": "tiny", "replicate": 0, "compared": 9, "stack_size": 64}
    found |= {"same": True, "max_difference": 2e-4, "tolerance": 1e-3, "data_same": True}
    show.reproduced({**found, "recorded_on": "NVIDIA H200", "device": "cpu", "versions_changed": {}})
    out, err = capsys.readouterr()
    assert "9 values, the same, to within a relative 0.001" in out
    assert "not run on the record's own device, NVIDIA H200" in err


def test_plan_leaves_only_prepared_data(harness: Harness, project: Path) -> None:
    harness("plan", "tiny")
    assert [p.name for p in (project / "results").iterdir()] == [".cache"]


def test_schema(harness: Harness, project: Path) -> None:
    printed = harness("schema").json
    written = harness("schema", "--write", "schema.json")
    assert written.out == "wrote schema.json\n"
    assert json.loads((project / "schema.json").read_text()) == printed


def test_data_list(harness: Harness) -> None:
    assert {"mnist1d", "digits", "mnist", "file"} <= harness("data", "list", "--json").json.keys()
    assert "data.n_train  (default 4000)" in harness("data", "list").out


def test_reading_commands_write_nothing(harness: Harness, project: Path) -> None:
    before = files(project)
    for words in (["list"], ["show", "tiny"], ["validate", "tiny"], ["data", "list"], ["schema"]):
        assert harness(*words).code == 0
    assert files(project) == before
