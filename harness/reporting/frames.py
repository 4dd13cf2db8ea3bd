"""From evidence to the plain data frames that figures draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.evidence import Evidence
from harness.analysis.outcome_table import COLUMNS, outcome_table
from harness.analysis.tuning_curve import choice_curve
from harness.errors import BadInput, RunFailed
from harness.words.design import Choice
from harness.words.outcome import Outcome

BAND = (0.1, 0.9)  # quantiles of the band around a median curve
DRAWN_STEPS = 160  # more points a curve than this can't be seen
DRAWN_REPLICATES = 100  # more faint lines a panel than this are one blot
DRAWN_LINES = 1600  # of all arms together: a report stays a file that opens at once


def outcome_frame(evidence: Evidence, outcome: Outcome) -> pd.DataFrame:
    """The outcome of every judged run: arm, replicate, value, censored, diverged.

    Empty where the records don't hold what the outcome needs.
    """
    try:
        return outcome_table(evidence, outcome)
    except (BadInput, RunFailed):
        return _empty(*COLUMNS)


def metrics_with_curves(evidence: Evidence) -> list[str]:
    """Metrics, without their split, that judged runs have curves of."""
    names: dict[str, None] = {}
    for _, record in evidence.judged:
        names |= {n: None for n in record.curves if n not in names and not np.isnan(record.curves[n]).all()}
    return list(dict.fromkeys(n.partition("/")[2] for n in names))


def curve_frame(evidence: Evidence, metric: str) -> pd.DataFrame:
    """Judged curves of one metric on training and validation: arm, split, replicate, step, value.

    Long curves are thinned evenly, first and last step kept.
    """
    wanted = evidence.curves([f"train/{metric}", f"val/{metric}"])
    steps = np.sort(wanted["step"].unique())
    wanted = wanted[wanted["step"].isin(_evenly(steps, DRAWN_STEPS))]
    split = wanted["metric"].str.partition("/")[0]
    return wanted.assign(split=split)[["arm", "split", "replicate", "step", "value"]]


def drawn_replicates(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves of at most `DRAWN_REPLICATES` replicates, evenly chosen, the same ones of every arm."""
    most = min(DRAWN_REPLICATES, max(2, DRAWN_LINES // max(1, curves["arm"].nunique())))
    kept = _evenly(np.sort(curves["replicate"].unique()), most)
    return curves[curves["replicate"].isin(kept)]


def band_frame(curves: pd.DataFrame) -> pd.DataFrame:
    """Median and quantile band over replicates: arm, split, step, median, low, high. NaNs are left out."""
    values = curves.dropna(subset=["value"]).groupby(["arm", "split", "step"], sort=False)["value"]
    bands = values.quantile(np.array([BAND[0], 0.5, BAND[1]])).unstack()
    bands.columns = pd.Index(["low", "median", "high"])
    return bands.reset_index().sort_values(["arm", "split", "step"], kind="stable")


def tuning_frame(choices: Mapping[str, Choice], path: str) -> pd.DataFrame:
    """Every tuning seed of every point along one tuned path, as `nuisance_panels` draws them."""
    rows = [
        {
            "arm": choice.arm,
            "x": point.params[path],
            "value": value,
            "score": np.nan if point.score is None else point.score,
            "round": point.round,
            "diverged": point.score is None,
            "chosen": index == choice.chosen,
        }
        for choice in choices.values()
        for index, point in enumerate(choice.points)
        if isinstance(point.params.get(path), (int, float))
        for value in (point.values or [np.nan])
    ]
    columns = ("arm", "x", "value", "score", "round", "diverged", "chosen")
    return pd.DataFrame(rows) if rows else _empty(*columns)


def budget_frame(choices: Mapping[str, Choice]) -> pd.DataFrame:
    """Expected best score after k tuning points: arm, k, value."""
    rows = [
        {"arm": choice.arm, "k": k, "value": float(value)}
        for choice in choices.values()
        if len(choice.points) > 1
        for k, value in enumerate(choice_curve(choice), start=1)
    ]
    return pd.DataFrame(rows) if rows else _empty("arm", "k", "value")


def _evenly(values: NDArray[Any], most: int) -> NDArray[Any]:
    """The sorted values, thinned evenly to at most `most`, first and last kept."""
    if len(values) <= most:
        return values
    kept: NDArray[Any] = values[np.linspace(0, len(values) - 1, most).round().astype(int)]
    return kept


def _empty(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))
