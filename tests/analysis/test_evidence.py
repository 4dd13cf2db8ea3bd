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
        Planned(arm="b", trial="failed", phase="tune", replicate=1, point=4),
        Planned(arm="b", trial="long", phase="judge", replicate=0),
        Planned(arm="c", trial="lost", phase="tune", replicate=2, point=5),
        Planned(arm="c", trial="never", phase="judge", replicate=0),
    ]
    return gather(design=None, choices={}, frozen=None, planned=planned, records=records)  # type: ignore[arg-type]


def test_a_row_a_value_of_every_curve(evidence: Evidence, records: list[Record]) -> None:
    by_id = {r.trial: r for r in records}
    expected = [
        (p.arm, p.phase, p.trial, p.replicate, p.point, step, metric, value)
        for p in evidence.planned
        for metric, curve in by_id[p.trial].curves.items()
        for step, value in zip(by_id[p.trial].steps, curve, strict=True)
    ]
    columns = ["arm", "phase", "trial", "replicate", "point", "step", "metric", "value"]
    found = list(evidence.curves[columns].itertuples(index=False, name=None))
    assert repr(_nones(found)) == repr(_nones(expected))
    assert list(evidence.curves.index) == list(range(len(expected)))
    assert list(evidence.trials["trial"]) == ["long", "failed", "long", "lost"]


def test_nothing_recorded_is_an_empty_frame() -> None:
    nothing = gather(design=None, choices={}, frozen=None, planned=[], records=[])  # type: ignore[arg-type]
    assert nothing.curves.empty
    assert nothing.trials.empty


def _nones(rows: list[tuple[object, ...]]) -> list[list[object]]:
    """NaN is how a frame holds None; the curve's own NaN stands in the last place."""
    return [
        [None if isinstance(v, float) and math.isnan(v) else float(v) if isinstance(v, int) else v for v in r]
        for r in rows
    ]
