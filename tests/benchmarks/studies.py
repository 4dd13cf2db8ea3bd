"""The studies that comparisons take their trials from, as the content of their files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.planning.design import make_design
from harness.words.design import Design
from harness.words.study_file import load_study

MakeStudy = Callable[[Path], dict[str, Any]]  # from a folder that data may be written to

TEACHER_SEED, TEACHER_ROWS = 5, 500
SHORT_STEPS = 20  # too few to time several sizes of stacks within a small share of the run


def digits(folder: Path) -> dict[str, Any]:
    """Digits, 64-64-10: four optimizers that scikit-learn has too."""
    del folder
    return {
        "title": "Digits, 64-64-10",
        "base": {
            "data": {"name": "digits"},
            "model": {"name": "mlp", "widths": [64], "activation": "relu", "init": "he_normal"},
            "train": {"batch_size": 64, "epochs": 30},
        },
        "arms": {"optimizer.name": ["sgd", "momentum", "nag", "adam"]},
        "tune": {"optimizer.lr": "own_range", "points": 9, "seeds": 2},
        "judge": {"replicates": 30},
    }


def mnist(folder: Path) -> dict[str, Any]:
    """MNIST, 784-256-10, batches of 256."""
    del folder
    return {
        "title": "MNIST, 784-256-10",
        "base": {
            "data": {"name": "mnist", "n_train": 10_000, "n_val": 2_000},
            "model": {"name": "mlp", "widths": [256], "activation": "relu", "init": "he_normal"},
            "train": {"batch_size": 256, "epochs": 2},
        },
        "arms": {"optimizer.name": ["momentum", "adam"]},
        "tune": {"optimizer.lr": {"log_range": [1e-3, 3e-2]}, "points": 2, "seeds": 1},
        "judge": {"replicates": 8},
    }


def workers(folder: Path) -> dict[str, Any]:
    """MNIST-1D, 40-100-100-10: stacks enough to keep two workers busy to the end."""
    del folder
    return {
        "title": "MNIST-1D, 40-100-100-10",
        "base": {
            "data": {"name": "mnist1d"},
            "model": {"name": "mlp", "widths": [100, 100], "activation": "relu", "init": "he_normal"},
            "train": {"batch_size": 100, "epochs": 10},
        },
        "arms": {"optimizer.name": ["sgd", "momentum", "rmsprop", "adam"]},
        "tune": {"optimizer.lr": "own_range", "points": 9, "seeds": 2},
        "judge": {"replicates": 14},
    }


def cnn(folder: Path) -> dict[str, Any]:
    """The 1-D CNN that MNIST-1D was published with."""
    del folder
    model = {"name": "cnn1d", "channels": [25, 25, 25], "kernels": [5, 3, 3], "stride": 2}
    return _small_list("MNIST-1D, a 1-D CNN", {**model, "activation": "relu", "init": "he_normal"}, 2)


def lstm(folder: Path) -> dict[str, Any]:
    """An LSTM of 32 units that reads MNIST-1D as 40 steps of one number."""
    del folder
    model = {"name": "rnn", "cell": "lstm", "hidden": 32, "init": "xavier_uniform"}
    return _small_list("MNIST-1D, an LSTM", model, 1)


def lasting(make: MakeStudy, **length: int) -> MakeStudy:
    """A study with runs of another length: `steps=20`, `epochs=5`."""

    def made(folder: Path) -> dict[str, Any]:
        tree = make(folder)
        del tree["base"]["train"]["epochs"]
        tree["base"]["train"].update(length)
        return tree

    return made


def _small_list(title: str, model: dict[str, Any], epochs: int) -> dict[str, Any]:
    """Two optimizers, 2 tuning trials and 16 judged ones each: stacks as large as a judged arm's."""
    return {
        "title": title,
        "base": {
            "data": {"name": "mnist1d"},
            "model": model,
            "train": {"batch_size": 100, "epochs": epochs},
        },
        "arms": {"optimizer.name": ["momentum", "adam"]},
        "tune": {"optimizer.lr": {"log_range": [1e-3, 3e-2]}, "points": 2, "seeds": 1},
        "judge": {"replicates": 16},
    }


def teacher(folder: Path) -> dict[str, Any]:
    """A regression of 4-8-4-1 on a noisy teacher's 500 rows, read from a table as a user's are."""
    path = folder / "teacher.csv"
    write_teacher(path)
    return {
        "title": "Teacher, 4-8-4-1",
        "base": {
            "data": {"file": str(path), "target": "y"},
            "model": {"name": "mlp", "widths": [8, 4], "activation": "tanh", "init": "xavier_normal"},
            "train": {"batch_size": 20, "epochs": 50, "loss": "mse"},
        },
        "arms": {"optimizer.name": ["sgd", "momentum", "adam"]},
        "tune": {"optimizer.lr": {"log_range": [1e-4, 1e-1]}, "points": 9, "seeds": 2},
        "judge": {"replicates": 46},
    }


def write_teacher(path: Path) -> None:
    """y = tanh of a random 4-8-1 network of four Gaussians, plus noise."""
    rng = np.random.RandomState(TEACHER_SEED)
    x = rng.standard_normal((TEACHER_ROWS, 4))
    hidden = np.tanh(x @ rng.standard_normal((4, 8)))
    y = hidden @ rng.standard_normal(8) / 8**0.5 + 0.1 * rng.standard_normal(TEACHER_ROWS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["x1", "x2", "x3", "x4", "y"])
        writer.writerows([f"{v:.6f}" for v in row] for row in np.column_stack([x, y]))


def write_study(path: Path, tree: dict[str, Any]) -> Path:
    """The study as a file: JSON is YAML 1.2."""
    path.write_text(json.dumps(tree, indent=2), encoding="utf-8")
    return path


def design_of(path: Path) -> Design:
    """The design of a study's file."""
    return make_design(load_study(path))
