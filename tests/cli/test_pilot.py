"""`harness plan NAME --pilot N`: what it says, what it leaves, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Harness, files

pytestmark = pytest.mark.usefixtures("no_workers")


def test_a_pilot_tells_the_plan_what_varies(harness: Harness, project: Path) -> None:
    before = harness("plan", "tiny").out
    assert "alone, at 90% accuracy" in before
    ran = harness("plan", "tiny", "--pilot", "3")
    assert ran.code == 0
    assert "pilot: 6 trials" in ran.err
    said = " ".join(ran.out.split())
    basis = "sigma from a pilot of 3 replicates, at the centre of each tuning range, on validation"
    assert basis in said
    assert "by sigma's 95 % interval" in said
    assert "52 trials in all: about" in said  # none of them run: a pilot's are no part of the study
    assert {p.name for p in (project / "results/tiny").iterdir()} == {"pilot"}
    assert [row["state"] for row in harness("list", "--json").json] == ["new"]
    again = harness("plan", "tiny", "--replicates", "20", "--json")
    assert basis in again.json["detectable"][0]
    assert "20 pairs detect" in again.json["detectable"][0]
    assert harness("report", "tiny").code == 2


def test_a_pilot_is_refused_once_something_is_judged(harness: Harness, project: Path) -> None:
    assert harness("run", "tiny", "--no-mlflow").code == 0
    before = files(project)
    ran = harness("plan", "tiny", "--pilot", "3")
    assert (ran.code, ran.out) == (2, "")
    assert "found --pilot, but 'tiny' has judged trials; allowed: before the first of them" in ran.err
    assert files(project) == before


SEARCH = """\
kind: search
base: {data: {name: digits}, train: {epochs: 1}}
space: {optimizer.lr: own_range}
budget: {trials: 20}
"""


@pytest.mark.parametrize("number", ["2", "0", "51", "-1"])
def test_a_pilot_of_too_few_or_too_many(number: str, harness: Harness, project: Path) -> None:
    before = files(project)
    ran = harness("plan", "tiny", "--pilot", number)
    assert ran.code == 2
    assert f"found {number}; allowed: 3 to 50 replicates, such as 5" in ran.err
    assert files(project) == before


def test_a_search_has_no_pilot(harness: Harness, project: Path) -> None:
    (project / "studies/look.yaml").write_text(SEARCH)
    before = files(project)
    ran = harness("plan", "look", "--pilot", "5")
    assert ran.code == 2
    assert "found --pilot 5, but 'look' is a search" in ran.err
    assert files(project) == before
