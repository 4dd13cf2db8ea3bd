"""Progress on stderr: a bar with time left for every batch of trials, and where the arms stand."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.words.design import Choice, Design


class Watcher:
    """Draws what a run tells."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f} trials"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._design: Design | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def planned(self, design: Design, trials: int) -> None:
        """Say what is asked and how large it is."""
        self._design = design
        self._console.print(f"{design.study.title or design.name}", style="bold")
        study = design.study
        self._console.print(
            f"{len(design.arms)} arms, each tuned with {design.points} points x {study.tune.seeds} seeds "
            f"and judged on {study.judge.replicates} paired replicates: {trials} trials of "
            f"{_span(design.steps.values())} steps"
        )

    def phase(self, name: str, trials: int, kept: int) -> None:
        """Begin a bar."""
        label = f"{name} ({kept} kept)" if kept else name
        self._task = self._bar.add_task(label, total=trials, completed=kept)
        self._kept = kept

    def share(self, done: float, trials: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.update(self._task, completed=self._kept + done, total=self._kept + trials)

    def standing(self, choices: Mapping[str, Choice]) -> None:
        """Say what each arm's tuning chose so far."""
        for arm, choice in choices.items():
            values = ", ".join(f"{path} {value:g}" for path, value in choice.params.items())
            edge = f"  on the edge of {', '.join(choice.on_edge)}" if choice.on_edge else ""
            self._console.print(f"  {arm:<16} {values or choice.reason}{edge}")

    def note(self, text: str) -> None:
        """Say it."""
        self._console.print(text)


def _span(values: object) -> str:
    numbers = sorted(set(values))  # type: ignore[call-overload]
    return f"{numbers[0]:,}" if len(numbers) == 1 else f"{numbers[0]:,} to {numbers[-1]:,}"
