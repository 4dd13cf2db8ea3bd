"""Progress on stderr: trials done, time left for the whole study, and where the arms stand.

A terminal gets a live bar; a file or a pipe gets a line every few seconds instead.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from harness.words.design import Choice, Design

LINE_EVERY_S = 10.0  # between two lines of progress where there is no terminal


class Pace:
    """How long the rest takes, from the trials done since the first of this run made progress.

    Start-up before that first progress happens once, so it is left out of the rate.
    """

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None  # time in s, trials done

    def left_s(self, now_s: float, done: float, todo: float) -> float | None:
        """Seconds for `todo` more trials, `done` being all of this run so far; None before it is known."""
        if done <= 0:
            return None
        if self._first is None:
            self._first = (now_s, done)
        seconds, trials = now_s - self._first[0], done - self._first[1]
        return todo * seconds / trials if trials > 0 else None


class Watcher:
    """Draws what a run tells."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False)
        self._clock = clock
        self._lock = threading.Lock()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f} of {task.total:.0f} trials"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._pace = Pace()
        self._task: TaskID | None = None
        self._name = ""
        self._total = 0  # trials of the study, as far as is known
        self._before = 0  # trials of the phases that are over
        self._before_new = 0  # of those, run by this process
        self._phase = self._kept = 0  # trials of this phase, and how many of them had run before
        self._line_s = -LINE_EVERY_S  # when the last line was written
        self._told: dict[str, Choice] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish_phase()
        self._bar.stop()

    def planned(self, design: Design, trials: int) -> None:
        """Say what is asked and how large it is."""
        study, self._total = design.study, trials
        self._print(study.title or study.claim.says or design.name, style="bold")
        if study.budget is not None:
            budget, judged = study.budget, study.judge.replicates
            self._print(
                f"{budget.trials:,} configs of {len(study.space)} parameters are tried in batches of "
                f"{budget.batch_size:,}; then the best {budget.best} and the default are judged on {judged} "
                f"fresh replicates: {trials:,} trials"
            )
            return
        tuned = f"each tuned with {design.points} points x {study.tune.seeds} seeds and "
        self._print(
            f"{len(design.arms)} arms, {tuned if study.tune.parameters else ''}judged on "
            f"{study.judge.replicates} paired replicates: {trials:,} trials of "
            f"{_span(design.steps.values())} steps"
        )

    def phase(self, name: str, trials: int, kept: int) -> None:
        """Begin a phase: that many trials, of which `kept` have run before."""
        self._finish_phase()
        with self._lock:
            self._name, self._phase, self._kept = name, trials, kept
            self._total = max(self._total, self._before + trials)
        if self._console.is_terminal:
            self._task = self._bar.add_task(name, total=max(trials, 1), completed=kept, left="")
        elif trials:
            self._print(
                f"{name}: {trials:,} trials" + (f", {kept:,} of them kept from before" if kept else "")
            )
        self._line_s = self._clock()

    def share(self, done: float, trials: int) -> None:
        """That many of the phase's trials that had to run are done."""
        del trials
        now = self._clock()
        with self._lock:
            finished = self._kept + done
            todo = max(self._total - self._before - finished, 0.0)
            left = in_words(self._pace.left_s(now, self._before_new + done, todo))
        if self._task is not None:
            self._bar.update(self._task, completed=finished, left=left)
        elif now - self._line_s >= LINE_EVERY_S:
            self._line_s = now
            self._print(f"{self._name}: {finished:.0f} of {self._phase:,} trials" + (left and f", {left}"))

    def standing(self, choices: Mapping[str, Choice]) -> None:
        """Say what tuning chose for each arm: all arms at first, later those that changed."""
        changed = {arm: choice for arm, choice in choices.items() if self._told.get(arm) != choice}
        self._told = dict(choices)
        if not any(choice.points and choice.points[0].params for choice in changed.values()):
            return
        first = next(iter(changed.values()))
        self._print(f"tuned so far, by {first.outcome} ({first.direction} is better):")
        width = max(len(arm) for arm in changed)
        for arm, choice in changed.items():
            self._print(f"  {arm:<{width}}  {_choice(choice)}")

    def note(self, text: str) -> None:
        """Say it."""
        self._print(text)

    def _finish_phase(self) -> None:
        with self._lock:
            self._before += self._phase
            self._before_new += self._phase - self._kept
            self._phase = self._kept = 0
        if self._task is not None:
            total = self._bar.tasks[self._task].total
            self._bar.update(self._task, completed=total, left="")
            self._task = None

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, soft_wrap=True)


def in_words(seconds: float | None) -> str:
    """Time left as people say it: "about 12 s left", "about 3 min left"; empty where it isn't known."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    minutes = seconds / 60
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


def _choice(choice: Choice) -> str:
    if choice.chosen is None:
        return "every point diverged"
    point = choice.points[choice.chosen]
    values = ", ".join(f"{path} {_short(value)}" for path, value in point.params.items())
    score = "" if point.score is None else f"  {point.score:.4g}"
    edge = f"  (on the edge of its range: {', '.join(choice.on_edge)})" if choice.on_edge else ""
    return f"{values:<28}{score}{edge}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _span(values: Iterable[int]) -> str:
    numbers = sorted(set(values))
    return f"{numbers[0]:,}" if len(numbers) == 1 else f"{numbers[0]:,} to {numbers[-1]:,}"
