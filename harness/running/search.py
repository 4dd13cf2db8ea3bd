"""The loop of a search: ask, run, tell; then judge its best configs, and the best default, on fresh seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis.outcomes import outcome_direction, outcome_value
from harness.catalogue.resolve import resolved_with
from harness.planning.search import Searcher, Told, importances
from harness.planning.search_design import objective_of
from harness.planning.space import default_params
from harness.planning.trials import Placed
from harness.planning.tuning import open_journal
from harness.running.batch import Bench, run_batch
from harness.running.run import begin, fix, judge
from harness.words.design import Choice, Design, PointResult
from harness.words.record import Record, Status
from harness.words.search import ARM, DEFAULT, Search, SearchTrial
from harness.words.trial import Phase, Planned, Trial


def run_search(design: Design, bench: Bench, amendment: str | None = None) -> None:
    """Take a search from its design to judged, checked records in the store.

    Everything finished before is reused. What is judged is fixed before anything is judged. Raises
    BadInput where the design changed after judging, RunFailed where trials failed.
    """
    before = begin(design, bench, amendment, n_search_trials(design))
    searching = Searching(design, bench)
    choices = _choices(searching.run())
    frozen = fix(design, bench, ({}, choices), before, amendment)
    judged = [
        placed(design, ("judge", label, replicate), choice.params)
        for label, choice in choices.items()
        for replicate in range(design.study.judge.replicates)
    ]
    judge(bench, searching.planned, judged, frozen.hash)


def n_search_trials(design: Design) -> int:
    """Runs the search takes, judging among them."""
    budget = design.study.budget
    assert budget is not None
    searched = (budget.trials + len(default_params(design.study))) * budget.seeds
    return searched + len(design.arms) * design.study.judge.replicates


def placed(
    design: Design, place: tuple[Phase, str, int], params: Mapping[str, Any], point: int | None = None
) -> Placed:
    """The trial of a config of the space, and its place: phase, arm, replicate."""
    phase, arm, replicate = place
    config = resolved_with(design.study.base, params).tree()
    trial = Trial(study=design.name, phase=phase, replicate=replicate, config=config)
    return trial, Planned(
        arm=arm, trial=trial.id, phase=phase, replicate=replicate, point=point, params=dict(params)
    )


class Searching:
    """The search phase: batches until the budget is spent, then what mattered."""

    def __init__(self, design: Design, bench: Bench) -> None:
        assert design.study.budget is not None
        self._design, self._bench, self._seeds = design, bench, range(design.study.budget.seeds)
        self._outcome = objective_of(design)
        self._classes = next(iter(design.data.values())).n_classes
        journal = open_journal(bench.store.path / "optuna.journal")
        direction = outcome_direction(self._outcome)
        self._searcher = Searcher(design, direction, journal, bench.store.search())
        self.planned: list[Planned] = []

    def run(self) -> Search:
        """Ask, run and tell until the budget is spent; the best configs are then known."""
        defaults = [
            SearchTrial(index=i, asked={}, params=params)
            for i, params in enumerate(default_params(self._design.study))
        ]
        defaults = [_valued(t, told) for t, told in self._told(DEFAULT, defaults, "trying the defaults")]
        while batch := self._searcher.ask():
            self._bench.store.save_search(self._searcher.search(defaults=defaults))
            last = batch[-1].index + 1
            name = f"searching, to trial {last} of {self._design.points}"
            self._searcher.tell({t.index: told for t, told in self._told(ARM, batch, name)})
            self._bench.observer.note(self._standing(last))
        found = self._searcher.search(
            defaults=defaults, best=self._best(), default=_best_default(defaults, self._searcher.higher)
        )
        self._bench.observer.note("finding out which parameters mattered ...")
        found = found.model_copy(update={"importances": importances(found)})
        self._bench.store.save_search(found)
        return found

    def _told(self, arm: str, trials: Sequence[SearchTrial], name: str) -> list[tuple[SearchTrial, Told]]:
        """Run the trials on every seed of the search; each with its objective."""
        runs = {
            t.index: [placed(self._design, ("tune", arm, seed), t.params, t.index) for seed in self._seeds]
            for t in trials
        }
        self.planned += [planned for pairs in runs.values() for _, planned in pairs]
        self._bench.store.save_plan(self.planned)
        run_batch(self._bench, name, [trial for pairs in runs.values() for trial, _ in pairs])
        records = self._bench.store.load({trial.id for pairs in runs.values() for trial, _ in pairs})
        return [(t, self._score([records[trial.id] for trial, _ in runs[t.index]])) for t in trials]

    def _score(self, records: Sequence[Record]) -> Told:
        """The mean objective over the seeds; a diverged run counts with the metric's worst value."""
        values = [outcome_value(self._outcome, record, None, self._classes).value for record in records]
        return Told(statistics.fmean(values), any(r.status is Status.DIVERGED for r in records))

    def _best(self) -> list[int]:
        """The best configs, no two of them alike."""
        assert self._design.study.budget is not None
        trials, distinct = self._searcher.trials, dict[str, int]()
        for index in self._searcher.best:
            distinct.setdefault(str(sorted(trials[index].params.items())), index)
        return list(distinct.values())[: self._design.study.budget.best]

    def _standing(self, tried: int) -> str:
        best = self._searcher.best
        if not best:
            return f"after {tried} trials: every one diverged"
        trial = self._searcher.trials[best[0]]
        return f"after {tried} trials, best {self._outcome} {trial.value:.4g}: {in_words(trial.params)}"


def in_words(params: Mapping[str, Any]) -> str:
    """A config's params on one line."""
    return ", ".join(f"{path} {f'{v:.3g}' if isinstance(v, float) else v}" for path, v in params.items())


def _valued(trial: SearchTrial, told: Told) -> SearchTrial:
    value = None if told.value != told.value else told.value
    return trial.model_copy(update={"value": value, "diverged": told.diverged})


def _best_default(defaults: Sequence[SearchTrial], higher: bool) -> int:
    """The best default config, the first of them where all diverged."""
    sign = 1 if higher else -1
    scored = [(sign * t.value, -t.index) for t in defaults if t.value is not None]
    return -max(scored)[1] if scored else 0


def _choices(found: Search) -> dict[str, Choice]:
    """What is judged: the best configs by the search, and the best default one."""
    assert found.default is not None
    ranked = [(f"best {i + 1}", found.trials[index]) for i, index in enumerate(found.best)]
    chosen = {**dict(ranked), DEFAULT: found.defaults[found.default]}
    return {
        label: Choice(
            arm=label,
            outcome=found.objective,
            direction=found.direction,
            points=[_point(trial)],
            chosen=0,
            reason="the best of the default configs" if label == DEFAULT else "the best of the search",
        )
        for label, trial in chosen.items()
    }


def _point(trial: SearchTrial) -> PointResult:
    values = [] if trial.value is None else [trial.value]
    return PointResult(
        index=trial.index,
        params=trial.params,
        values=values,
        diverged=int(trial.diverged),
        score=trial.value,
    )
