"""The best of several restarts, picked by validation; and metrics that only some arms measure."""

from dataclasses import replace

import pytest

from harness.analysis.outcome_table import outcome_table
from harness.errors import BadInput
from harness.words.outcome import Outcome
from harness.words.record import Status
from tests.simulated import simulated_evidence

RESTARTED = [{"kind": "dose", "outcome": {"final": "test/accuracy", "restarts": 3}, "over": "optimizer.name"}]


def outcome(**words):
    return Outcome.model_validate(words)


def with_members(finals, status=Status.DONE):
    """An arm's single replicate of several nets, `finals` giving each one's validation and test accuracy."""
    evidence = simulated_evidence(replicates=1, arms=("sgd", "adam"), hypotheses=RESTARTED)
    design = evidence.design
    judge = design.study.judge.model_copy(update={"members": 3})
    design = design.model_copy(update={"study": design.study.model_copy(update={"judge": judge})})
    planned, records, members = [], {}, []
    for first in (p for p in evidence.planned if p.phase == "judge"):
        own = [first.model_copy(update={"member": m, "trial": f"{first.arm}{m}"}) for m in range(len(finals))]
        planned.append(own[0])
        members += own[1:]
        for p, (val, test) in zip(own, finals, strict=True):
            final = {} if status is Status.DIVERGED else {"val/accuracy": val, "test/accuracy": test}
            update = {"trial": p.trial, "status": status, "final": final}
            records[p.trial] = evidence.records[first.trial].model_copy(update=update)
    return replace(evidence, design=design, planned=tuple(planned), members=tuple(members), records=records)


def test_the_best_on_validation_counts_whatever_its_test():
    evidence = with_members([(0.5, 0.9), (0.7, 0.6), (0.6, 0.8)])
    best = outcome_table(evidence, outcome(final="test/accuracy", restarts=3))
    assert best["value"].tolist() == [0.6, 0.6]  # of both arms
    of_two = outcome_table(evidence, outcome(final="test/accuracy", restarts=2))
    assert of_two["value"].tolist() == [0.6, 0.6]
    single = outcome_table(evidence, outcome(final="test/accuracy"))
    assert single["value"].tolist() == [0.9, 0.9]


def test_an_error_is_best_where_it_is_least():
    evidence = with_members([(0.5, 0.9), (0.7, 0.6), (0.6, 0.8)])
    records = {
        key: r.model_copy(update={"final": {"val/rmse": 1 - r.final["val/accuracy"], "test/rmse": 7.0}})
        for key, r in evidence.records.items()
    }
    records["sgd1"] = records["sgd1"].model_copy(update={"final": {"val/rmse": 0.3, "test/rmse": 2.0}})
    found = outcome_table(replace(evidence, records=records), outcome(final="test/rmse", restarts=3))
    assert dict(zip(found["arm"], found["value"], strict=True)) == {"sgd": 2.0, "adam": 7.0}


def test_a_replicate_is_lost_only_where_every_restart_diverged():
    evidence = with_members([(0.5, 0.9), (0.7, 0.6), (0.6, 0.8)])
    lost = {"status": Status.DIVERGED, "final": {}}
    two = {k: r.model_copy(update=lost) if k[-1] in "01" else r for k, r in evidence.records.items()}
    found = outcome_table(replace(evidence, records=two), outcome(final="test/accuracy", restarts=3))
    assert found["value"].tolist() == [0.8, 0.8]
    assert not found["diverged"].any()
    every = with_members([(0, 0)] * 3, Status.DIVERGED)
    found = outcome_table(every, outcome(final="test/accuracy", restarts=3))
    assert found["diverged"].all()
    assert found["value"].tolist() == [0.1, 0.1]  # chance of ten classes


def test_fewer_nets_than_restarts_are_no_answer():
    evidence = with_members([(0.5, 0.9), (0.7, 0.6), (0.6, 0.8)])
    short = replace(evidence, members=evidence.members[:1])
    with pytest.raises(BadInput, match="3 restarts need as many nets; 'sgd' has 2"):
        outcome_table(short, outcome(final="test/accuracy", restarts=3))


def test_a_metric_that_some_arms_measure_is_theirs_alone():
    evidence = simulated_evidence(replicates=2, arms=("sgd", "adam"), hypotheses=[])
    records = dict(evidence.records)
    for p in evidence.planned:
        if p.arm == "adam":
            r = records[p.trial]
            records[p.trial] = r.model_copy(update={"final": {**r.final, "test/coverage_error": 0.1}})
    evidence = replace(evidence, records=records)
    asked = outcome(final="test/coverage_error")
    assert outcome_table(evidence, asked, arms={"adam"})["arm"].tolist() == ["adam", "adam"]
    with pytest.raises(BadInput, match="no final metric 'test/coverage_error'"):
        outcome_table(evidence, asked, arms={"sgd"})
