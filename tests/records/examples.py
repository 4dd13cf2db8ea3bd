"""Small records, plans and designs to store."""

from __future__ import annotations

from typing import Any

from harness.words.design import Arm, Choice, DataFacts, Design, Dimension, PointResult
from harness.words.record import Provenance, Record, Status
from harness.words.study import Study
from harness.words.trial import Planned, Trial

EVALUATIONS = 5


def config(optimizer: str = "adam", lr: float = 1e-3) -> dict[str, Any]:
    return {
        "data": {"name": "mnist1d", "n_train": 4000},
        "model": {"name": "mlp", "widths": [100, 100], "activation": "relu"},
        "optimizer": {"name": optimizer, "lr": lr},
        "schedule": {"name": "constant"},
        "train": {"batch_size": 100, "epochs": EVALUATIONS, "loss": "cross_entropy"},
    }


def record(
    replicate: int = 0,
    optimizer: str = "adam",
    phase: str = "judge",
    status: Status = Status.DONE,
    **changes: Any,
) -> Record:
    tree = config(optimizer, lr=1e-3 * (1 + replicate))
    trial = Trial(study="optimizers", phase=phase, replicate=replicate, config=tree)  # type: ignore[arg-type]
    gain = {"adam": 0.1, "sgd": 0.05}.get(optimizer, 0.0)
    accuracy = [0.2 + gain * i + 0.01 * replicate for i in range(EVALUATIONS)]
    if status is not Status.DONE:
        accuracy[2:] = [float("nan")] * (EVALUATIONS - 2)
    values: dict[str, Any] = {
        "trial": trial.id,
        "study": "optimizers",
        "phase": phase,
        "replicate": replicate,
        "config": tree,
        "status": status,
        "reason": "" if status is Status.DONE else "the loss was NaN",
        "diverged_at_step": 2 if status is Status.DIVERGED else None,
        "steps": [40 * (i + 1) for i in range(EVALUATIONS)],
        "curves": {"val/accuracy": accuracy, "train/loss": [2.0 - 0.1 * i for i in range(EVALUATIONS)]},
        "final": {"test/accuracy": accuracy[-1]} if status is Status.DONE else {},
        "n_parameters": 15210,
        "time_s": 0.5,
        "provenance": Provenance(
            device="cpu",
            stack_size=64,
            versions={"python": "3.11", "harness": "0.1"},
            data_fingerprint="f" * 16,
        ),
    }
    return Record(**{**values, **changes})


def planned(of: Record, arm: str | None = None, point: int | None = None) -> Planned:
    section: Any = of.config["optimizer"]
    return Planned(
        arm=arm or section["name"],
        trial=of.trial,
        phase=of.phase,  # type: ignore[arg-type]
        replicate=of.replicate,
        point=point,
        params={"optimizer.lr": section["lr"]},
    )


def design() -> Design:
    study = Study.model_validate(
        {
            "title": "Which optimizer learns fastest?",
            "claim": {"says": "Adam learns fastest", "source": "notes | on optimizers"},
            "base": {"data": {"name": "mnist1d"}},
            "arms": {"optimizer.name": ["sgd", "adam"]},
            "tune": {"optimizer.lr": {"log_range": [1e-5, 1.0]}, "select": {"steps_to": "val/accuracy"}},
            "hypotheses": [
                {
                    "primary": True,
                    "kind": "faster",
                    "a": "adam",
                    "b": "sgd",
                    "outcome": {"steps_to": "val/accuracy"},
                    "delta": 1.25,
                },
                {"kind": "best_of", "outcome": "test/accuracy", "delta": "5%"},
            ],
        }
    )
    arms = [
        Arm(
            label=name,
            levels={"optimizer.name": name},
            values={"optimizer.name": name},
            config=config(name),
            tuned=[Dimension(path="optimizer.lr", low=1e-5, high=1.0, log=True)],
            n_parameters=15210,
        )
        for name in ("sgd", "adam")
    ]
    facts = DataFacts(scope="fresh", n_train=4000, n_val=500, n_test=500, n_classes=10)
    return Design(
        name="optimizers",
        study=study,
        arms=arms,
        data={a.label: facts for a in arms},
        points=9,
        steps={a.label: 200 for a in arms},
    )


def choice(arm: str = "adam") -> Choice:
    point = PointResult(index=0, params={"optimizer.lr": 1e-3}, values=[100.0, 120.0], score=110.0)
    return Choice(
        arm=arm, outcome="steps_to val/accuracy", direction="lower", points=[point], chosen=0, reason="best"
    )
