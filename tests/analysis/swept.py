"""Studies with crossed factors whose outcomes are given, as `Evidence`: no curves, no training."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.analysis.evidence import Evidence, gather
from harness.analysis.kinds import KINDS
from harness.analysis.kinds.base import Answered
from harness.analysis.question import question
from harness.words.design import Arm, Choice, DataFacts, Design, Dimension, PointResult
from harness.words.record import Provenance, Record, Status
from harness.words.study import Study
from harness.words.trial import Planned, Trial

FACTS = DataFacts(scope="fresh", n_train=4000, n_val=1000, n_test=4000, n_classes=10)
Outcomes = Callable[..., Sequence[float]]


def swept(
    factors: Mapping[str, Sequence[Any]],
    outcomes: Outcomes,
    hypothesis: Mapping[str, Any],
    metric: str = "test/accuracy",
    tuned: Mapping[Any, float] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Evidence:
    """Evidence of a study with one hypothesis.

    `outcomes(*levels)` gives an arm's final metric for every replicate, NaN for a run that diverged.
    `tuned`: level of the only factor -> score of its chosen tuning point.
    """
    crossed = list(itertools.product(*factors.values()))
    arms = [_arm(dict(zip(factors, levels, strict=True)), tuned is not None, config) for levels in crossed]
    values = {a.label: list(outcomes(*levels)) for a, levels in zip(arms, crossed, strict=True)}
    n = len(values[arms[0].label])
    study = Study.model_validate(
        {
            "arms": {f: list(levels) for f, levels in factors.items()},
            "judge": {"replicates": n},
            "hypotheses": [hypothesis],
        }
    )
    labels = [a.label for a in arms]
    design = Design(
        name="swept",
        study=study,
        arms=arms,
        data=dict.fromkeys(labels, FACTS),
        points=0,
        steps=dict.fromkeys(labels, 100),
    )
    runs = [_run(a.label, r, v, metric) for a in arms for r, v in enumerate(values[a.label])]
    choices = {} if tuned is None else {a.label: _choice(a, tuned) for a in arms}
    return gather(design, choices, None, [p for p, _ in runs], [r for _, r in runs])


def answers_to(evidence: Evidence, outcomes: np.ndarray) -> Iterator[Answered]:
    """The answer to the only hypothesis for each of (studies, n, arms) outcomes.

    The question is put together once; a study is another table of it.
    """
    (hypothesis,) = evidence.design.study.hypotheses
    asked, kind = question(evidence, hypothesis), KINDS[hypothesis.kind]
    place = {a.label: i for i, a in enumerate(evidence.design.arms)}
    rows, columns = asked.table["replicate"].to_numpy(), asked.table["arm"].map(place).to_numpy()
    for values in outcomes:
        yield kind.answer(kind.weigh(replace(asked, table=asked.table.assign(value=values[rows, columns]))))


def normal(means: Mapping[Any, float], n: int = 20, spread: float = 0.01, seed: int = 0) -> Outcomes:
    """Outcomes of one factor: a level's mean, an effect of the replicate shared by all, noise of its own."""
    generator = np.random.default_rng(seed)
    shared = spread * generator.normal(size=n)
    values = {level: mean + shared + spread * generator.normal(size=n) for level, mean in means.items()}
    return lambda level: values[level]


def _arm(levels: dict[str, Any], tuned: bool, config: Mapping[str, Any] | None) -> Arm:
    labels = {f: str(v) for f, v in levels.items()}
    return Arm(
        label=", ".join(labels.values()),
        levels=labels,
        values=levels,
        config=dict(config or {}),
        tuned=[Dimension(path="optimizer.lr", low=1e-3, high=1.0, log=True)] if tuned else [],
        n_parameters=1,
    )


def _choice(arm: Arm, tuned: Mapping[Any, float]) -> Choice:
    score = tuned[next(iter(arm.values.values()))]
    point = PointResult(index=0, params={"optimizer.lr": 0.1}, values=[score], score=score)
    return Choice(arm=arm.label, outcome="final val/accuracy", direction="higher", points=[point], chosen=0)


def _run(arm: str, replicate: int, value: float, metric: str) -> tuple[Planned, Record]:
    lost = bool(np.isnan(value))
    trial = Trial(study="swept", phase="judge", replicate=replicate, config={"arm": arm})
    record = Record(
        trial=trial.id,
        study="swept",
        phase="judge",
        replicate=replicate,
        config={"arm": arm},
        status=Status.DIVERGED if lost else Status.DONE,
        steps=[100],
        curves={},
        final={} if lost else {metric: float(value)},
        n_parameters=1,
        time_s=0.0,
        provenance=Provenance(device="cpu", stack_size=1, versions={}, data_fingerprint=""),
    )
    planned = Planned(arm=arm, trial=trial.id, phase="judge", replicate=replicate, point=None, params={})
    return planned, record
