"""The level at which an event happens in half the runs: logistic in the log level, profile likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from harness.analysis.estimates import CONFIDENCE
from harness.analysis.outcomes import Floats

GRID = 101  # places at which the likelihood is first looked at
FLATTEST, STEEPEST = 0.05, 20.0  # slopes, over the whole range and over the narrowest gap between levels


class Critical(NamedTuple):
    """A critical position, its 95 % interval (cut at the outermost levels), and the log-likelihoods."""

    value: float
    low: float
    high: float
    likelihood: float
    profile: Callable[[float], float]  # the largest log-likelihood with the critical position there

    def p_at(self, position: float) -> float:
        """The likelihood-ratio p value of that critical position."""
        return float(stats.chi2.sf(2 * max(0.0, self.likelihood - self.profile(position)), 1))


def critical_level(
    positions: Floats, events: Floats, runs: Floats, confidence: float = CONFIDENCE
) -> Critical:
    """Where P(event) = 1/2, P = 1 / (1 + exp(-b (x - critical))), from (k,) events among (k,) runs.

    The interval holds the positions whose profile likelihood is within chi2(1)/2 of the largest. With
    perfect separation b has no finite estimate; it is bounded (20 over the narrowest gap), which
    leaves the likelihood flat between the two levels that separate, and the interval is that gap.
    Source: Venzon and Moolgavkar 1988, profile likelihood intervals.
    """
    profile = _profile(positions, events, runs)
    grid = np.linspace(positions[0], positions[-1], GRID)
    best = int(np.argmax([profile(x) for x in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)])
    found = optimize.minimize_scalar(lambda x: -profile(x), bounds=around, method="bounded")
    value = max((float(found.x), float(grid[best])), key=profile)
    level = profile(value) - stats.chi2.ppf(confidence, 1) / 2
    low = _crossing(profile, level, value, float(positions[0]))
    high = _crossing(profile, level, value, float(positions[-1]))
    return Critical(value, low, high, profile(value), profile)


def likeliest_slope(positions: Floats, events: Floats, runs: Floats, critical: float) -> float:
    """b of the logistic curve with that critical position that makes the events likeliest."""
    return _fitted(positions, events, runs, critical)[0]


def _profile(positions: Floats, events: Floats, runs: Floats) -> Callable[[float], float]:
    return lambda critical: _fitted(positions, events, runs, critical)[1]


def _fitted(positions: Floats, events: Floats, runs: Floats, critical: float) -> tuple[float, float]:
    """The likeliest slope with that critical position, and its log-likelihood."""
    rates = events / runs
    falls = float(np.sum((positions - positions.mean()) * (rates - rates.mean()))) < 0
    sign = -1.0 if falls else 1.0
    bounds = (
        float(np.log(FLATTEST / np.ptp(positions))),
        float(np.log(STEEPEST / np.min(np.diff(positions)))),
    )

    def loss(log_slope: float) -> float:
        logits = sign * np.exp(log_slope) * (positions - critical)
        return float(np.sum(events * np.logaddexp(0, -logits) + (runs - events) * np.logaddexp(0, logits)))

    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return sign * float(np.exp(found.x)), -float(found.fun)


def _crossing(profile: Callable[[float], float], level: float, inside: float, end: float) -> float:
    """Where the profile falls to a level between a position inside and an end; the end if nowhere."""
    if inside == end or profile(end) >= level:
        return end
    return float(optimize.brentq(lambda x: profile(x) - level, inside, end, xtol=1e-9))
