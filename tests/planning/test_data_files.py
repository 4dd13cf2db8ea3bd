"""A table of one's own that can't be used: an error of the study's file, with the line that names it."""

import re
from pathlib import Path

import pytest

from harness.errors import StudyError
from harness.planning.design import make_design, validate_study
from harness.words.study_file import load_study

ROWS = "a,b,left\n" + "1,2,x\n3,4,y\n" * 20
TEXT = """\
base:
  data:
    file: table.csv
    target: left
  model: {widths: [4]}
  train: {batch_size: 8, epochs: 3}
arms: {optimizer.name: [sgd, adam]}
hypotheses:
  - {kind: best_of, outcome: test/accuracy}
"""
SEARCH = (
    TEXT.partition("arms:")[0] + "kind: search\nspace: {optimizer.name: [sgd, adam]}\nbudget: {trials: 10}\n"
)

# what the table holds, None for no file; a change of the study; the line and what it says
CASES = {
    "no file": (None, ("", ""), 3, "base.data.file: no file table.csv"),
    "empty": ("", ("", ""), 3, "base.data.file: can't read .*table.csv: Empty CSV file"),
    "no rows": ("a,b,left\n", ("", ""), 3, "base.data.file: .*table.csv has no rows"),
    "no such column": (
        ROWS,
        ("target: left", "target: lft"),
        4,
        "base.data.target: 'lft' is no .*mean 'left'",
    ),
    "one class": (ROWS.replace("y", "x"), ("", ""), 4, "base.data.target: the target 'left' has 1 classes"),
    "tabs": (ROWS.replace(",", "\t"), ("", ""), 3, r'separated by tabs: set data.separator: "\\t"'),
    "tabs and commas": (
        ROWS.replace(",", "\t").replace("1\t", "1,5\t"),
        ("", ""),
        3,
        r'CSV parse error.*separated by tabs: set data.separator: "\\t"',
    ),
    "semicolons": (ROWS.replace(",", ";"), ("", ""), 3, 'separated by semicolons: set data.separator: ";"'),
    "commas": (ROWS, ("left\n", 'left\n    separator: ";"\n'), 3, 'by commas: set data.separator: ","'),
}


def refused(check, path: Path, line: int, said: str) -> None:
    with pytest.raises(StudyError, match=rf"^{re.escape(str(path))}:{line}: .*{said}"):
        check(load_study(path))


@pytest.mark.parametrize("check", [validate_study, make_design])
@pytest.mark.parametrize("study", [TEXT, SEARCH], ids=["comparison", "search"])
@pytest.mark.parametrize("case", CASES)
def test_a_table_that_can_not_be_used(case, study, check, tmp_path, monkeypatch):
    table, (old, new), line, said = CASES[case]
    monkeypatch.chdir(tmp_path)
    if table is not None:
        (tmp_path / "table.csv").write_text(table)
    path = tmp_path / "study.yaml"
    path.write_text(study.replace(old, new) if old else study)
    refused(check, path, line, said)


def test_a_folder_is_no_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies/table.csv").mkdir(parents=True)
    path = tmp_path / "studies/study.yaml"
    path.write_text(TEXT)
    refused(
        make_design, path, 3, "base.data.file: studies/table.csv is a folder; data.file is the path of one"
    )


def test_a_level_that_names_no_file_is_blamed_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(ROWS)
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.replace("{optimizer.name: [sgd, adam]}", "{data.file: [table.csv, tabel.csv]}"))
    refused(make_design, path, 7, "arms.data.file.1: no file tabel.csv")


def test_a_separator_as_the_error_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(ROWS.replace(",", "\t"))
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.replace("left\n", 'left\n    separator: "\\t"\n'))
    assert make_design(load_study(path)).arms
