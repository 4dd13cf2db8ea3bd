"""Backpropagation by hand: two inputs, two sigmoid hidden units, two sigmoid outputs, one step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.training.run import start
from harness.training.train import advance
from tests.training.examples import splits_for, stack_of, trial_of

START = {
    "hidden.0.linear.weight": [[0.3, 0.25], [0.4, 0.35]],  # w1 w2, w3 w4
    "output.weight": [[0.45, 0.4], [0.7, 0.6]],  # w5 w6, w7 w8
}
# The notes print 0.38685305 for w6, a misprint: their own gradient gives 0.38685205.
AFTER = {
    "hidden.0.linear.weight": [[0.29959556, 0.24919112], [0.39964496, 0.34928991]],
    "output.weight": [[0.43703857, 0.38685205], [0.69629578, 0.59624247]],
}
TRIAL = {
    "data": {"name": "worked_example"},
    "model": {"widths": [2], "activation": "sigmoid", "output_activation": "sigmoid", "bias": False},
    "optimizer": {"name": "sgd", "lr": 0.5},
    "train": {"batch_size": 1, "steps": 1, "loss": "half_squared_error", "dtype": "float64"},
}
DIGIT = 1e-8  # the last one printed, which the notes cut rather than round


def test_one_step_gives_the_weights_and_errors_of_the_notes(tmp_path: Path) -> None:
    trial = trial_of(**TRIAL)
    with torch.no_grad():
        run = start(stack_of([trial]), [splits_for(trial, tmp_path)], torch.device("cpu"))
        layout = run.program.layout
        given = {name: torch.tensor(w, dtype=torch.float64) for name, w in START.items()}
        run.params = layout.flatten(given).unsqueeze(0)
        outputs = run.program.outputs(run.params, run.buffers, torch.tensor([[[0.1, 0.2]]]).double())
        advance(run, 1, [0, 1], lambda share: None)
    assert outputs[0, 0].tolist() == pytest.approx([0.60944600, 0.66384491], abs=DIGIT)
    errors = run.curves()["train/loss"][:, 0].tolist()
    assert errors == pytest.approx([0.02397190, 0.02323634], abs=DIGIT)
    for name, weight in layout.unflatten(run.params[0]).items():
        torch.testing.assert_close(weight, torch.tensor(AFTER[name], dtype=torch.float64), rtol=0, atol=DIGIT)
