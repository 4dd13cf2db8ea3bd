"""A new study's file is whole and valid, and nothing is ever overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.words.study_file import load_study
from tests.cli.conftest import Harness


def test_what_is_written_is_valid_and_listed(harness: Harness, project: Path) -> None:
    written = harness("new", "mine")
    assert (written.code, written.err) == (0, "")
    assert "wrote studies/mine.yaml" in written.out
    assert harness("validate", "mine").code == 0
    assert "mine" in {row["name"] for row in harness("list", "--json").json}
    text = (project / "studies/mine.yaml").read_text()
    assert "make study NAME=mine" in text
    assert "<" not in text
    assert set(load_study(project / "studies/mine.yaml").study.tiers) == {"full"}


def test_what_is_there_stays(harness: Harness, project: Path) -> None:
    before = (project / "studies/tiny.yaml").read_bytes()
    refused = harness("new", "tiny")
    assert refused.code == 2
    assert "studies/tiny.yaml is there already" in refused.err
    assert (project / "studies/tiny.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["My-Study", "../x", "a/b", "mine.yaml", ""])
def test_a_name_that_no_study_can_have(harness: Harness, project: Path, name: str) -> None:
    refused = harness("new", "--", name)
    assert refused.code == 2
    assert "is no study's name; allowed: letters a-z, digits and _" in refused.err
    assert [p.name for p in (project / "studies").iterdir()] == ["tiny.yaml"]


def test_it_makes_the_folder(harness: Harness, project: Path) -> None:
    (project / "studies/tiny.yaml").unlink()
    (project / "studies").rmdir()
    assert harness("new", "first").code == 0
    assert (project / "studies/first.yaml").is_file()
