"""Ensembles: what they gain by their size, and how much their members disagree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.analysis.ensembles import disagreements, ensemble_curve
from harness.analysis.estimates import paired_t
from harness.reporting.content.context import Context, draw, metric_label
from harness.reporting.document import Block, Paragraph
from harness.words.ensemble import Method

# A vote has no probabilities, so no likelihood; stacking is shown once, as every point of it is learned.
METHODS: dict[str, tuple[Method, ...]] = {
    "accuracy": ("mean", "vote", "stacking", "best_by_validation", "member_mean"),
    "nll": ("mean", "best_by_validation", "member_mean"),
}


def ensembles_section(context: Context) -> tuple[Block, ...]:
    """For every arm that ensembles are made of, test metrics by the number of nets."""
    design = context.evidence.design
    arms = [a.label for a in design.arms if design.ensembled(a.label)]
    return tuple(block for i, arm in enumerate(arms) for block in _arm(context, i, arm))


def _arm(context: Context, index: int, arm: str) -> Iterator[Block]:
    found = disagreements(context.evidence, arm)
    if not found:
        return
    yield Paragraph(
        f"{arm}: two nets of one replicate label {100 * float(np.mean(found)):.1f} % of the test examples "
        "differently, on average."
    )
    for metric, methods in METHODS.items():
        frame = _sizes(context, arm, methods, metric)
        label = metric_label(f"test/{metric}")
        alt = f"{arm}: {label} against the number of nets in the ensemble, for each way to put them together."
        caption = (
            f"{arm}: {label} of ensembles of the first 1, 2, ... nets of each replicate, mean over "
            "replicates with its 95 % interval. Member mean is no ensemble: what the nets reach alone."
        )
        yield draw(f"ensemble-{index}-{metric}", "ensemble_sizes", (alt, caption), frame, label)


def _sizes(context: Context, arm: str, methods: tuple[Method, ...], metric: str) -> pd.DataFrame:
    """One row a method and size: method, members, mean, low, high."""
    rows = []
    for method in methods:
        curve = ensemble_curve(context.evidence, arm, method, metric)
        for members, group in curve.groupby("members"):
            values = group["value"].to_numpy(dtype=float)
            mean, low, high = float(values.mean()), np.nan, np.nan
            if len(values) > 1:
                interval = paired_t(values)
                low, high = interval.low, interval.high
            rows.append((method.replace("_", " "), members, mean, low, high))
    return pd.DataFrame(rows, columns=["method", "members", "mean", "low", "high"])
