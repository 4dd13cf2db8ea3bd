"""What was measured of the hidden layers, each probe explained in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.analysis.evidence import Evidence
from harness.analysis.outcome_table import finished
from harness.reporting.content.context import Context, draw
from harness.reporting.document import Block
from harness.reporting.figures.learning import Measure
from harness.reporting.frames import BAND
from harness.words.probes import HISTOGRAM_BINS, HISTOGRAM_RANGE, PROBES
from harness.words.record import Record

HISTOGRAM = "activation_histogram"
LAYERS_SHOWN = 6  # of a histogram's row
MOMENTS = {"start": "before the first step", "end": "at the end of training"}


def mechanism_section(context: Context) -> tuple[Block, ...]:
    """Each probe by layer, at its start and its end; on the way where it was measured there."""
    return tuple(
        block for name, moment in _measured(context.evidence) for block in _figure(context, name, moment)
    )


def probe_frame(evidence: Evidence, name: str) -> pd.DataFrame:
    """Every judged value of a probe: arm, replicate, step, end (whether the run's last), place, value.

    `place` counts a record's numbers from 0: layers, or a histogram's bins layer by layer.
    """
    rows = [
        (planned.arm, planned.replicate, step, step == _last(record), place, value)
        for planned, record in finished(evidence, "judge")
        for step, values in record.probes.get(name, {}).items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["arm", "replicate", "step", "end", "place", "value"])


def _last(record: Record) -> int:
    return record.steps[-1] if record.best_step is None else record.best_step


def _measured(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Every (probe, moment) that the judged trials of some arm were asked for."""
    asked: dict[tuple[str, str], None] = {}
    for arm in evidence.design.arms:
        probes = arm.config.get("probes") or {}
        for name in PROBES:
            for when in probes.get(name, ()):
                asked.update(dict.fromkeys([(name, when)]))
    yield from asked


def _figure(context: Context, name: str, moment: str) -> Iterator[Block]:
    frame = probe_frame(context.evidence, name)
    if moment == "start":
        frame = frame[frame["step"] == 0]
    elif moment == "end":
        frame = frame[frame["end"]]
    if frame.empty or frame["value"].isna().all():  # of no runs, or of layers the probe says nothing of
        return
    if name == HISTOGRAM:
        if moment != "all":
            yield _histograms(context, frame, moment)
        return
    by_step = moment == "all"
    if by_step:
        means = frame[frame["step"] > 0].groupby(["arm", "replicate", "step"], sort=False)["value"].mean()
        frame = means.reset_index().rename(columns={"step": "x"})
    else:
        frame = frame.assign(x=frame["place"] + 1)
    bands = _bands(frame)
    facts = PROBES[name]
    where = "against optimizer steps, mean over layers" if by_step else f"by hidden layer, {MOMENTS[moment]}"
    label = facts.label[0].upper() + facts.label[1:]
    caption = (
        f"{label} {where}: medians over replicates of every arm, the band holds the middle 80 % of them. "
        f"{'Values of 0 are not drawn. ' if facts.log else ''}Layers are counted from the input."
    )
    measure = Measure(facts.label, facts.log and bool((bands["median"] > 0).any()))
    words = (f"{label} {where}, a line an arm.", caption)
    yield draw(f"probe-{name}-{moment}", "probe_lines", words, bands, context.styles, measure, by_step)


def _bands(frame: pd.DataFrame) -> pd.DataFrame:
    """Median and quantile band over replicates: arm, x, low, median, high."""
    values = frame.dropna(subset=["value"]).groupby(["arm", "x"], sort=False)["value"]
    bands = values.quantile(np.array([BAND[0], 0.5, BAND[1]])).unstack()
    bands.columns = pd.Index(["low", "median", "high"])
    return bands.reset_index().sort_values(["arm", "x"], kind="stable")


def _histograms(context: Context, frame: pd.DataFrame, moment: str) -> Block:
    low, high = HISTOGRAM_RANGE
    width = (high - low) / HISTOGRAM_BINS
    counts = frame.groupby(["arm", "place"], sort=False)["value"].sum().reset_index()
    counts["layer"] = counts["place"] // HISTOGRAM_BINS + 1
    counts["left"] = low + width * (counts["place"] % HISTOGRAM_BINS)
    counts["share"] = counts["value"] / counts.groupby(["arm", "layer"])["value"].transform("sum")
    layers = np.unique(np.linspace(1, counts["layer"].max(), LAYERS_SHOWN).round())
    shown = counts[counts["layer"].isin(layers) & (counts["share"] > 0)].assign(width=width)
    caption = (
        f"How activations are spread over their values {MOMENTS[moment]}, a row an arm and a column a hidden "
        f"layer, all replicates together; the bins at {low:g} and {high:g} hold what lies beyond. "
        "Heights are each panel's own."
    )
    words = (f"Histograms of activations by arm and hidden layer, {MOMENTS[moment]}.", caption)
    columns = ["arm", "layer", "left", "width", "share"]
    return draw(f"activations-{moment}", "activation_histograms", words, shown[columns], context.styles)
