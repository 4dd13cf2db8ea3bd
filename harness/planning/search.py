"""Optuna's part of a search: ask for a batch of configs, tell how they did, and say what mattered.

The journal is made anew by each execution from what was asked and recorded before; a batch's sampler is
seeded by the number of trials before it. So a search that was killed goes on as if it had not been, and
neither a torn journal nor a trial left running can stand in its way.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from harness.planning.search_design import objective_of, space_hash
from harness.planning.space import assign, parameters
from harness.words.design import Design
from harness.words.search import Importance, Parameter, Search, SearchTrial
from harness.words.seeds import seed_for

FOREST_SEEDS = 5  # fANOVA's forest is random: how far its importances agree over so many
TREES, DEPTH = 32, 16  # of a forest


class Told(NamedTuple):
    """How a config did: its objective, NaN where it diverged and no worst value is known."""

    value: float
    diverged: bool


class Searcher:
    """`ask` for a batch of trials, `tell` how they did, until `ask` has no more."""

    def __init__(self, design: Design, direction: str, storage: BaseStorage, before: Search | None) -> None:
        assert design.study.budget is not None
        self._design, self._budget, self._base = design, design.study.budget, design.study.base
        self.parameters, _ = parameters(design.study)
        self._distributions = {p.path: distribution(p) for p in self.parameters}
        self._hash, self.higher = space_hash(design), direction == "higher"
        known = before.trials if before is not None and before.space_hash == self._hash else []
        self._known = [(trial.asked, trial.params) for trial in known][: self._budget.trials]
        self.trials: list[SearchTrial] = []
        self._running: dict[int, int] = {}  # index -> Optuna's number, of the trials it has asked for
        self._study = _created(design, direction, storage, self._hash)

    @property
    def best(self) -> list[int]:
        """Indices of the trials, the best first; those without a value are left out."""
        sign = -1 if self.higher else 1
        valued = [(sign * t.value, t.index) for t in self.trials if t.value is not None]
        return [index for _, index in sorted(valued)]

    def ask(self) -> list[SearchTrial]:
        """The next batch: one asked for by an earlier execution, else by the sampler. Empty at the end."""
        first = len(self.trials)
        wanted = range(first, min(first + self._budget.batch_size, self._budget.trials))
        pairs = self._known[first : wanted.stop]
        if not pairs:
            seed = seed_for("points", self._design.name, self._hash, first)
            self._study.sampler = sampler(self._budget.sampler, seed)
            pairs = [self._asked(index) for index in wanted]
        batch = [
            SearchTrial(index=first + i, asked=asked, params=params)
            for i, (asked, params) in enumerate(pairs)
        ]
        self.trials += batch
        return batch

    def tell(self, told: Mapping[int, Told]) -> None:
        """How the batch's trials did, by index. A diverged one counts as the worst there has been."""
        self.trials = [self._valued(t, told[t.index]) if t.index in told else t for t in self.trials]
        worst = self._worst()
        for index in told:
            trial = self.trials[index]
            if trial.value is None and worst is not None:
                trial = trial.model_copy(update={"value": worst})
                self.trials[index] = trial
            self._enter(trial)

    def _asked(self, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
        trial = self._study.ask()
        self._running[index] = trial.number
        return assign(self.parameters, self._base, lambda p: _suggest(trial, p))

    def _valued(self, trial: SearchTrial, told: Told) -> SearchTrial:
        value = None if math.isnan(told.value) else told.value
        return trial.model_copy(update={"value": value, "diverged": told.diverged})

    def _worst(self) -> float | None:
        values = [t.value for t in self.trials if t.value is not None]
        return None if not values else min(values) if self.higher else max(values)

    def _enter(self, trial: SearchTrial) -> None:
        """Put a finished trial into Optuna's study, where it runs already or not yet."""
        number = self._running.pop(trial.index, None)
        state = TrialState.FAIL if trial.value is None else TrialState.COMPLETE
        if number is None:
            self._study.add_trial(_frozen(trial, self._distributions, state))
        elif trial.value is None:
            self._study.tell(number, state=state)
        else:
            self._study.tell(number, trial.value)

    def search(self, **found: Any) -> Search:
        """The search as far as it has come, with what else was found."""
        return Search(
            space_hash=self._hash,
            objective=str(objective_of(self._design)),
            direction="higher" if self.higher else "lower",
            parameters=self.parameters,
            trials=self.trials,
            **found,
        )


def importances(search: Search) -> list[Importance]:
    """Each parameter's share of the objective's variance over the space, the largest first.

    By functional ANOVA of a forest fitted to the trials (Hutter, Hoos and Leyton-Brown 2014), with several
    seeds of the forest. Parameters that only some configs have are left out; a diverged trial counts with
    the worst value. Empty where fewer than two parameters or trials remain.
    """
    ranked = [p for p in search.parameters if p.always and (p.values is None or len(p.values) > 1)]
    distributions = {p.path: distribution(p) for p in ranked}
    study = optuna.create_study(direction="maximize" if search.direction == "higher" else "minimize")
    valued = [t for t in search.trials if t.value is not None]
    study.add_trials([_frozen(t, distributions, TrialState.COMPLETE) for t in valued])
    if len(ranked) < 2 or len(valued) < 2:
        return []
    seeds = [seed_for("points", "importance", i) % 2**32 for i in range(FOREST_SEEDS)]
    found = [
        FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=seed).evaluate(
            study, params=list(distributions)
        )
        for seed in seeds
    ]
    made = [Importance(path=p.path, values=[float(one[p.path]) for one in found]) for p in ranked]
    return sorted(made, key=lambda importance: -importance.mean)


def distribution(parameter: Parameter) -> BaseDistribution:
    """The parameter's coordinate as Optuna knows it."""
    if parameter.values is not None:
        if parameter.ordered:
            return IntDistribution(0, len(parameter.values) - 1)
        return CategoricalDistribution(parameter.values)
    assert parameter.low is not None
    assert parameter.high is not None
    if parameter.whole:
        return IntDistribution(round(parameter.low), round(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def sampler(name: str, seed: int) -> BaseSampler:
    """The sampler of one batch. TPE takes all parameters together, by groups where some are conditional."""
    seed %= 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        if name == "gp":
            return GPSampler(seed=seed)
        if name == "qmc":
            return QMCSampler(qmc_type="sobol", scramble=True, seed=seed, warn_independent_sampling=False)
        return RandomSampler(seed=seed)


def _created(design: Design, direction: str, storage: BaseStorage, space: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=design.name,
        storage=storage,
        direction="maximize" if direction == "higher" else "minimize",
    )
    study.set_user_attr("space", space)
    return study


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Any:
    made = distribution(parameter)
    if isinstance(made, CategoricalDistribution):
        return trial.suggest_categorical(parameter.path, made.choices)
    if isinstance(made, IntDistribution):
        return trial.suggest_int(parameter.path, made.low, made.high, log=made.log)
    assert isinstance(made, FloatDistribution)
    return trial.suggest_float(parameter.path, made.low, made.high, log=made.log)


def _frozen(
    trial: SearchTrial, distributions: Mapping[str, BaseDistribution], state: TrialState
) -> optuna.trial.FrozenTrial:
    kept: Sequence[str] = [path for path in distributions if path in trial.asked]
    return optuna.trial.create_trial(
        state=state,
        value=trial.value,
        params={path: trial.asked[path] for path in kept},
        distributions={path: distributions[path] for path in kept},
        user_attrs={"index": trial.index, "params": trial.params},
    )
