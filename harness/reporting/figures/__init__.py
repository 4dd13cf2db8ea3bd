"""The figures a report may carry, one function each: plain data frames and numbers in, a figure out.

They know nothing of studies. Call them inside `style.drawing()`.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from harness.reporting.figures.bounds import against_bounds
from harness.reporting.figures.budget import budget_curves
from harness.reporting.figures.ensemble import ensemble_sizes
from harness.reporting.figures.forest import forest
from harness.reporting.figures.learning import learning_medians, learning_panels
from harness.reporting.figures.levels import arms_by_level, event_rates, isolation, level_lines
from harness.reporting.figures.mechanism import activation_histograms, probe_lines
from harness.reporting.figures.nuisance import nuisance_panels
from harness.reporting.figures.ranks import critical_difference_diagram, performance_profile
from harness.reporting.figures.replicates import paired, strip
from harness.reporting.figures.search import (
    best_so_far,
    importance_bars,
    searched_and_judged,
    slices,
)
from harness.reporting.figures.settings import settings_map
from harness.reporting.figures.survival import sensitivity, survival

FIGURES: dict[str, Callable[..., Figure]] = {
    "forest": forest,
    "against_bounds": against_bounds,
    "settings_map": settings_map,
    "level_lines": level_lines,
    "isolation": isolation,
    "arms_by_level": arms_by_level,
    "event_rates": event_rates,
    "learning_medians": learning_medians,
    "learning_panels": learning_panels,
    "nuisance_panels": nuisance_panels,
    "budget_curves": budget_curves,
    "ensemble_sizes": ensemble_sizes,
    "survival": survival,
    "sensitivity": sensitivity,
    "probe_lines": probe_lines,
    "activation_histograms": activation_histograms,
    "critical_difference_diagram": critical_difference_diagram,
    "performance_profile": performance_profile,
    "paired": paired,
    "strip": strip,
    "best_so_far": best_so_far,
    "importance_bars": importance_bars,
    "slices": slices,
    "searched_and_judged": searched_and_judged,
}
