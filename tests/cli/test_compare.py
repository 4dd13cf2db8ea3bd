"""Judged studies side by side: from records alone, what they share in one row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Harness, imported
from tests.cli.test_ledger import put


@pytest.fixture
def judged(project: Path) -> None:
    """Two studies that ask the same of the same arms, and a third that asks something else."""
    put(project, "large", "superiority")
    put(project, "small", "superiority", effect=0.0)
    put(project, "other", "equivalence")


def test_what_is_written_alike_shares_a_row(harness: Harness, judged: None) -> None:
    found = harness("compare", "large", "small", "other", "--json").json
    assert list(found["studies"]) == ["large", "small", "other"]
    shared, own = found["hypotheses"]
    assert set(shared["studies"]) == {"large", "small"}
    assert set(own["studies"]) == {"other"}
    arms = {(a["arm"], a["outcome"]): set(a["studies"]) for a in found["arms"]}
    assert {arm for arm, _ in arms} == {"sgd", "adam"}
    assert all(names == {"large", "small", "other"} for names in arms.values())


def test_it_says_what_the_reports_say(harness: Harness, judged: None) -> None:
    found = harness("compare", "large", "small", "--json").json
    (row,) = found["hypotheses"]
    for name in ("large", "small"):
        verdict = harness("report", name, "--json").json
        assert found["studies"][name]["headline"] == verdict["headline"]
        (own,) = verdict["hypotheses"]
        told = row["studies"][name]
        assert told["value"] == own["estimate"]["shown_value"]
        assert (told["low"], told["high"]) == (own["estimate"]["shown_low"], own["estimate"]["shown_high"])
        assert told["answer"].startswith(own["answer"])
        means = {a["arm"]: a["outcomes"]["final test/accuracy"]["mean"] for a in verdict["arms"]}
        assert {
            a["arm"]: a["studies"][name]["mean"]
            for a in found["arms"]
            if a["outcome"] == "final test/accuracy"
        } == means


def test_the_table_names_every_study(harness: Harness, judged: None) -> None:
    shown = harness("compare", "large", "other")
    assert shown.code == 0
    for said in (
        "large: SUPPORTED",
        "\n  large  SUPPORTED (clear)",
        "not asked",
        "outcome, mean (sd)",
        "sgd",
    ):
        assert said in shown.out


def test_what_cannot_be_compared(harness: Harness, judged: None) -> None:
    for words in (["large"], ["large", "large"]):
        refused = harness("compare", *words)
        assert (refused.code, refused.out) == (2, "")
        assert "name two or more studies" in refused.err
    assert "run it first" in harness("compare", "large", "tiny").err
    assert "unknown study 'lage'. Did you mean" in harness("compare", "large", "lage").err


def test_it_needs_no_torch(judged: None) -> None:
    assert imported(["compare", "large", "small"], ("torch", "optuna", "mlflow")) == []
