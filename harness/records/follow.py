"""Follow a study's store into MLflow until no more comes."""

from __future__ import annotations

import logging
import threading

from harness.errors import HarnessError, RunFailed
from harness.records.files import read_json, write_json
from harness.records.mirror import Mirror, Places
from harness.records.mirror_process import STATE_FILE

log = logging.getLogger(__name__)

POLL_S = 2.0  # a look at the store takes ten milliseconds
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
