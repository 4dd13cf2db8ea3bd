"""Corrections for many tests: Holm within a study, Benjamini and Hochberg over the ledger of claims."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from harness.analysis.outcomes import Floats

LEVEL = 0.05  # of a false support among a study's secondary hypotheses, of false discoveries in the ledger


def holm(p_values: Sequence[float]) -> Floats:
    """(m,) adjusted p values: the i-th smallest times m - i + 1, made monotone, at most 1.

    Source: Holm 1979.
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """(m,) adjusted p values: the i-th smallest times m / i, made monotone from above, at most 1.

    A claim is kept where its adjusted p is at most q: then at most q of those kept are expected to be
    false. Source: Benjamini and Hochberg 1995.
    """
    values = np.asarray(p_values, dtype=float)
    return np.asarray(stats.false_discovery_control(values)) if len(values) else values
