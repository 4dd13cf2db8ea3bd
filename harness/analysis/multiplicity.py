"""Holm's correction over the secondary hypotheses of a study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.outcomes import Floats


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
