"""Optuna's part: one study an arm, ask and tell in batches, in a journal that optuna-dashboard opens.

The journal is made anew by each execution, replaying the records: Optuna decides which points to
try, the store decides what has already run. Its points are a function of seeds and results alone.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from harness.catalogue.resolve import ConfigError, resolved_with
from harness.planning.points import Point, edges, extended, grid, is_grid, spacings
from harness.planning.trials import tuned_as
from harness.words.choosing import choose
from harness.words.design import Arm, Choice, Design, Dimension, PointResult
from harness.words.seeds import seed_for


@dataclass(frozen=True)
class Asked:
    """A point to try: its index in the arm, its values, and the round it belongs to (0: as declared)."""

    index: int
    params: Point
    round: int


class Scores(NamedTuple):
    """A tuned point's outcome: one value a seed where none diverged or failed."""

    values: list[float]
    diverged: int


def open_journal(path: Path) -> BaseStorage:
    """A fresh journal at `path`, replacing the last execution's."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


class ArmTuner:
    """Tunes one arm: `ask` for points, `tell` their outcomes, until `ask` has no more; then `choice`."""

    def __init__(self, design: Design, arm: Arm, better: str, storage: BaseStorage) -> None:
        self.arm, self.better = arm, better
        self._design, self._tune = design, design.study.tune
        self._dimensions: list[Dimension] = list(arm.tuned)
        self._spacing = spacings(arm.tuned, design.points)
        self._results: list[PointResult] = []
        self._open: list[Asked] = []
        self._trials: dict[int, optuna.Trial] = {}
        self._round = -1
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study = optuna.create_study(
                study_name=f"{design.name}: {arm.label}",
                storage=storage,
                sampler=_sampler(self._tune.sampler, _points_seed(design, arm)),
                direction="maximize" if better == "higher" else "minimize",
            )

    def ask(self) -> list[Asked]:
        """The next round's points: the declared design, then extensions while the winner is on an edge."""
        if self._open:
            return self._open
        self._round += 1
        if self._round == 0:
            self._open = self._ask_declared()
        elif self._round <= self._tune.extend:
            self._open = self._ask_extension()
        return self._open

    def tell(self, scores: Mapping[int, Scores]) -> None:
        """The outcomes of the round's points, by index. A point with a diverged run counts as failed."""
        for asked in self._open:
            result = _result(asked, scores[asked.index])
            self._results.append(result)
            trial = self._trials.pop(asked.index)
            trial.set_user_attr("values", result.values)
            if result.score is None:
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._study.tell(trial, result.score)
        self._open = []

    def rescore(self, scores: Mapping[int, Scores]) -> None:
        """Replace the outcomes of points told before: the target they are measured by has moved."""
        self._results = [
            _result(Asked(r.index, r.params, r.round), scores[r.index]) if r.index in scores else r
            for r in self._results
        ]

    def choice(self, outcome: str) -> Choice:
        """The winner so far, and why. With nothing tuned, the arm as it is."""
        if not self._dimensions:
            point = PointResult(index=0, params={}, values=[])
            direction = "higher" if self.better == "higher" else "lower"
            return Choice(
                arm=self.arm.label,
                outcome=outcome,
                direction=direction,
                points=[point],
                chosen=0,
                reason="nothing is tuned",
            )
        chosen, reason = choose(self._dimensions, self._results, self.better)
        on_edge = [] if chosen is None else edges(self._dimensions, self._results[chosen].params)
        return Choice(
            arm=self.arm.label,
            outcome=outcome,
            direction="higher" if self.better == "higher" else "lower",
            points=self._results,
            chosen=chosen,
            on_edge=[path for path in on_edge if self._could_extend(path)],
            extensions=max((r.round for r in self._results), default=0),
            reason=reason,
        )

    def _ask_declared(self) -> list[Asked]:
        if not self._dimensions:
            return []
        distributions = {d.path: _distribution(d) for d in self._dimensions}
        if is_grid(self._tune, self._dimensions):
            points = grid(self._dimensions, self._design.points)
            return [self._asked(p) for p in points]
        trials = [self._study.ask(distributions) for _ in range(self._design.points)]
        return [self._asked(dict(t.params), t) for t in trials]

    def _ask_extension(self) -> list[Asked]:
        chosen, _ = choose(self._dimensions, self._results, self.better)
        if chosen is None:
            return []
        winner = self._results[chosen].params
        self._dimensions, points = extended(self._dimensions, winner, self._spacing, self._valid)
        return [self._asked(p) for p in points]

    def _asked(self, point: Point, trial: optuna.Trial | None = None) -> Asked:
        """Number a point, entering it in Optuna's study where it doesn't come from there."""
        index = len(self._results) + len(self._trials)
        if trial is None:
            distributions = {d.path: _distribution(d) for d in self._dimensions}
            self._study.enqueue_trial(point)
            trial = self._study.ask(distributions)
        trial.set_user_attr("index", index)
        trial.set_user_attr("round", self._round)
        self._trials[index] = trial
        return Asked(index, point, self._round)

    def _valid(self, point: Point) -> bool:
        try:
            resolved_with(self.arm.config, point)
        except ConfigError:
            return False
        return True

    def _could_extend(self, path: str) -> bool:
        """Whether the range could go on beyond the edge, so that ending there is the study's doing."""
        chosen, _ = choose(self._dimensions, self._results, self.better)
        assert chosen is not None
        winner = self._results[chosen].params
        own = [d for d in self._dimensions if d.path == path]
        if own[0].values is not None:
            return self._valid({**winner, path: _just_beyond(own[0], winner)})
        return bool(extended(own, winner, self._spacing, self._valid)[1])


def _just_beyond(dimension: Dimension, winner: Point) -> float:
    """A number just beyond the listed one that won on its edge: below 0 where that is 0."""
    value, side = winner[dimension.path], edges([dimension], winner)[dimension.path]
    step = 1 if dimension.whole else 1e-6 * (abs(value) or 1)
    return float(value + side * step)


def _result(asked: Asked, scores: Scores) -> PointResult:
    whole = not scores.diverged and bool(scores.values)
    return PointResult(
        index=asked.index,
        params=asked.params,
        round=asked.round,
        values=scores.values,
        diverged=scores.diverged,
        score=statistics.fmean(scores.values) if whole else None,
    )


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.values is not None:
        return CategoricalDistribution(dimension.values)
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _points_seed(design: Design, arm: Arm) -> int:
    """What drawn points are seeded by: one seed for arms that share their tuning."""
    drawn = bool(arm.tuned) and not is_grid(design.study.tune, arm.tuned)
    return seed_for("points", design.name, tuned_as(design)[arm.label] if drawn else arm.label)


def _sampler(name: str, seed: int) -> BaseSampler:
    seed %= 2**32
    samplers: dict[str, Any] = {
        "random": lambda: RandomSampler(seed=seed),
        "tpe": lambda: TPESampler(seed=seed),
        "gp": lambda: GPSampler(seed=seed),
    }
    make = samplers.get(name, lambda: QMCSampler(qmc_type="sobol", scramble=True, seed=seed))
    sampler: BaseSampler = make()
    return sampler
