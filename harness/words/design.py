"""What planning makes of a study and what tuning found: all that analysis needs beside the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from harness.errors import BadInput, UnknownName
from harness.words.base import Word, content_hash
from harness.words.config import a_step
from harness.words.ensemble import ensemble_of
from harness.words.hypothesis import Faster, Hypothesis, Side, Superiority, restarts_of
from harness.words.settings import Setting, setting_label, settings_of
from harness.words.study import Study
from harness.words.trial import content_of

Scope = Literal["fresh", "resplit", "fixed"]


class Dimension(Word):
    """One nuisance parameter of one arm. `values` where the levels are listed, else `low`, `high`."""

    path: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    values: list[Any] | None = None
    whole: bool = False  # the option takes whole numbers: what is tried is rounded


class Arm(Word):
    """One combination of scientific levels. `config` is resolved, with the nuisances at their defaults."""

    label: str
    levels: dict[str, str]  # factor -> level's label, in the study's order
    values: dict[str, Any]  # factor -> level's value (a path's value, or the paths it sets)
    config: dict[str, Any]
    tuned: list[Dimension]
    n_parameters: int


class DataFacts(Word):
    """What a verdict's scope depends on. Sizes in examples."""

    scope: Scope  # fresh draw a replicate | repeated splits of one finite set | one fixed set and split
    n_train: int
    n_val: int
    n_test: int
    n_classes: int | None
    input_shape: tuple[int, ...] = ()  # of one example
    n_targets: int = 1  # values an example that a regression predicts

    def overlap(self, metric: str) -> float:
        """Nadeau and Bengio's n_test / n_train where replicates split one finite set, else 0.

        n_test is the size of the split that the metric is measured on: test for training metrics.
        """
        seen = self.n_val if metric.startswith("val/") else self.n_test
        return seen / self.n_train if self.scope == "resplit" else 0.0


class Design(Word):
    """A study as it will run: arms, budgets, data, all explicit."""

    name: str
    study: Study
    tier: str | None = None
    arms: list[Arm]
    data: dict[str, DataFacts]  # arm label -> facts
    points: int  # tuning points an arm before any extension
    steps: dict[str, int]  # arm label -> optimizer steps a trial

    def arm(self, label: str) -> Arm:
        """The arm of that label. Raises KeyError."""
        return {a.label: a for a in self.arms}[label]

    def select_arms(self, side: str | Mapping[str, Any], at: Mapping[str, Any] | None = None) -> list[Arm]:
        """The arms a hypothesis names, in the design's order.

        `side` is an arm's label, the label of a level of any factor, a selector {factor: level}, any
        of these as {arm: ...}, or an ensemble, which names the arm of its members; `at` restricts
        other factors. An empty selector means every arm. Raises BadInput where nothing matches,
        UnknownName for a factor the study does not have.
        """
        ensemble = ensemble_of(side)
        if ensemble is not None:
            named = self.select_arms(ensemble.arm or {}, at)
            return named if ensemble.arm else named[:1]
        if isinstance(side, Mapping) and list(side) == ["arm"] and "arm" not in self.study.arms:
            return self.select_arms(side["arm"], at)
        selector = {**(side if isinstance(side, Mapping) else {}), **(at or {})}
        factors = list(self.study.arms)
        for factor in selector.keys() - set(factors):
            raise UnknownName("factor", factor, factors)
        found = [a for a in self.arms if all(_has_level(a, f, v) for f, v in selector.items())]
        if isinstance(side, str):
            labelled = [a for a in found if a.label == side]
            found = labelled or [a for a in found if side in a.levels.values()]
        if not found:
            raise BadInput(_named(side, at, "no arm") + f"; the study's arms: {_labels(self.arms)}")
        return found

    def select_arm(self, side: str | Mapping[str, Any], at: Mapping[str, Any] | None = None) -> Arm:
        """The one arm a hypothesis names. Raises BadInput where several match, and as `select_arms`."""
        found = self.select_arms(side, at)
        if len(found) > 1:
            raise BadInput(
                _named(side, at, f"{len(found)} arms")
                + f": {_labels(found)}; name one by its label, or restrict the other factors with `at`"
            )
        return found[0]

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Factor -> the labels of its levels, in the study's order."""
        return {f: tuple(dict.fromkeys(a.levels[f] for a in self.arms)) for f in self.study.arms}

    def settings(self, hypothesis: Hypothesis) -> list[Setting]:
        """The hypothesis at every setting its `for_each` names. Raises UnknownName as `settings_of`."""
        return settings_of(hypothesis, self.levels)

    @property
    def asked(self) -> list[Hypothesis]:
        """Every hypothesis at every one of its settings."""
        return [s.hypothesis for h in self.study.hypotheses for s in self.settings(h)]

    def members(self, arm: str) -> int:
        """Nets a replicate that are judged of the arm: more than one for an ensemble or restarts."""
        return self.study.judge.members if self.ensembled(arm) or self._restarted(arm) else 1

    def ensembled(self, arm: str) -> bool:
        """Whether an ensemble is made of the arm's nets."""
        sides = [(s, h.at) for h in self.asked for s in sides_of(h) if ensemble_of(s)]
        return arm in {self.select_arm(side, at).label for side, at in sides}

    def _restarted(self, arm: str) -> bool:
        """Whether a hypothesis asks for the best of the arm's nets."""
        asking = [h for h in self.asked if restarts_of(h) > 1]
        sides = [
            (s, h.at) for h in asking for s in (sides_of(h) if hasattr(h, "b") else [getattr(h, "arm", {})])
        ]
        return arm in {a.label for side, at in sides for a in self.select_arms(side, at)}

    def budget(self, arm: str, unit: str) -> float:
        """What a trial of the arm may take: optimizer steps, or the examples or modelled seconds of all.

        Raises BadInput for seconds where the arm declares no cost.
        """
        return self.steps[arm] * self._a_step(arm, unit)

    def same_budget(self, arm: str, other: str, unit: str) -> bool:
        """Whether two arms' budgets are equal, as far as whole steps go: no room for one more step."""
        small, large = sorted((arm, other), key=lambda a: self.budget(a, unit))
        return self.budget(large, unit) - self.budget(small, unit) < self._a_step(small, unit)

    def _a_step(self, arm: str, unit: str) -> float:
        return a_step(self.arm(arm).config, unit, self.data[arm].n_train)

    @property
    def folder(self) -> str:
        """The name of its folder under `results/` and `reports/`."""
        return folder_of(self.name, self.tier)

    @property
    def target_factors(self) -> tuple[str, ...]:
        """The factors at every combination of whose levels `steps_to` has a target of its own."""
        target, primary = self.study.target, self.study.primary
        if target.each is not None or target.value is not None:
            return target.each or ()
        return primary.for_each if isinstance(primary, Faster) else ()

    def target_name(self, metric: str, arm: str) -> str:
        """What an arm's target is called: by its metric, and by the setting where there are several."""
        at = self._target_setting(arm)
        return f"{metric} at {setting_label(at)}" if at else metric

    def target_reference(self, arm: str) -> Arm | None:
        """The arm whose tuned final value sets the target of `steps_to` that an arm is held to.

        `target.reference`, else b of the primary hypothesis, else b of the first `faster`: at the first of
        its settings, or at the arm's own where each has its target. None where there is none of these.
        Raises BadInput where it names no arm, or several.
        """
        study, own = self.study, self._target_setting(arm)
        if study.target.reference is not None:
            return self.select_arm(study.target.reference, own)
        primary = [study.primary] if isinstance(study.primary, (Faster, Superiority)) else []
        pairs = [*primary, *(h for h in study.hypotheses if isinstance(h, Faster))]
        if not pairs:
            return None
        first = self.settings(pairs[0])[0].hypothesis
        return self.select_arm(pairs[0].b, {**first.at, **own})

    def _target_setting(self, arm: str) -> dict[str, str]:
        levels = self.arm(arm).levels
        return {factor: levels[factor] for factor in self.target_factors if factor in levels}

    @property
    def hash(self) -> str:
        """Identifies everything that decides the verdict: what is frozen before judging."""
        return content_hash(self.deciding())

    def deciding(self) -> dict[str, Any]:
        """Everything that decides the verdict, as plain values."""
        found = self.model_dump(mode="json", exclude={"study"})
        arms = [{**arm, "config": content_of(arm["config"])} for arm in found["arms"]]
        return {**found, "arms": arms, "study": self.study.deciding()}


class PointResult(Word):
    """One tuning point of one arm, over its seeds. `score` is None where any seed diverged or failed."""

    index: int
    params: dict[str, Any]
    round: int = 0  # 0: the declared grid; 1, 2: extensions
    values: list[float]  # selected outcome, one a tuning seed; NaN never: missing where diverged
    diverged: int = 0
    score: float | None = None  # mean of values


class Choice(Word):
    """What tuning chose for an arm, and why."""

    arm: str
    outcome: str  # what was selected on, as text
    direction: Literal["higher", "lower"]
    points: list[PointResult]
    chosen: int | None  # index into points; None where every point diverged
    on_edge: list[str] = []  # paths whose chosen value lies on the edge of the final range
    extensions: int = 0
    reason: str = ""  # "best mean", "more central within one standard error"

    @property
    def params(self) -> dict[str, Any]:
        """The chosen nuisance values, dotted paths."""
        return {} if self.chosen is None else self.points[self.chosen].params


class Frozen(Word):
    """Fixed after tuning and before judging; judging refuses to run where it has changed."""

    design_hash: str
    targets: dict[str, float]  # metric full name -> target of `steps_to`
    choices: dict[str, dict[str, Any]]  # arm -> nuisance values
    time: str  # ISO 8601, UTC
    amendments: list[str] = []  # what was changed after judging began; disclosed in the report

    @property
    def hash(self) -> str:
        """The hash of what is frozen, not of when."""
        return content_hash(self.model_dump(mode="json", exclude={"time"}))


def sides_of(hypothesis: Hypothesis) -> list[Side]:
    """The sides a and b, as far as the hypothesis has them."""
    sides = [getattr(hypothesis, name, None) for name in ("a", "b")]
    return [side for side in sides if side is not None]


def folder_of(name: str, tier: str | None) -> str:
    """A study's folder: its name, and its tier where it has one."""
    return f"{name}-{tier}" if tier else name


def _has_level(arm: Arm, factor: str, level: Any) -> bool:
    """Whether the arm is at that level: by its label, or by its value (so 1e-3 finds 0.001)."""
    return str(level) == arm.levels.get(factor) or (
        not isinstance(level, bool) and bool(arm.values.get(factor) == level)
    )


def _labels(arms: list[Arm]) -> str:
    return ", ".join(a.label for a in arms)


def _named(side: str | Mapping[str, Any], at: Mapping[str, Any] | None, found: str) -> str:
    where = f" at {dict(at)}" if at else ""
    what = repr(side) if isinstance(side, str) else dict(side)
    return f"{what}{where} names {found}"
