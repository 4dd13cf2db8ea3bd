"""What was measured of the hidden layers, each probe explained in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from harness.analysis.evidence import Evidence
from harness.reporting.content.context import Context, draw, pages
from harness.reporting.document import Block
from harness.reporting.figures.learning import Measure
from harness.reporting.figures.mechanism import CUT, Row
from harness.reporting.frames import BAND
from harness.words.design import Arm
from harness.words.probes import HISTOGRAM_BINS, HISTOGRAM_RANGE, PROBES
from harness.words.record import Record

HISTOGRAM = "activation_histogram"
LAYERS_SHOWN = 10  # in a histogram's row
MANY_ROWS = 12  # of histograms, beyond which a figure is too high for half a page
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
        for planned, record in evidence.judged
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
            yield from _histograms(context, frame, moment)
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


def _histograms(context: Context, frame: pd.DataFrame, moment: str) -> Iterator[Block]:
    """A picture for each of the groups that the arms are shown in, all of nets of one depth."""
    counts = frame.groupby(["arm", "place"], sort=False)["value"].sum().reset_index()
    counts["layer"] = counts["place"] // HISTOGRAM_BINS + 1
    depths = counts.groupby("arm", sort=False)["layer"].max()
    depth = drawn_depth(depths)
    of_others = depths.nunique() > 1
    arms = context.evidence.design.arms
    groups = histogram_groups([arm for arm in arms if depths.get(arm.label) == depth])
    for number, (where, names) in enumerate(groups, 1):
        own = counts[counts["arm"].isin(names)]
        suffix = "" if len(groups) == 1 else f"-{number}"
        of_nets = f", nets of {depth} layers" if of_others else ""
        words = (
            f"Histograms of activations by arm and hidden layer, {MOMENTS[moment]}{of_nets}{where}.",
            _histogram_caption(f"{MOMENTS[moment]}{of_nets}{where}", len(depths) < len(arms)),
        )
        rows = [Row(arm, name, context.styles[arm].colour) for arm, name in names.items()]
        yield draw(f"activations-{moment}{suffix}", "activation_histograms", words, _shares(own), rows)


def drawn_depth(depths: Iterable[int]) -> int:
    """Of nets of several depths the deepest whose layers all have room, else the shallowest."""
    there = sorted(set(depths))
    return max((d for d in there if d <= LAYERS_SHOWN), default=there[0])


def histogram_groups(arms: Sequence[Arm]) -> list[tuple[str, dict[str, str]]]:
    """The arms in groups that fit a figure: what a group has in common, and its arms' names in it.

    Too many for one figure are parted by the factor with the fewest levels, then by their number alone.
    """
    levels = {f: list(dict.fromkeys(arm.levels[f] for arm in arms)) for f in arms[0].levels}
    varying = [f for f in levels if len(levels[f]) > 1]
    by = min(varying, key=lambda f: len(levels[f])) if len(arms) > MANY_ROWS and len(varying) > 1 else None
    groups = []
    for level in [""] if by is None else levels[by]:
        names = {a.label: _name(a, varying, by) for a in arms if by is None or a.levels[by] == level}
        where = "" if by is None else f", {by.rpartition('.')[2].replace('_', ' ')} {level}"
        groups += [(where, {arm: names[arm] for arm in page}) for page in pages(list(names), MANY_ROWS)]
    return groups


def _name(arm: Arm, varying: Sequence[str], by: str | None) -> str:
    return ", ".join(arm.levels[f] for f in varying if f != by) or arm.label


def _shares(counts: pd.DataFrame) -> pd.DataFrame:
    """The share of a layer's activations in each bin that holds any: arm, layer, left, width, share."""
    low, high = HISTOGRAM_RANGE
    width = (high - low) / HISTOGRAM_BINS
    left = low + width * (counts["place"] % HISTOGRAM_BINS)
    share = counts["value"] / counts.groupby(["arm", "layer"])["value"].transform("sum")
    layers = np.unique(np.linspace(1, counts["layer"].max(), LAYERS_SHOWN).round())
    shown = counts.assign(left=left, width=width, share=share)[counts["layer"].isin(layers) & (share > 0)]
    return shown[["arm", "layer", "left", "width", "share"]]


def _histogram_caption(where: str, missing: bool) -> str:
    low, high = HISTOGRAM_RANGE
    return (
        f"How activations are spread over their values {where}: a row an arm and a column a hidden layer, "
        f"counted from the input, all replicates together. The bins at {low:g} and {high:g} hold what lies "
        f"beyond. Heights are each panel's own; a bar {CUT} times as high as the next is cut, under an "
        f"arrowhead.{' Arms without a run that finished are left out.' if missing else ''}"
    )
