"""What the list keeps of study files is never old, never in the way, and never needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import titles as titles_module
from harness.cli.titles import FILE, Title, Titles
from harness.errors import StudyError
from tests.cli.conftest import Harness, imported

TITLE = Title(
    "Does Adam beat SGD on [small] digits?", "Adam ends with a higher test accuracy than SGD", ["full"]
)


@pytest.fixture
def study(project: Path) -> Path:
    """The one study's file, beside a results folder."""
    (project / "results").mkdir()
    return project / "studies/tiny.yaml"


def listed(study: Path) -> Title:
    titles = Titles(Path("results"))
    found = titles.title(study)
    titles.keep()
    return found


def test_a_study_is_read_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed(study) == TITLE
    monkeypatch.setattr(titles_module, "_load", None)
    assert listed(study) == TITLE


def test_a_second_list_reads_no_yaml(harness: Harness, study: Path) -> None:
    first = harness("list", "--json").out
    assert imported(["list"], ["ruamel.yaml"]) == []
    assert harness("list", "--json").out == first


def test_an_edited_study_is_read_again(study: Path) -> None:
    listed(study)
    study.write_text(study.read_text().replace("Does Adam", "Can Adam"))
    assert listed(study).title == "Can Adam beat SGD on [small] digits?"


def test_a_broken_study_is_read_every_time(study: Path) -> None:
    listed(study)
    study.write_text("claim: 3\n")
    for _ in range(2):
        with pytest.raises(StudyError, match=r"tiny\.yaml:1: claim"):
            listed(study)


def test_other_code_reads_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(study)
    kept = json.loads((Path("results") / FILE).read_text())
    ((key, _),) = kept["titles"].items()
    (Path("results") / FILE).write_text(json.dumps({**kept, "titles": {key: ["old", "", []]}}))
    assert listed(study).title == "old"
    monkeypatch.setattr(titles_module, "_code", lambda: [study])
    assert listed(study) == TITLE


def test_what_was_asked_for_is_kept_and_nothing_else(study: Path) -> None:
    for title in "abc":
        study.write_text(f"title: {title}\narms: {{optimizer.lr: [0.1, 0.2]}}\n")
        assert listed(study).title == title
    assert len(json.loads((Path("results") / FILE).read_text())["titles"]) == 1
    assert [p.name for p in (Path("results") / FILE).parent.iterdir()] == [FILE.name]


@pytest.mark.parametrize("content", ["", "[", "[]", "3", "{}", '{"code": 1}', '{"code": "", "titles": [1]}'])
def test_a_damaged_file_is_replaced(study: Path, content: str) -> None:
    listed(study)
    whole = (Path("results") / FILE).read_text()
    (Path("results") / FILE).write_text(content)
    assert listed(study) == TITLE
    assert (Path("results") / FILE).read_text() == whole


def test_a_folder_that_cant_be_written_is_left_alone(study: Path) -> None:
    (Path("results") / FILE.parent).write_text("a file where a folder belongs")
    assert listed(study) == TITLE
    (Path("results") / FILE.parent).unlink()
    (Path("results") / FILE).mkdir(parents=True)
    assert listed(study) == TITLE
    assert [p.name for p in (Path("results") / FILE).parent.iterdir()] == [FILE.name]


def test_no_results_folder_is_made(harness: Harness, project: Path) -> None:
    assert harness("list").code == 0
    assert not (project / "results").exists()
