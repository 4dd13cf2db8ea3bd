"""What a search found is worth: its best configs on fresh seeds, beside what they scored while searching.

The best of many noisy scores is too good on average (the winner's curse), so a searched value is never
the answer: the judged one is. Which config is the best was fixed before judging; nothing is ranked anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from harness.analysis.estimates import Interval, paired_t
from harness.analysis.evidence import Evidence
from harness.analysis.judge import described, provenance_of
from harness.analysis.outcome_table import arm_values, outcome_table, pairs
from harness.analysis.outcomes import outcome_direction
from harness.analysis.scale import outcome_label
from harness.analysis.wording import rounded, scope_text
from harness.errors import BadInput
from harness.words.outcome import Outcome
from harness.words.record import Status
from harness.words.search import ARM, DEFAULT, Search, SearchTrial
from harness.words.verdict import ArmSummary, StudyVerdict

BEST = "best 1"


class JudgedConfig(NamedTuple):
    """A config as the search saw it, and as fresh replicates did."""

    arm: str
    trial: SearchTrial
    objective: Interval  # judged on the validation split, as the search was
    test: Interval  # the test split, which the search never saw
    n_diverged: int


def judge_search(evidence: Evidence) -> StudyVerdict:
    """What a search came to; it has no hypotheses, so no verdict but a headline and a row a config.

    Raises BadInput where nothing was judged.
    """
    design, study = evidence.design, evidence.design.study
    judged = judged_configs(evidence)
    return StudyVerdict(
        study=design.name,
        title=study.title,
        says=study.claim.says,
        source=study.claim.source,
        headline=_headline(evidence, judged),
        scope=scope_text(design.data),
        hypotheses=[],
        arms=[_summary(evidence, config) for config in judged],
        targets={},
        provenance=provenance_of(evidence),
    )


def judged_configs(evidence: Evidence) -> list[JudgedConfig]:
    """The judged configs, the best of the search first and the default last.

    Raises BadInput where nothing was judged.
    """
    found = found_search(evidence)
    if found.default is None or not evidence.choices:
        raise BadInput(f"search {evidence.design.name!r} has no judged configs; run it first")
    trials = {f"best {i + 1}": found.trials[index] for i, index in enumerate(found.best)}
    trials[DEFAULT] = found.defaults[found.default]
    return [_judged(evidence, arm, trial) for arm, trial in trials.items()]


def advantage(evidence: Evidence) -> Interval | None:
    """The best config's test metric less the best default's, above 0 where better; None without pairs."""
    outcome = tested(evidence)
    both = pairs(outcome_table(evidence, outcome), BEST, DEFAULT)
    if len(both) < 2:
        return None
    return paired_t(
        both.oriented(outcome_direction(outcome)), evidence.design.data[DEFAULT].overlap(outcome.metric)
    )


def found_search(evidence: Evidence) -> Search:
    """What the search left. Raises BadInput where it did not."""
    if evidence.search is None:
        raise BadInput(f"{evidence.design.name!r} has no search.json; run it first")
    return evidence.search


def searched(evidence: Evidence) -> Outcome:
    """What the search looked at."""
    function, _, metric = found_search(evidence).objective.partition(" ")
    return Outcome(function=function, metric=metric)


def tested(evidence: Evidence) -> Outcome:
    """The same metric at the end of training, on the test split."""
    return Outcome(function="final", metric=f"test/{searched(evidence).metric.partition('/')[2]}")


def best_so_far(found: Search) -> list[float | None]:
    """The best value among the first k trials, for every k; None before the first."""
    best: list[float | None] = []
    choose = max if found.direction == "higher" else min
    for trial in found.trials:
        seen = [v for v in (best[-1] if best else None, trial.value) if v is not None]
        best.append(choose(seen) if seen else None)
    return best


def params_text(params: Mapping[str, Any]) -> str:
    """A config's params in a line: sections' names by themselves, the rest with the option's name."""
    parts = []
    for path, value in params.items():
        option = path.partition(".")[2].replace("_", " ")
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        named = option == "name" or isinstance(value, str)
        parts.append(shown.replace("_", " ") if named else f"{option} {shown}")
    return ", ".join(parts) or "the base as it is"


def _judged(evidence: Evidence, arm: str, trial: SearchTrial) -> JudgedConfig:
    rows = evidence.trials[(evidence.trials["arm"] == arm) & (evidence.trials["phase"] == "judge")]
    return JudgedConfig(
        arm,
        trial,
        _mean(evidence, searched(evidence), arm),
        _mean(evidence, tested(evidence), arm),
        int((rows["status"] == Status.DIVERGED.value).sum()),
    )


def _mean(evidence: Evidence, outcome: Outcome, arm: str) -> Interval:
    values = arm_values(outcome_table(evidence, outcome), arm)
    if len(values) < 2:
        raise BadInput(f"search {evidence.design.name!r}: {arm} has fewer than 2 judged runs; run it again")
    return paired_t(values, evidence.design.data[DEFAULT].overlap(outcome.metric))


def _headline(evidence: Evidence, judged: list[JudgedConfig]) -> str:
    """The best config, what it is worth on fresh data, and what it seemed worth."""
    found, best = found_search(evidence), judged[0]
    lost = sum(t.diverged for t in found.trials)
    if not found.best:
        return f"All {len(found.trials):,} configs diverged, so that none was judged but the best default."
    metric, objective = outcome_label(tested(evidence)), outcome_label(searched(evidence))
    over = advantage(evidence)
    above = ""
    if over is not None:
        low, value, high = rounded(over.low, over.value, over.high)
        above = f", {value} ({low} to {high}) better than the best default"
    scored = "" if best.trial.value is None else f" (it scored {best.trial.value:.3g} in the search)"
    return (
        f"Best of {len(found.trials):,} configs{f', {lost} of them diverged' if lost else ''}: "
        f"{params_text(best.trial.params)}. {metric.capitalize()} {_text(best.test)} on {best.test.n} fresh "
        f"replicates{above}; {objective} {_text(best.objective)}{scored}."
    )


def _text(found: Interval) -> str:
    low, value, high = rounded(found.low, found.value, found.high)
    return f"{value} (95 % interval {low} to {high})"


def _summary(evidence: Evidence, config: JudgedConfig) -> ArmSummary:
    rows = evidence.trials[evidence.trials["arm"] == config.arm]
    statuses, records = rows["status"], [evidence.records[t] for t in rows["trial"]]
    outcomes = {str(o): described(evidence, o, config.arm) for o in (tested(evidence), searched(evidence))}
    return ArmSummary(
        arm=config.arm,
        n=int((statuses != Status.FAILED.value).sum()),
        n_diverged=config.n_diverged,
        n_failed=int((statuses == Status.FAILED.value).sum()),
        tuning_trials=int((evidence.trials["arm"] == ARM).sum()),
        steps=max(int(np.max(r.steps)) for r in records if r.steps),
        n_parameters=records[-1].n_parameters,
        chosen=config.trial.params,
        outcomes=outcomes,
        gates=[],
    )
