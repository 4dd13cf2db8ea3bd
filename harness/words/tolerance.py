"""How far two runs of one trial may lie apart and still count as the same."""

from __future__ import annotations

# Largest relative difference of a metric. None on a CPU thread; a GPU's matrix products choose their
# algorithm by the number of models, so that there only rounding is promised.
TOLERANCE = {"cpu": 0.0, "cuda": 1e-3}


def tolerance_of(*devices: str) -> float:
    """The tolerance for runs on these devices, as records name them: "cpu", or a GPU by its name."""
    return max(TOLERANCE["cpu" if device == "cpu" else "cuda"] for device in devices)


def in_words(tolerance: float) -> str:
    """How runs agree that differ by no more than that: "bit for bit", or to within what."""
    return f"to within a relative {tolerance:g}" if tolerance else "bit for bit"
