"""What goes to stdout, whatever else prints, and how a command ends that is interrupted anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from tests.cli.conftest import TINY, Harness

TALKATIVE = """\
import torch

print("a file that is read")

class Net(torch.nn.Module):
    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        print("a network that is made")
        self.layer = torch.nn.Linear(n_inputs, n_outputs)

    def forward(self, x):
        print("a network that is asked")
        return self.layer(x.flatten(1))
"""
SAID = ("a file that is read", "a network that is made")


@pytest.fixture
def talkative(project: Path) -> None:
    """A study of a network that prints."""
    (project / "nets.py").write_text(TALKATIVE)
    own = TINY.replace("{name: mlp, widths: [8]}", "{class: nets.py:Net}").replace("epochs: 2", "epochs: 1")
    (project / "studies/own.yaml").write_text(own)


@pytest.mark.usefixtures("talkative")
def test_json_is_alone_on_stdout(harness: Harness) -> None:
    planned = harness("plan", "own", "--json")
    assert planned.code == 0, planned.err
    assert planned.json  # all of stdout
    for said in SAID:
        assert said in planned.err


def test_an_error_that_nobody_interrupted_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RecursionError

    monkeypatch.setattr("harness.cli.app", broken)
    with pytest.raises(RecursionError):
        main()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("talkative")
def test_what_workers_print_is_no_result(project: Path) -> None:
    argv = [sys.executable, "-m", "harness.cli", "run", "own", "--no-mlflow", "--workers", "2", "--json"]
    ended = subprocess.run(argv, cwd=project, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout)["study"] == "own"
    for said in (*SAID, "a network that is asked"):
        assert said in ended.stderr


@pytest.mark.parametrize("ending", [RecursionError, ImportError, KeyboardInterrupt])
def test_an_interruption_is_one_whatever_becomes_of_it(
    ending: type[BaseException], harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python hears of it in the middle of a library's import, say, which makes another error of it."""

    def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ending from None

    monkeypatch.setattr("harness.cli.app", interrupted)
    ended = harness("list")
    assert ended.code == 130
    assert ended.err.startswith("error: interrupted; everything finished is kept.")
