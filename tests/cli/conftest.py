"""A project folder of its own for every test, and the command line called in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from harness.cli import main
from harness.running.here import ThisProcess

TINY = """\
title: Does Adam beat SGD on [small] digits?
claim: {says: Adam ends with a higher test accuracy than SGD}
base:
  data: {name: digits}
  model: {name: mlp, widths: [8]}
  train: {batch_size: 50, epochs: 2}
arms:
  optimizer.name: [sgd, adam]
tune: {optimizer.lr: own_range, points: 9, seeds: 2}
judge: {replicates: 8}
hypotheses:
  - {primary: true, kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.02}
tiers:
  full: {judge.replicates: 20}
"""


class Result(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as strict JSON."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


Harness = Callable[..., Result]

CALL = """\
import sys
from harness.cli import main
sys.argv = ['harness', *{words!r}]
try: main()
except SystemExit as end: assert end.code == 0, end.code
print(*[name for name in {modules!r} if name in sys.modules], file=sys.stderr)
"""


def imported(words: Sequence[str], modules: Sequence[str]) -> list[str]:
    """Those of the modules that a command imports, called in a process of its own."""
    code = CALL.format(words=list(words), modules=list(modules))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stderr.split()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one study, `tiny`, and an empty data folder; the current one."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "studies/tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    for name in ("HARNESS_RESULTS", "HARNESS_REPORTS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def harness(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Harness]:
    """Calls the command line in this process."""

    def call(*words: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Result(code if isinstance(code, int) else int(code is not None), *capsys.readouterr())

    return call


class NoWorkers:
    """In the place of worker processes, which take seconds to start: jobs run where they are submitted."""

    def __init__(self, workers: int) -> None:
        self.workers, self.restarts = workers, 0
        self.submit = ThisProcess().submit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """Nothing runs on."""

    def grow(self, workers: int) -> None:
        self.workers = max(workers, self.workers)

    def restart(self) -> None:
        self.restarts += 1


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> list[NoWorkers]:
    """Commands start no worker processes; what they have in their place, in order."""
    made: list[NoWorkers] = []

    def executor(workers: int) -> NoWorkers:
        made.append(NoWorkers(workers))
        return made[-1]

    monkeypatch.setattr("harness.running.executors.WorkerProcesses", executor)
    return made


def files(folder: Path) -> set[str]:
    """Every path below a folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}
