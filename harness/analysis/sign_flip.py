"""Sign-flip permutation tests of paired differences: of one mean, and of the largest t of several arms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import numpy as np

from harness.analysis.outcomes import Floats

EXACT_UP_TO = 14  # pairs: 2^14 sign vectors
DRAWS = 20_000
BLOCK = 2_000_000  # signs in memory at once
Alternative = Literal["two-sided", "greater", "less"]


def sign_flip_p(differences: Floats, alternative: Alternative = "two-sided") -> float:
    """The p value of the mean of (n,) differences under independent sign flips.

    Exact up to 2^14 sign vectors, else 20,000 draws from a generator seeded by the data's hash, the
    observed signs counted among them (Phipson and Smyth 2010). Valid where differences are symmetric
    about 0 under the null hypothesis.
    """
    column = np.asarray(differences, dtype=float)[:, None]
    column = -column if alternative == "less" else column
    sums, observed = _flipped_sums(column)[:, 0], float(column.sum())
    slack = 1e-9 * float(np.abs(column).sum())  # equal sums differ by rounding
    if alternative == "two-sided":
        return float(np.mean(np.abs(sums) >= abs(observed) - slack))
    return float(np.mean(sums >= observed - slack))


def max_t_p(differences: Floats) -> Floats:
    """(k,) one-sided p values of k columns of (n, k) differences, each against the largest t of all columns.

    One sign a replicate flips all columns at once, so that the arms stay paired. A column's t is
    mean / sqrt(s^2 / n) of the flipped column. Controls the chance of any false finding among the k.
    Source: Westfall and Young 1993, max-T.
    """
    flipped = flipped_t(differences)
    largest: Floats = np.max(flipped, axis=1)
    observed = flipped[0]
    slack = 1e-9 * np.abs(observed)
    return np.array([np.mean(largest >= t - s) for t, s in zip(observed, slack, strict=True)])


def flipped_t(differences: Floats) -> Floats:
    """(draws, k) t values of (n, k) differences under joint sign flips; the first row is observed."""
    table = np.asarray(differences, dtype=float)
    return _t_values(_flipped_sums(table) / len(table), table)


def _t_values(means: Floats, table: Floats) -> Floats:
    """(draws, k) t values. The sum of squares of a column doesn't depend on its signs."""
    n = len(table)
    squares = np.mean(table**2, axis=0)
    variance = np.maximum(squares - means**2, 1e-18 * squares) * n / (n - 1)
    error = np.sqrt(variance / n)
    values: Floats = np.divide(means, error, out=np.zeros_like(means), where=error > 0)
    return values


def _flipped_sums(table: Floats) -> Floats:
    """(draws, k) column sums of (n, k) under each sign vector; the first is the one observed."""
    return np.concatenate([signs @ table for signs in _signs(table)])


def _signs(table: Floats) -> Iterator[Floats]:
    """(draws, n) sign vectors, in blocks; the first is the one observed."""
    n = len(table)
    if n <= EXACT_UP_TO:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
        yield np.asarray(1 - 2 * bits, dtype=np.float64)
        return
    digest = hashlib.sha256(np.ascontiguousarray(table).tobytes()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    rows = max(1, BLOCK // n)
    for start in range(0, DRAWS + 1, rows):
        size = (min(rows, DRAWS + 1 - start), n)
        signs = np.asarray(generator.integers(0, 2, size=size) * 2 - 1, dtype=np.float64)
        if start == 0:
            signs[0] = 1.0
        yield signs
