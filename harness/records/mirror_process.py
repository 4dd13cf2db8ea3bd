"""The mirror beside training: a low-priority process that the driver starts and never waits for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, final

from harness.records.files import read_json
from harness.records.tracking import limited_environment

STATE_FILE, LOG_FILE = "mirror.json", "mirror.log"


class MirrorState(NamedTuple):
    """How far the mirror is. `error`: its last one, empty where all is well."""

    mirrored: int
    error: str
    running: bool


@final
class MirrorProcess:
    """Follows one study's store into MLflow until it is told to finish, or this process dies.

    The process reads the parts as they appear, so there is nothing to send; the end of its standard
    input says that no more will come. It then mirrors what is left and ends.
    """

    def __init__(self, results_root: Path | str, study: str, reports_root: Path | str | None = None) -> None:
        root = Path(results_root).absolute()
        self.folder = root / study
        self._argv = [sys.executable, "-m", "harness.records.mirror_beside", str(root), study]
        if reports_root is not None:
            self._argv.append(str(Path(reports_root).absolute()))
        self._process: subprocess.Popen[bytes] | None = None
        self.problem = ""  # why it did not mirror everything, where it doesn't say so itself

    def start(self) -> None:
        """Start following. Returns at once; the store must have been opened for writing before."""
        (self.folder / STATE_FILE).unlink(missing_ok=True)
        with (self.folder / LOG_FILE).open("wb") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=limited_environment(),
                start_new_session=True,  # Ctrl-C ends the driver; the mirror then finishes by itself
            )

    def finish(self) -> None:
        """Say that no more will come: the process mirrors what is left and ends. Returns at once."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self, timeout_s: float) -> bool:
        """Finish, wait at most that many seconds, then end it. True where it had mirrored everything."""
        if self._process is None:
            return False
        self.finish()
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
            self.problem = "it took too long"
            return False
        if code:
            self.problem = f"the mirror ended with exit code {code}, see {self.folder / LOG_FILE}"
        return code == 0

    def state(self) -> MirrorState:
        """How far it is; costs one small file's reading."""
        found = read_json(self.folder / STATE_FILE) or {}
        running = self._process is not None and self._process.poll() is None
        return MirrorState(found.get("mirrored", 0), found.get("error", ""), running)
