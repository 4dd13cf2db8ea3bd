"""Every study in studies/ is whole: it can be designed in every tier, and says what it asks."""

import pytest

from harness.planning.design import make_design
from harness.planning.studies import FOLDER, all_studies
from harness.words.study_file import load_study

FILES = {path.stem: path for path in all_studies(FOLDER)}


@pytest.fixture(scope="module", params=sorted(FILES))
def file(request):
    return load_study(FILES[request.param])


def test_it_says_what_it_asks(file):
    study = file.study
    assert study.title
    assert study.topic
    assert study.claim.says
    assert study.claim.source
    if study.kind == "comparison":
        assert [h.primary for h in study.hypotheses].count(True) == 1


def test_it_has_a_tier_for_a_bigger_machine(file):
    if file.study.control is not None:
        pytest.skip("a control is about the harness, not about nets")
    assert "full" in file.study.tiers


def test_every_tier_is_a_design(file):
    if file.study.kind == "search":
        pytest.skip("a search has no arms to design")
    for tier in (None, *file.study.tiers):
        assert make_design(file, tier).arms


def test_there_are_studies():
    assert "optimizers" in FILES
