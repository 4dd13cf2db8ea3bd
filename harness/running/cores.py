"""How many cores there are to share out."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_on(device: str) -> int:
    """How many workers a device is given: one a core, and one a GPU."""
    return cores() if device == "cpu" else 1
