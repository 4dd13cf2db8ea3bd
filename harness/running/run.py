"""The one loop: tune every arm, freeze, judge, check. Results feed back into planning here alone."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from harness.analysis.outcomes import outcome_direction, outcome_value
from harness.planning.trials import Placed, judge_trials, n_trials, tune_trials
from harness.planning.tuning import ArmTuner, Asked, Scores, open_journal
from harness.running.batch import Bench, run_batch
from harness.running.freeze import check_design, freeze, keep_judged, targets
from harness.running.job import Job
from harness.running.reruns import compare
from harness.training.stack import Stack
from harness.words.design import Choice, DataFacts, Design, Frozen
from harness.words.metrics import split_metric
from harness.words.named import named_columns
from harness.words.outcome import Outcome
from harness.words.record import Record, Status
from harness.words.seeds import seed_for
from harness.words.trial import Planned, Trial

RERUNS = 2  # judged trials that are run once more, alone, to see that they reproduce


def run_study(design: Design, bench: Bench, amendment: str | None = None) -> None:
    """Take a study from its design to judged, checked records in the store.

    Everything finished before is reused, so a run that was killed goes on where it stopped. Raises
    BadInput where the design changed after judging, RunFailed where trials failed.
    """
    before = begin(design, bench, amendment, n_trials(design))
    tuning = Tuning(design, bench)
    choices = tuning.run()
    frozen = fix(design, bench, (tuning.targets, choices), before, amendment)
    judged = [
        placed
        for arm in design.arms
        if choices[arm.label].chosen is not None
        for placed in judge_trials(design, arm, choices[arm.label].params)
    ]
    ensembled = {planned.trial for _, planned in judged if design.ensembled(planned.arm)}
    judge(bench, tuning.planned, judged, frozen.hash, ensembled, _asked_about(design))


def _asked_about(design: Design) -> set[str]:
    """The arms that the primary hypothesis compares, at every one of its settings."""
    settings = design.settings(design.study.primary) if design.study.primary else []
    return {column.arm for s in settings for column in named_columns(design, s.hypothesis)}


def begin(design: Design, bench: Bench, amendment: str | None, trials: int) -> Frozen | None:
    """Put the design down, and say what an earlier judging held to, if any did.

    Raises BadInput where the design changed after judging, and no amendment says why.
    """
    before = check_design(design, bench.store, amendment)
    keep_judged(design, before, bench.store)
    bench.store.save_design(design)
    bench.observer.planned(design, trials)
    return before


def fix(
    design: Design,
    bench: Bench,
    found: tuple[Mapping[str, float], Mapping[str, Choice]],
    before: Frozen | None,
    amendment: str | None,
) -> Frozen:
    """Put down the targets and choices that judging will hold to. Raises BadInput as `freeze` does."""
    bench.store.save_choices(found[1])
    frozen = freeze(design, found, before, amendment)
    bench.store.save_frozen(frozen)
    return frozen


def judge(
    bench: Bench,
    planned: Sequence[Planned],
    judged: Sequence[Placed],
    salt: str,
    predicted: Collection[str] = frozenset(),
    asked_about: Collection[str] = frozenset(),
) -> None:
    """Run what is judged, after what was `planned` for tuning, and a few of it again.

    Trials `predicted` leave predictions; of the arms `asked_about` at least one trial is run again.
    """
    bench.store.save_plan([*planned, *(place for _, place in judged)])
    run_batch(bench, "judging", [trial for trial, _ in judged], predicted)
    check_reruns(bench, judged, salt, asked_about)
    bench.store.compact()  # a part costs a reader 2 ms: merging many costs what one reading of them does


def selection(design: Design) -> Outcome:
    """What tuning selects on: as declared, else the final validation value of the primary's metric."""
    if design.study.tune.select is not None:
        return design.study.tune.select
    asked = getattr(design.study.primary, "outcome", None)
    metric = asked.metric if asked is not None and "/" in asked.metric else "val/accuracy"
    if asked is not None and asked.function == "steps_to":
        return Outcome(function="steps_to", metric=metric, options=asked.options)
    regression = any(f.n_classes is None for f in design.data.values())
    name = "mse" if regression and "/" not in getattr(asked, "metric", "") else split_metric(metric)[1].name
    return Outcome(function="final", metric=f"val/{name}")


class Tuning:
    """The tune phase: rounds of points for all arms together, until no arm asks for more."""

    def __init__(self, design: Design, bench: Bench) -> None:
        self.design, self._bench = design, bench
        self.outcome = selection(design)
        self.better = outcome_direction(self.outcome)
        journal = open_journal(bench.store.path / "optuna.journal")
        self._tuners = {a.label: ArmTuner(design, a, self.better, journal) for a in design.arms}
        self._records: dict[str, dict[int, list[Record]]] = defaultdict(dict)
        self.planned: list[Planned] = []
        given = design.study.target.value is not None
        self.targets: dict[str, float] = targets(design, {}) if given else {}

    def run(self) -> dict[str, Choice]:
        """Ask, run and tell until every arm has its choice."""
        while asked := {label: points for label, t in self._tuners.items() if (points := t.ask())}:
            self._run_round(asked)
            self.targets = targets(self.design, self._records)
            for label, tuner in self._tuners.items():
                scores = {i: self._scores(label, runs) for i, runs in self._records[label].items()}
                if label in asked:
                    tuner.tell(scores)
                tuner.rescore(scores)
            self._bench.observer.standing(self.choices())
        return self.choices()

    def choices(self) -> dict[str, Choice]:
        """Every arm's choice so far."""
        return {label: tuner.choice(str(self.outcome)) for label, tuner in self._tuners.items()}

    def _run_round(self, asked: Mapping[str, Sequence[Asked]]) -> None:
        placed = {
            (label, point.index): tune_trials(
                self.design, self.design.arm(label), [point.params], point.index
            )
            for label, points in asked.items()
            for point in points
        }
        everything = [pair for pairs in placed.values() for pair in pairs]
        self.planned += [planned for _, planned in everything]
        self._bench.store.save_plan(self.planned)
        first = max(point.round for points in asked.values() for point in points) == 0
        run_batch(self._bench, "tuning" if first else "extending ranges", [trial for trial, _ in everything])
        records = self._bench.store.load({trial.id for trial, _ in everything})
        for (label, index), pairs in placed.items():
            self._records[label][index] = [records[trial.id] for trial, _ in pairs]

    def _scores(self, label: str, runs: Sequence[Record]) -> Scores:
        """One value a seed that was not lost."""
        whole = [r for r in runs if r.status is Status.DONE]
        target = self.targets.get(self.design.target_name(self.outcome.metric, label))
        facts = self.design.data[label]
        values = [score(self.outcome, r, target, facts) for r in whole]
        return Scores(values, diverged=len(runs) - len(whole))


def score(outcome: Outcome, record: Record, target: float | None, facts: DataFacts) -> float:
    """What tuning selects on: the outcome, but a run that never reached its target is told apart from others.

    It counts as its whole budget times 1 + the share of the target it ended short by: of settings
    that all fall short, the one that came closest wins.
    """
    value = outcome_value(outcome, record, target, facts.n_classes, facts.n_train)
    if not value.censored or target is None:
        return value.value
    shortfall = abs(record.curves[outcome.metric][-1] - target) / abs(target)
    return value.value * (1 + shortfall)


def check_reruns(bench: Bench, judged: Sequence[Placed], salt: str, asked_about: Collection[str]) -> None:
    """Run a few judged trials again, each alone, and keep whether they came out the same (gate G6).

    They are drawn at random: one of the arms `asked_about`, the others of all.
    """
    arms = {planned.trial: planned.arm for _, planned in judged}
    trials = {trial.id: trial for trial, _ in judged if bench.statuses[trial.id] is Status.DONE}
    generator = random.Random(seed_for("points", "reruns", salt))
    favoured = sorted(key for key in trials if arms[key] in asked_about)
    first = generator.sample(favoured, min(1, len(favoured)))
    others = sorted(trials.keys() - set(first))
    drawn = [*first, *generator.sample(others, min(RERUNS - len(first), len(others)))]
    known = {check["trial"] for check in bench.store.checks()}
    again = [trials[key] for key in drawn if key not in known]
    if not again:
        return
    bench.observer.phase("running trials again, alone", len(again), 0)
    recorded = bench.store.load({trial.id for trial in again})
    checks = [{"arm": arms[r.trial], **compare(recorded[r.trial], r)} for r in run_alone(bench, again)]
    bench.store.save_checks([*bench.store.checks(), *checks])


def run_alone(bench: Bench, trials: Sequence[Trial]) -> list[Record]:
    """Each trial by itself, a stack of one; nothing is stored."""
    jobs = [Job(Stack("alone", (trial,)), bench.cache_dir, bench.device) for trial in trials]
    futures = [bench.executor.submit(job, lambda share: None) for job in jobs]
    return [future.result().records[0] for future in futures]
