"""The table of cases. One comparison: a study in `studies.py` and one line here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import studies
from tests.benchmarks.comparison import Comparison, Pair, compare
from tests.benchmarks.engine import engine
from tests.benchmarks.gpu import gpu
from tests.benchmarks.scaling import mirror, overhead, tenfold
from tests.benchmarks.session import Result, Session, Skipped
from tests.benchmarks.startup import startup

Run = Callable[[Session], Result]
LSTM_EPOCHS = 5
ONE, TWO, ALONE = "harness, 1 worker", "harness, 2 workers", "harness, 1 worker, no stacks"


class Case(NamedTuple):
    """What a case measures, and how."""

    description: str
    run: Run


def _pairs(*given: tuple[str, str, float | None]) -> tuple[Pair, ...]:
    return tuple(Pair(*pair) for pair in given)


# Not even where the harness has one process as the peer has.
NEVER_SLOWER = _pairs(
    ("loader", TWO, None),
    ("tensors", TWO, 1.0),
    ("n_jobs=2", TWO, None),
    ("loader", ONE, None),
    ("tensors", ONE, 1.0),
)

COMPARISONS: tuple[tuple[str, Comparison], ...] = (
    (
        "studies/optimizers.yaml on MNIST-1D 40-100-100-10, everything included",
        Comparison(
            "optimizers",
            Path("studies/optimizers.yaml"),
            _pairs(
                ("loader", "harness", 8.0),
                ("loader+mlflow", "harness+mlflow", 8.0),
                ("tensors", "harness", None),
                ("loader, torch's threads", "harness", None),
                ("tensors, torch's threads", "harness", None),
                ("n_jobs=2", "harness", None),
                ("ray", "harness", None),
            ),
        ),
    ),
    (
        "digits, 64-64-10, 192 trials: training and records, processes warm",
        Comparison(
            "digits",
            studies.digits,
            _pairs(
                ("loader", TWO, 15.0),
                ("loader+mlflow", TWO, None),
                ("tensors", TWO, None),
                ("n_jobs=2", TWO, None),
                ("sklearn", TWO, None),
                ("ray", TWO, None),
                ("loader", ONE, None),
                ("tensors", ONE, None),
            ),
        ),
    ),
    (
        "MNIST, 784-256-10, batch 256, 20 trials: training and records, processes warm",
        Comparison(
            "mnist",
            studies.mnist,
            _pairs(
                ("loader", TWO, 1.5),
                ("tensors", TWO, 1.0),
                ("loader, torch's threads", TWO, None),
                ("tensors, torch's threads", TWO, None),
                ("n_jobs=2", TWO, None),
            ),
        ),
    ),
    (
        "a regression by 4-8-4-1, 192 trials: training and records, processes warm",
        Comparison(
            "teacher",
            studies.teacher,
            _pairs(("loader", TWO, 40.0), ("tensors", TWO, None), ("loader", ONE, None)),
        ),
    ),
    (
        "a 1-D CNN on MNIST-1D, 36 trials: training and records, processes warm",
        Comparison("cnn", studies.cnn, NEVER_SLOWER, turns=2),
    ),
    (
        "an LSTM on MNIST-1D, 40 steps of one number, 36 trials: training and records, processes warm",
        Comparison("lstm", studies.lstm, NEVER_SLOWER, turns=2),
    ),
    (
        f"the same LSTM for {LSTM_EPOCHS} epochs: of one, evaluations take almost half the time",
        Comparison("lstm longer", studies.lasting(studies.lstm, epochs=LSTM_EPOCHS), NEVER_SLOWER, turns=2),
    ),
    (
        "two workers against one on the same 128 trials of MNIST-1D 40-100-100-10",
        Comparison("workers", studies.workers, _pairs((ONE, TWO, 1.8)), turns=3),
    ),
)

SHORT: dict[str, studies.MakeStudy] = {
    "digits": studies.digits,
    "mnist": studies.mnist,
    "mnist1d": studies.workers,
    "teacher": studies.teacher,
    "cnn": studies.cnn,
    "lstm": studies.lstm,
}


def short(session: Session) -> Result:
    """Stacks of runs too short to time several sizes, against the same trials alone."""
    result = Result()
    for name, make in SHORT.items():
        pairs = _pairs((ALONE, ONE, 1.0))
        try:
            shorter = studies.lasting(make, steps=studies.SHORT_STEPS)
            result.add(compare(Comparison(f"short {name}", shorter, pairs), session))
        except Skipped as reason:
            result.notes.append(f"short {name}: left out, {reason}")
    return result


CASES: dict[str, Case] = {
    **{c.name: Case(description, partial(compare, c)) for description, c in COMPARISONS},
    "short": Case(f"runs of {studies.SHORT_STEPS} steps: stacks against one trial at a time", short),
    "engine": Case("a stacked step against torch.bmm at the same shapes, one thread", engine),
    "overhead": Case("what a 1,000-trial study takes beside training, MLflow mirror included", overhead),
    "tenfold": Case("ten times the trials: time and memory", tenfold),
    "mirror": Case("the MLflow mirror of a finished study, ms a trial", mirror),
    "startup": Case("seconds of harness --help and harness list", startup),
    "gpu": Case("a stack of 1,024 nets against one at a time on a GPU; optimizers on MNIST there", gpu),
}
