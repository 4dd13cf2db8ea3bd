"""Finding studies by name or path."""

import pytest

from harness.errors import BadInput, UnknownName
from harness.planning.studies import all_studies, find


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    for name in ("optimizers.yaml", "dropout.yaml", "schema.json", "Not a name.yaml"):
        (tmp_path / "studies" / name).write_text("arms: {}\n")
    (tmp_path / "mine.yaml").write_text("arms: {}\n")
    return tmp_path


def test_names_and_paths(project):
    assert [p.name for p in all_studies()] == ["dropout.yaml", "optimizers.yaml"]
    assert find("dropout").read_text() == "arms: {}\n"
    assert find("mine.yaml").stem == "mine"
    assert find(str(project / "studies" / "dropout.yaml")).stem == "dropout"


def test_an_unknown_study_says_the_nearest(project):
    with pytest.raises(UnknownName, match=r"unknown study 'optimisers'\. Did you mean 'optimizers'\?"):
        find("optimisers")


@pytest.mark.parametrize(
    "name", ["../x; touch pwned", "", "a b", "$(touch pwned)", "A", "studies/", "--help", "a\nb"]
)
def test_other_names_are_refused(project, name):
    with pytest.raises(BadInput, match="is no study's name; allowed: letters a-z"):
        find(name)
    assert not (project / "pwned").exists()


def test_paths_that_lead_nowhere(project):
    with pytest.raises(BadInput, match="no file"):
        find("nothing.yaml")
    with pytest.raises(BadInput, match="can't name a study; rename the file"):
        find("studies/Not a name.yaml")


def test_without_a_studies_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all_studies() == []
    with pytest.raises(UnknownName, match="Allowed: none"):
        find("optimizers")
