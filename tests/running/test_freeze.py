"""What a study that was judged under another design is told: what changed, and how to go on."""

import pytest

from harness.errors import BadInput
from harness.records.store import Store
from harness.running.freeze import check_design, freeze
from harness.words.design import Frozen
from tests.simulated import simulated_evidence


@pytest.fixture
def judged(store_with, tmp_path):
    """A store with judged records, and the design they were judged under."""
    evidence = simulated_evidence(replicates=9, arms=("sgd", "adam"))
    frozen = evidence.frozen.model_copy(update={"design_hash": evidence.design.hash})
    store_with(tmp_path, evidence)
    store = Store(tmp_path, evidence.design.name)
    store.save_frozen(frozen)
    return store, evidence.design


def edited(design, **study):
    return design.model_copy(update={"study": design.study.model_copy(update=study)})


def refusal(store, design, command=""):
    with pytest.raises(BadInput) as refused:
        check_design(design, store, None, command)
    return str(refused.value)


def test_the_design_it_was_judged_under_goes_on(judged):
    store, design = judged
    assert check_design(design, store, None).design_hash == design.hash
    assert check_design(edited(design, title="another title"), store, None)
    assert check_design(edited(design, kind="search"), store, "a reason")


def test_other_replicates_name_both_numbers_and_the_command_that_goes_on(judged):
    store, design = judged
    fewer = edited(design, judge=design.study.judge.model_copy(update={"replicates": 8}))
    said = refusal(store, fewer, "harness run a/study.yaml --tier full")
    assert "changed since: judge.replicates 9 -> 8. " in said
    assert "Go on as it was judged: harness run a/study.yaml --tier full --replicates 9; or" in said
    assert 'harness run a/study.yaml --tier full --replicates 8 --amend "why it changed"' in said


def test_what_the_study_says_stands_alone(judged):
    store, design = judged
    tune = design.study.tune.model_copy(update={"seeds": 5})
    said = refusal(store, edited(design, tune=tune).model_copy(update={"points": 16}))
    assert "changed since: tune.seeds 2 -> 5. " in said
    assert f"Take the change back; or disclose the change in the report: harness run {design.name} " in said


def test_what_no_study_says_is_named_too(judged):
    store, design = judged
    steps = {**design.steps, "adam": 7}
    assert "changed since: steps.adam 1200 -> 7. " in refusal(
        store, design.model_copy(update={"steps": steps})
    )


def test_many_changes_are_counted(judged):
    store, design = judged
    base = {"train": {f"option{i}": i for i in range(9)}}
    said = refusal(store, edited(design, base={**design.study.base, **base}))
    assert said.count(" -> ") == 5
    assert " more. " in said


def test_other_tuned_values_and_targets_are_named():
    evidence = simulated_evidence(replicates=9, arms=("sgd", "adam"))
    found = ({"val/accuracy": 0.9}, evidence.choices)
    before = freeze(evidence.design, found, None, None)
    assert freeze(evidence.design, found, before, None) is before
    other = Frozen(**{**before.model_dump(), "targets": {"val/accuracy": 0.8}})
    with pytest.raises(BadInput, match=r"changed since: target\.val/accuracy 0\.8 -> 0\.9\."):
        freeze(evidence.design, found, other, None)
