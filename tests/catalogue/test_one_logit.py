"""One logit for two classes: trained, measured and predicted as the two logits (0, z) would be."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from harness.catalogue.losses import two_logits
from harness.catalogue.resolve import ConfigError, build_network, data_facts, n_parameters, resolve
from harness.training.layout import layout_of
from harness.training.start import initial_params
from harness.training.train import train
from harness.words.config import RunConfig
from tests.training.examples import config_of, splits_for, stack_of, train_together, trial_of

TEACHER = {"name": "teacher", "task": "classification", "n_train": 300, "n_val": 90, "n_test": 130}
OWN = """
from torch import nn


class Tower(nn.Module):
    def __init__(self, n_inputs: int, n_outputs: int, width: int = 8):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_inputs, width), nn.Tanh(), nn.Linear(width, n_outputs))

    def forward(self, x):
        return self.net(x)


class TwoOutputs(nn.Module):
    def __init__(self, n_inputs: int):
        super().__init__()
        self.net = nn.Linear(n_inputs, 2)

    def forward(self, x):
        return self.net(x)
"""


def one_logit(replicate=0, **paths):
    return trial_of(replicate, **{"data": TEACHER, "train__loss": "binary_cross_entropy", **paths})


def parameters(**paths):
    config = RunConfig.model_validate(config_of(train__loss="binary_cross_entropy", **paths))
    return n_parameters(config, data_facts(config))


@pytest.mark.parametrize(("widths", "expected"), [([], 3), ([4], 17)])
def test_parameters_of_a_gates_nets(widths, expected):
    assert parameters(data={"name": "gates"}, model={"name": "mlp", "widths": widths}) == expected


@pytest.mark.parametrize("network", ["mlp", "cnn1d", "rnn", "attention"])
def test_every_network_gives_two_logits_of_one(network):
    tree = {"data": {"name": "gates"}, "model": {"name": network}, "train": {"steps": 1}}
    config = resolve({**tree, "train": {"steps": 1, "loss": "binary_cross_entropy"}})
    module = build_network(config, (12,), 2)
    assert list(module.parameters())[-1].shape == (1,)
    outputs = module(torch.randn(5, 12, generator=torch.Generator().manual_seed(0)))
    assert outputs.shape == (5, 2)
    assert not outputs[:, 0].any()
    assert outputs[:, 1].all()


def test_more_than_two_classes_are_refused():
    wanted = "binary_cross_entropy is for targets that are two classes; these are 10 classes; allowed: cross_"
    with pytest.raises(ConfigError, match=rf"^train\.loss: {wanted}"):
        parameters()  # of mnist1d


def test_training_is_torchs(cache_dir):
    """Steps of a plain module of one output under torch's loss, in float64."""
    trial = one_logit(train__dtype="float64", train__steps=20, train__batch_size="full")
    (record,) = train_together([trial], cache_dir)
    splits = splits_for(trial, cache_dir)
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 13),
        torch.nn.ReLU(),
        torch.nn.Linear(13, 9),
        torch.nn.ReLU(),
        torch.nn.Linear(9, 1),
    ).double()
    start_from(module, trial)
    x, y = torch.tensor(splits.x_train).double(), torch.tensor(splits.y_train).double()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(module(x)[:, 0], y).backward()
        optimizer.step()
    with torch.no_grad():
        p = torch.sigmoid(module(torch.tensor(splits.x_test).double())[:, 0]).numpy()
        loss = F.binary_cross_entropy_with_logits(module(x)[:, 0], y)
    y_test = splits.y_test
    expected = {
        "test/accuracy": accuracy_score(y_test, p > 0.5),
        "test/error": 1 - accuracy_score(y_test, p > 0.5),
        "test/nll": log_loss(y_test, p),
        "test/loss": log_loss(y_test, p),
        "test/brier": 2 * brier_score_loss(y_test, p),  # ours is summed over both classes
        "train/loss": float(loss),
    }
    assert {name: record.final[name] for name in expected} == pytest.approx(expected, rel=1e-12)


def start_from(module, trial):
    """The trial's own initial weights."""
    ours = build_network(RunConfig.model_validate(trial.config), (4,), 2).double()
    flat = initial_params(trial, ours)
    names = [name for name, _ in ours.named_parameters()]
    weights = layout_of(ours).unflatten(flat)
    for parameter, name in zip(module.parameters(), names, strict=True):
        parameter.data.copy_(weights[name])


KINDS = {
    "plain": {},
    "batch norm": {"model__normalisation": "batch_norm"},
    "dropout": {"model__dropout": 0.3},
    "smoothed": {"train__label_smoothing": 0.1},
    "no hidden layer": {"model": {"name": "mlp", "widths": []}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_alone_and_in_stacks(kind, cache_dir):
    """Every curve, final metric and prediction, bit for bit, long enough for a prepared step."""
    rates = [0.05 * 2.0 ** -(i % 5) for i in range(7)]
    trials = [one_logit(i % 3, optimizer__lr=rate, **KINDS[kind]) for i, rate in enumerate(rates)]
    together, said = trained(trials, cache_dir)
    for i in (0, 3, 6):
        (alone,), own = trained(trials[i : i + 1], cache_dir)
        assert (alone.curves, alone.final) == (together[i].curves, together[i].final)
        for split, predicted in own[trials[i].id].items():
            np.testing.assert_array_equal(predicted.log_p, said[trials[i].id][split].log_p)


def trained(trials, cache_dir):
    """Records, and trial id -> predictions, of the trials as one stack."""
    said = {}
    splits = [splits_for(t, cache_dir) for t in trials]
    return list(train(stack_of(trials), splits, leave=said.__setitem__)), said


def test_predictions_are_probabilities_of_both_classes(cache_dir):
    """What ensembles are made of: they agree with the metrics of the same net."""
    trial = one_logit()
    (record,), said = trained([trial], cache_dir)
    log_p, labels = said[trial.id]["test"]
    assert log_p.shape == (130, 2)
    np.testing.assert_allclose(np.exp(log_p).sum(1), 1, rtol=1e-6)
    assert np.mean(log_p.argmax(1) == labels) == record.final["test/accuracy"] > 0.6
    assert -np.mean(log_p[np.arange(130), labels]) == pytest.approx(record.final["test/nll"], rel=1e-6)


def test_two_logits_keep_the_leading_dimensions():
    z = torch.randn(3, 5, 1)
    assert torch.equal(two_logits(z), torch.stack([torch.zeros(3, 5), z[..., 0]], -1))


def test_an_own_network_is_asked_for_one_output(tmp_path, cache_dir):
    (tmp_path / "nets.py").write_text(OWN)
    model = {"class": f"{tmp_path}/nets.py:Tower"}
    assert parameters(data=TEACHER, model=model) == 4 * 8 + 8 + 8 + 1
    trials = [one_logit(r, model=model) for r in (0, 1, 2)]
    together = train_together(trials, cache_dir)
    assert all(r.final["test/accuracy"] > 0.6 for r in together)
    (alone,) = train_together([trials[1]], cache_dir)
    assert alone.final == together[1].final
    with pytest.raises(ConfigError, match=r"gives \(2, 2\) .*; allowed: \(2, 1\)"):
        parameters(data=TEACHER, model={"class": f"{tmp_path}/nets.py:TwoOutputs"})
