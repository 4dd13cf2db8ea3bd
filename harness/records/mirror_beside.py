"""`python -m harness.records.mirror_beside RESULTS STUDY [REPORTS]`: mirror until standard input ends.

What takes seconds to import is imported once the collector is told how.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from pathlib import Path

from harness.garbage import collect_seldom


def main() -> int:
    """Follow a study at low priority, so that training has the processor. 0 where all was mirrored."""
    os.nice(10)
    collect_seldom()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    results_root, study, *reports = sys.argv[1:]
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    places = importlib.import_module("harness.records.mirror").places
    follow = importlib.import_module("harness.records.follow").follow
    where = places(Path(results_root), study, reports_root=reports[0] if reports else None)
    return 0 if follow(where, ended) else 1


if __name__ == "__main__":
    sys.exit(main())
