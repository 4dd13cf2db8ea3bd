"""`python -m harness.records.follow RESULTS STUDY [REPORTS]`: mirror a study until standard input ends."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

from harness.errors import HarnessError, RunFailed
from harness.records.files import read_json, write_json
from harness.records.mirror import Mirror, Places, places, seldom_collected
from harness.records.mirror_process import STATE_FILE

log = logging.getLogger(__name__)

POLL_S = 1.0
LONGEST_PAUSE_S = 60.0  # between two tries at a server that doesn't answer


def follow(where: Places, ended: threading.Event) -> bool:
    """Mirror what appears in the store until `ended` is set, then what is left. True where all is mirrored.

    A server that doesn't answer is asked again after pauses that double, and once more at the end.
    """
    pause_s = POLL_S
    while True:
        last = ended.is_set()
        try:
            with Mirror(where) as mirror:  # opened anew after a failure: that repairs half-written runs
                _follow(mirror, ended)
            return True
        except HarnessError as problem:
            log.warning("%s", problem)
            _note(where, None, str(problem))
        if last:
            return False
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        ended.wait(pause_s)


def _follow(mirror: Mirror, ended: threading.Event) -> None:
    """Until the end. Raises RunFailed at the first pass that fails."""
    while True:
        last = ended.is_set()  # asked before reading: what was written until then is read below
        result = mirror.catch_up(plan_is_whole=last)
        if result.failed:
            raise RunFailed(result.error)
        if last:
            mirror.finish()
        if last or result.created:
            _note(mirror.where, mirror.mirrored, "")
        if last:
            return
        ended.wait(POLL_S)


def _note(where: Places, mirrored: int | None, error: str) -> None:
    """Tell the driver how far the mirror is; None: as far as it was."""
    path = where.results_root / where.study / STATE_FILE
    try:
        before = read_json(path) or {}
        known = before.get("mirrored", 0) if mirrored is None else mirrored
        write_json(path, {"mirrored": known, "error": error})
    except HarnessError as problem:  # a full disk: the mirror's state is the least of it
        log.warning("%s", problem)


def main() -> int:
    """Follow at low priority, so that training has the processor."""
    os.nice(10)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    results_root, study, *reports = sys.argv[1:]
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    where = places(Path(results_root), study, reports_root=reports[0] if reports else None)
    with seldom_collected():
        return 0 if follow(where, ended) else 1


if __name__ == "__main__":
    sys.exit(main())
