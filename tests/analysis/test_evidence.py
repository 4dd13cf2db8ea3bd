"""The data frames that analysis and reports work on, against the records one value at a time."""

import math

import pytest

from harness.analysis.evidence import Evidence, gather
from harness.words.record import Record, Status
from harness.words.trial import Planned
from tests.analysis.records import record


@pytest.fixture
def records() -> list[Record]:
    """A run with two curves, one that failed before its first evaluation, one that diverged."""
    long = record([0.1, 0.5, 0.9]).model_copy(update={"trial": "long"})
    curves = {"val/loss": [3.0, 2.0, 1.0], **long.curves}
    failed = {"trial": "failed", "status": Status.FAILED, "steps": [], "curves": {}, "final": {}}
    lost = record([0.3, math.nan], status=Status.DIVERGED).model_copy(update={"trial": "lost"})
    return [long.model_copy(update={"curves": curves}), long.model_copy(update=failed), lost]


@pytest.fixture
def evidence(records: list[Record]) -> Evidence:
    """Two arms that share a trial, an arm whose trial was never run, and the others."""
    planned = [
        Planned(arm="a", trial="long", phase="judge", replicate=0),
        Planned(arm="b", trial="failed", phase="judge", replicate=1),
        Planned(arm="b", trial="long", phase="judge", replicate=0),
        Planned(arm="b", trial="long", phase="tune", replicate=3, point=4),
        Planned(arm="c", trial="lost", phase="judge", replicate=2),
        Planned(arm="c", trial="never", phase="judge", replicate=0),
    ]
    return gather(design=None, choices={}, frozen=None, planned=planned, records=records)  # type: ignore[arg-type]


@pytest.mark.parametrize("metrics", [["val/accuracy"], ["val/loss", "val/accuracy"], ["train/loss"], []])
def test_a_row_a_value_of_the_judged_curves(
    evidence: Evidence, records: list[Record], metrics: list[str]
) -> None:
    by_id = {r.trial: r for r in records}
    expected = [
        (p.arm, p.replicate, step, metric, value)
        for p in evidence.planned
        for metric, curve in by_id[p.trial].curves.items()
        for step, value in zip(by_id[p.trial].steps, curve, strict=True)
        if metric in metrics and p.phase == "judge"
    ]
    frame = evidence.curves(metrics)
    assert list(frame.columns) == ["arm", "replicate", "step", "metric", "value"]
    assert repr(list(frame.itertuples(index=False, name=None))) == repr(expected)
    assert list(frame.index) == list(range(len(expected)))
    assert list(evidence.trials["trial"]) == ["long", "failed", "long", "long", "lost"]


def test_nothing_recorded_is_an_empty_frame() -> None:
    nothing = gather(design=None, choices={}, frozen=None, planned=[], records=[])  # type: ignore[arg-type]
    assert nothing.curves(["val/loss"]).empty
    assert nothing.trials.empty
