"""Metrics at the end are those of whole splits, and of no example computed twice by the same weights."""

import pytest
import torch

from harness.catalogue.metrics import measured
from harness.training import finish as finish_module
from harness.training.evaluate import statistics, values
from harness.training.run import plan_steps, start
from harness.training.train import advance, one_thread
from tests.training.examples import splits_for, stack_of, trial_of

VALUED = {"data": {"name": "heteroscedastic", "n_train": 300, "n_val": 90, "n_test": 130}}
# Training examples or the rest of them, validation, test: how many are evaluated after the last step.
CASES = {
    "classes": ({}, [210, 130]),
    "tuned": ({"phase": "tune"}, [210]),
    "more validation than training": ({"data__n_val": 400}, [130]),
    "no validation": ({"data__n_val": 0}, [130]),
    "values": ({**VALUED, "train__loss": "mse"}, [300, 130]),  # a calibration by tenths has no parts
    "densities": ({**VALUED, "train__loss": "gaussian_nll"}, [300, 130]),
    "weights kept": ({"train__patience": 100}, [300, 90, 130]),
    "no step": ({"train__steps": 0}, [210, 130]),
}


@pytest.mark.parametrize("case", CASES)
def test_final_metrics_are_of_whole_splits(case, cache_dir, monkeypatch):
    paths, evaluated = CASES[case]
    paths = {"train__dtype": "float64", **paths}  # in float32 sums by other chunks differ by 1e-9
    trials = [trial_of(i % 2, optimizer__lr=0.02 / (i + 1), **paths) for i in range(3)]
    asked, real = [], finish_module.statistics

    def counted(program, state, data, split, *rest):
        asked.append(len(split))
        return real(program, state, data, split, *rest)

    monkeypatch.setattr(finish_module, "statistics", counted)
    with one_thread(), torch.no_grad():
        run = start(stack_of(trials), [splits_for(t, cache_dir) for t in trials], torch.device("cpu"))
        total, evaluations = plan_steps(run.stack.config, len(run.data.splits["train"]))
        advance(run, total, evaluations, lambda share: None)
        records = list(finish_module.finish(run, evaluations, 0.0))
        weights, data, _ = finish_module.final_weights(run)
        metrics = measured(run.stack.config["train"]["loss"], run.data.n_classes, at_end=True)
        known = {split for split in ("train", "val", "test") if f"{split}/loss" in records[0].final}
        whole = {
            name: statistics(run.program, weights, data, run.data.splits[name], metrics) for name in known
        }
    assert asked == evaluated
    assert known == {"train", "val", "test"} - ({"test"} if case == "tuned" else set()) - (
        {"val"} if case == "no validation" else set()
    )
    for i, record in enumerate(records):
        wanted = {name: float(value[i]) for name, value in values(metrics, whole).items()}
        assert record.final == pytest.approx(wanted, rel=1e-12, abs=1e-12)
