"""Every study in studies/ is whole: it can be designed in every tier, and says what it asks."""

from functools import cache

import pytest

from harness.planning.design import make_design
from harness.planning.studies import FOLDER, all_studies
from harness.reporting.content.mechanism import LAYERS_SHOWN
from harness.words.hypothesis import Identity
from harness.words.named import named_columns
from harness.words.study_file import load_study

FILES = {path.stem: path for path in all_studies(FOLDER)}


@cache
def design_of(name, tier):
    """Made once for all tests; raises what is wrong with it."""
    return make_design(load_study(FILES[name]), tier)


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


def test_every_tier_is_a_design_that_passes_every_check(file):
    for tier in (None, *file.study.tiers):
        design = design_of(file.name, tier)
        assert design.tier == tier
        assert design.arms


def test_the_tier_for_a_bigger_machine_is_bigger(file):
    """More replicates, and more of examples, steps or parameters; less of none; no arm is lost."""
    if "full" not in file.study.tiers:
        pytest.skip("has none")
    plain, full = design_of(file.name, None), design_of(file.name, "full")
    assert full.study.judge.replicates > plain.study.judge.replicates
    assert largest(full) != largest(plain)
    assert all(more >= less for more, less in zip(largest(full), largest(plain), strict=True))
    labels = {arm.label for arm in full.arms}
    assert labels >= {arm.label for arm in plain.arms}


def largest(design):
    """The most training examples, test examples, steps and parameters of any arm."""
    facts = design.data.values()
    return (
        max((f.n_train for f in facts), default=0),
        max((f.n_test for f in facts), default=0),
        max(design.steps.values(), default=0),
        max((a.n_parameters for a in design.arms), default=0),
    )


# Arms that crossing factors makes and that say nothing: outside its domain a step goes on as it is.
UNREAD = {"universal_approximation": {f"step, outside, width {width}" for width in (2, 8, 32, 128, 256)}}


def test_every_arm_is_read_by_a_hypothesis(file):
    """An arm that nobody asks about costs its trials for nothing."""
    design = design_of(file.name, None)
    if file.study.kind == "search":
        pytest.skip("a search has no hypotheses")
    read = {column.arm for h in file.study.hypotheses for column in named_columns(design, h)}
    assert {arm.label for arm in design.arms} - read == UNREAD.get(file.name, set())


def test_identities_are_held_to_rounding(file):
    """They are computed in float64, whose tolerance is 1e-12 (method.md, section 5)."""
    assert all(h.tolerance <= 1e-12 for h in file.study.hypotheses if isinstance(h, Identity))


def test_the_gates_nets_are_the_notes_own():
    """A linear threshold of two inputs, and 2-4-1."""
    arms = design_of("perceptron_xor", None).arms
    found = {(arm.levels["model.widths"], arm.n_parameters) for arm in arms}
    assert found == {("perceptron", 3), ("mlp", 17)}


def test_inits_draw_ten_layers():
    """The notes' picture, before any step; the report draws nets of ten layers whole."""
    arms = design_of("inits", None).arms
    ten = [arm for arm in arms if arm.config["model"]["depth"] == LAYERS_SHOWN == 10]
    assert {arm.levels["model.init"] for arm in ten} == {arm.levels["model.init"] for arm in arms}
    assert all(arm.config["probes"]["activation_histogram"] == ["start"] for arm in ten)


def test_there_are_studies():
    assert "optimizers" in FILES
