"""Python's garbage collector in processes that import much and leave little garbage."""

from __future__ import annotations

import atexit
import gc

OBJECTS = 50_000  # new ones before the collector looks through them; Python's own: 700


def collect_seldom() -> None:
    """Collect garbage seldom for the rest of this process, and none at its end.

    To be called before the imports: as often as usual, the collector takes a tenth of the time of importing
    MLflow, a fifth of that of writing its runs, and half a second at a process's end.
    """
    gc.set_threshold(OBJECTS, 20, 50)
    atexit.register(gc.freeze)
