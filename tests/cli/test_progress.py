"""Progress: time left from a made-up clock, lines where there is no terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.progress import Pace, Watcher, in_words
from harness.planning.design import make_design
from harness.words.design import Choice, Design, PointResult
from harness.words.study_file import load_study


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def design(project: Path) -> Design:
    del project
    return make_design(load_study(Path("studies/tiny.yaml")))


def test_pace_leaves_start_up_out() -> None:
    pace = Pace()
    assert pace.left_s(50.0, 0, 100) is None  # nothing done yet
    assert pace.left_s(60.0, 10, 90) is None  # the first progress only starts the clock
    assert pace.left_s(65.0, 20, 80) == pytest.approx(40.0)  # 10 trials in 5 s


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (12.4, "about 12 s left"),
        (89, "about 89 s left"),
        (180, "about 3 min left"),
        (9000, "about 2.5 h left"),
    ],
)
def test_time_left_in_words(seconds: float | None, said: str) -> None:
    assert in_words(seconds) == said


def lines(design: Design, clock: Clock) -> list[str]:
    """What a run of the design prints where there is no terminal."""
    out = io.StringIO()
    point = PointResult(index=0, params={"optimizer.lr": 0.1}, values=[0.9, 0.8], score=0.85)
    choice = Choice(arm="sgd", outcome="final val/accuracy", direction="higher", points=[point], chosen=0)
    with Watcher(Console(file=out, markup=False, highlight=False, width=60), clock) as watcher:
        watcher.planned(design, 52)
        watcher.phase("tuning", 36, 6)
        watcher.share(0.0, 30)
        clock.now += 20
        watcher.share(6.0, 30)
        clock.now += 4
        watcher.share(8.0, 30)  # too soon for another line
        clock.now += 16
        watcher.share(16.0, 30)  # 10 trials in 20 s; 52 - 6 - 16 = 30 to go
        watcher.standing({"sgd": choice})
        watcher.standing({"sgd": choice})
        watcher.phase("judging", 16, 0)
    return out.getvalue().splitlines()


def test_lines_without_a_terminal(design: Design) -> None:
    printed = lines(design, Clock())
    assert printed[0] == "Does Adam beat SGD on [small] digits?"  # no markup of rich's
    assert "2 arms, each tuned with 9 points x 2 seeds and judged on 8" in printed[1]
    assert printed[2] == "tuning: 36 trials, 6 of them kept from before"
    assert printed[3] == "tuning: 12 of 36 trials"  # its pace isn't known yet
    assert printed[4] == "tuning: 22 of 36 trials, about 60 s left"
    assert printed[5] == "tuned so far, by final val/accuracy (higher is better):"
    assert printed[6].split() == ["sgd", "optimizer.lr", "0.1", "0.85"]
    assert printed[7:] == ["judging: 16 trials"]  # the same standing isn't told twice


def test_a_terminal_gets_a_bar(design: Design) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with Watcher(console, Clock()) as watcher:
        watcher.planned(design, 52)
        watcher.phase("tuning", 36, 6)
        watcher.share(10.0, 30)
    assert "36 of 36 trials" in out.getvalue()  # whole at the end, whatever the last share was
