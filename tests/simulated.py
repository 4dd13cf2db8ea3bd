"""A believable study without training: seven optimizers whose truth is known, as `Evidence`.

Learning curves rise as 1 - exp(-t/tau) towards a final accuracy. Arms differ in tau and in the final
accuracy; the learning rate has a best value for each arm; replicates share an effect across arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.analysis.evidence import Evidence, gather
from harness.words.design import Arm, Choice, DataFacts, Design, Dimension, Frozen, PointResult
from harness.words.paths import set_paths
from harness.words.record import Provenance, Record, Status
from harness.words.study import Study
from harness.words.trial import Phase, Planned, Trial

ARMS = ("sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "adamw")
STEPS = list(range(40, 1201, 40))  # 30 evaluations, 40 steps apart
N_CLASSES, N_TRAIN, N_VAL, N_TEST = 10, 4000, 1000, 4000
POINTS, TUNE_SEEDS = 9, 2


@dataclass(frozen=True)
class Truth:
    """What is true of an arm at its best learning rate."""

    time_constant: float  # steps
    accuracy: float  # after infinitely many steps, on validation and test
    best_lr: float
    diverges_from: float  # multiple of best_lr from which runs diverge


REFERENCE = Truth(time_constant=200, accuracy=0.62, best_lr=0.03, diverges_from=5.0)
TRUTHS = {
    "sgd": Truth(330, 0.600, 0.3, 5.0),
    "momentum": REFERENCE,
    "nag": Truth(190, 0.622, 0.03, 5.0),
    "adagrad": Truth(260, 0.590, 0.03, 30.0),
    "rmsprop": Truth(150, 0.625, 0.001, 30.0),
    "adam": Truth(125, 0.635, 0.003, 30.0),
    "adamw": Truth(122, 0.640, 0.003, 30.0),
}
DEFAULT_HYPOTHESES: list[dict[str, Any]] = [
    {
        "primary": True,
        "kind": "faster",
        "a": "adam",
        "b": "momentum",
        "outcome": {"steps_to": "val/accuracy"},
        "delta": 1.25,
    },
    {"kind": "best_of", "outcome": {"final": "test/accuracy"}, "delta": 0.01},
]


def simulated_evidence(
    seed: int = 0,
    replicates: int = 20,
    arms: Sequence[str] = ("sgd", "momentum", "rmsprop", "adam"),
    effect: float = 1.0,
    diverged: Mapping[str, float] | None = None,
    hypotheses: Sequence[Mapping[str, Any]] | None = None,
) -> Evidence:
    """Evidence of an `optimizers` study.

    `effect` scales how far arms lie from momentum in truth: 0 makes every arm the same (A against A).
    `diverged` gives arms the fraction of judged replicates that diverge (the first ones).
    `hypotheses` as in a study file; the default needs the arms adam and momentum.
    """
    design = simulated_design(arms, replicates, hypotheses)
    truths = {arm: _scaled(TRUTHS[arm], effect) for arm in arms}
    tuned = {a: _tuning(design, a, truths[a], seed) for a in arms}
    reference = "momentum" if "momentum" in arms else arms[0]
    target = _target(tuned[reference])
    choices = {a: _choice(design, a, tuned[a], target) for a in arms}
    frozen = Frozen(
        design_hash=design.hash,
        targets={"val/accuracy": target},
        choices={a: c.params for a, c in choices.items()},
        time="2026-01-01T00:00:00+00:00",
    )
    lost = {a: round((diverged or {}).get(a, 0.0) * replicates) for a in arms}
    judged = [
        _trial(design, a, truths[a], _Place("judge", r, None, choices[a].params), seed, r < lost[a])
        for a in arms
        for r in range(replicates)
    ]
    everything = [pair for a in arms for pair in tuned[a]] + judged
    return gather(design, choices, frozen, [p for p, _ in everything], [r for _, r in everything])


def simulated_design(
    arms: Sequence[str], replicates: int, hypotheses: Sequence[Mapping[str, Any]] | None = None
) -> Design:
    """The design such a study has."""
    base = _base_config()
    study = Study.model_validate(
        {
            "title": "Which optimizer learns fastest?",
            "topic": "optimisation",
            "claim": {"says": "Adam learns fastest", "source": "simulated"},
            "base": base,
            "arms": {"optimizer.name": list(arms)},
            "tune": {
                "optimizer.lr": "own_range",
                "points": POINTS,
                "seeds": TUNE_SEEDS,
                "select": {"steps_to": "val/accuracy"},
            },
            "judge": {"replicates": replicates},
            "target": {"margin": 0.04},
            "hypotheses": list(DEFAULT_HYPOTHESES if hypotheses is None else hypotheses),
        }
    )
    facts = DataFacts(scope="fresh", n_train=N_TRAIN, n_val=N_VAL, n_test=N_TEST, n_classes=N_CLASSES)
    return Design(
        name="optimizers",
        study=study,
        arms=[_arm(a, base) for a in arms],
        data=dict.fromkeys(arms, facts),
        points=POINTS,
        steps=dict.fromkeys(arms, STEPS[-1]),
    )


def _base_config() -> dict[str, Any]:
    return {
        "data": {"name": "mnist1d", "n_train": N_TRAIN},
        "model": {"name": "mlp", "widths": [100, 100], "activation": "relu", "init": "he_normal"},
        "optimizer": {"name": "sgd"},
        "schedule": {"name": "constant"},
        "train": {"batch_size": 100, "epochs": 30, "loss": "cross_entropy"},
    }


def _arm(label: str, base: Mapping[str, Any]) -> Arm:
    best = TRUTHS[label].best_lr
    return Arm(
        label=label,
        levels={"optimizer.name": label},
        values={"optimizer.name": label},
        config=set_paths(base, {"optimizer.name": label, "optimizer.lr": best}),
        tuned=[Dimension(path="optimizer.lr", low=best / 10, high=best * 10, log=True)],
        n_parameters=15210,
    )


def _scaled(truth: Truth, effect: float) -> Truth:
    return Truth(
        time_constant=REFERENCE.time_constant * (truth.time_constant / REFERENCE.time_constant) ** effect,
        accuracy=REFERENCE.accuracy + effect * (truth.accuracy - REFERENCE.accuracy),
        best_lr=truth.best_lr,
        diverges_from=truth.diverges_from,
    )


@dataclass(frozen=True)
class _Place:
    phase: Phase
    replicate: int
    point: int | None
    params: dict[str, Any]


def _tuning(design: Design, arm: str, truth: Truth, seed: int) -> list[tuple[Planned, Record]]:
    grid = truth.best_lr * np.logspace(-1, 1, POINTS)
    return [
        _trial(design, arm, truth, _Place("tune", r, i, {"optimizer.lr": float(lr)}), seed, False)
        for i, lr in enumerate(grid)
        for r in range(TUNE_SEEDS)
    ]


def _trial(
    design: Design, arm: str, truth: Truth, place: _Place, seed: int, diverged: bool
) -> tuple[Planned, Record]:
    config = set_paths(design.arm(arm).config, place.params)
    trial = Trial(study=design.name, phase=place.phase, replicate=place.replicate, config=config)
    multiple = place.params.get("optimizer.lr", truth.best_lr) / truth.best_lr
    stopped = diverged or multiple > truth.diverges_from
    curves, test = _curves(truth, multiple, place, [seed, ARMS.index(arm)])
    final = {} if stopped else _final(curves, test, place.phase)
    if stopped:
        curves = {name: [values[0]] + [float("nan")] * (len(STEPS) - 1) for name, values in curves.items()}
    record = Record(
        trial=trial.id,
        study=design.name,
        phase=place.phase,
        replicate=place.replicate,
        config=config,
        status=Status.DIVERGED if stopped else Status.DONE,
        reason="loss above 10 x its initial value" if stopped else "",
        diverged_at_step=STEPS[0] + 7 if stopped else None,
        steps=STEPS,
        curves=curves,
        final=final,
        n_parameters=15210,
        time_s=0.1,
        provenance=Provenance(device="cpu", stack_size=64, versions={"harness": "0"}, data_fingerprint="0"),
    )
    planned = Planned(
        arm=arm,
        trial=trial.id,
        phase=place.phase,
        replicate=place.replicate,
        point=place.point,
        params=place.params,
    )
    return planned, record


def _curves(
    truth: Truth, multiple: float, place: _Place, key: list[int]
) -> tuple[dict[str, list[float]], float]:
    """The curves, and the accuracy on the test split."""
    phase = 0 if place.phase == "tune" else 1
    shared = np.random.default_rng([key[0], phase, place.replicate])
    own = np.random.default_rng([*key, phase, place.replicate, (place.point or 0)])
    off = np.log10(multiple) ** 2  # squared decades from the best learning rate
    tau = truth.time_constant * np.exp(0.08 * shared.normal() + 0.08 * own.normal()) * 10 ** (0.6 * off)
    top = truth.accuracy - 0.06 * off + 0.008 * shared.normal() + 0.005 * own.normal()
    chance = 1 / N_CLASSES
    rise = 1 - np.exp(-np.asarray(STEPS) / tau)
    val = np.round((chance + (top - chance) * rise + 0.004 * own.normal(size=len(STEPS))) * N_VAL) / N_VAL
    train = np.minimum(chance + (top + 0.2 - chance) * rise + 0.003 * own.normal(size=len(STEPS)), 1.0)
    curves = {
        "train/loss": _loss(train).tolist(),
        "train/accuracy": train.tolist(),
        "val/loss": _loss(val).tolist(),
        "val/accuracy": val.tolist(),
    }
    return curves, float(chance + (top - chance) * rise[-1] + 0.006 * own.normal())


def _loss(accuracy: np.ndarray) -> np.ndarray:
    return np.log(N_CLASSES) * np.clip((1 - accuracy) / (1 - 1 / N_CLASSES), 1e-3, None) ** 1.2


def _final(curves: dict[str, list[float]], test: float, phase: Phase) -> dict[str, float]:
    final = {name: values[-1] for name, values in curves.items()}
    if phase == "judge":
        final |= {"test/accuracy": test, "test/loss": float(_loss(np.asarray(test)))}
    return final


def _target(tuned: Sequence[tuple[Planned, Record]]) -> float:
    finals: dict[int, list[float]] = {}
    for planned, record in tuned:
        assert planned.point is not None
        finals.setdefault(planned.point, []).append(record.final.get("val/accuracy", 1 / N_CLASSES))
    first, second = np.array(list(finals.values())).T  # the seeds, each at the best point of the other
    return float(first[second.argmax()] + second[first.argmax()]) / 2 - 0.04


def _choice(design: Design, arm: str, tuned: Sequence[tuple[Planned, Record]], target: float) -> Choice:
    points = []
    for index in range(POINTS):
        of_point = [(p, r) for p, r in tuned if p.point == index]
        done = [r for _, r in of_point if r.status is Status.DONE]
        values = [_first_step(r.curves["val/accuracy"], target) for r in done]
        whole = len(done) == len(of_point)
        points.append(
            PointResult(
                index=index,
                params=of_point[0][0].params,
                values=values,
                diverged=len(of_point) - len(done),
                score=float(np.mean(values)) if whole else None,
            )
        )
    scores = [np.inf if p.score is None else p.score for p in points]
    chosen = int(np.argmin(scores))
    return Choice(
        arm=arm,
        outcome="steps_to val/accuracy",
        direction="lower",
        points=points,
        chosen=chosen,
        on_edge=["optimizer.lr"] if chosen in (0, POINTS - 1) else [],
        reason="best mean",
    )


def _first_step(curve: Sequence[float], target: float) -> float:
    reached = [s for s, v in zip(STEPS, curve, strict=True) if v >= target]
    return float(reached[0] if reached else STEPS[-1])
