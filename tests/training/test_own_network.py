"""A user's own network: found, checked, its draws the trial's own, one at a time where vmap refuses."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.catalogue.resolve import ConfigError, data_facts, n_parameters, resolve
from harness.errors import BadInput, StudyError
from harness.planning.design import make_design
from harness.planning.trials import judge_trials
from harness.training.run import start
from harness.training.stack import stack_key
from harness.training.start import build_module, initial_state
from harness.training.train import one_thread
from harness.words.config import RunConfig
from harness.words.record import Status
from harness.words.study_file import load_study
from harness.words.trial import Trial
from tests.training.examples import BASE, splits_for, stack_of, train_together

NETS = '''
import torch
from torch import nn
from torch.nn import functional as F


class Tower(nn.Module):
    """Linear, batch norm, one dropout at two places: swapped for the trial's own."""

    def __init__(self, n_inputs: int, n_outputs: int, width: int = 12, dropout: float = 0.2, scale=1):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_inputs, width), nn.BatchNorm1d(width), nn.ReLU())
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(width, n_outputs)

    def forward(self, x):
        return self.out(self.drop(self.net(self.drop(x.flatten(1)))))


class Conv(nn.Module):
    """torch's convolutions, channel dropout and a lazy layer."""

    def __init__(self, n_classes: int):
        super().__init__()
        first = [nn.Conv1d(1, 6, 5, 2), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout1d(0.2)]
        self.net = nn.Sequential(*first, nn.Conv1d(6, 5, 3, 2), nn.Flatten(), nn.LazyLinear(n_classes))

    def forward(self, x):
        return self.net(x.unsqueeze(1))


class Attention(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.embed, self.out = nn.Linear(1, 8), nn.Linear(8, n_outputs)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.table = nn.Embedding(40, 8)

    def forward(self, x):
        h = self.embed(x.unsqueeze(-1)) + self.table(torch.arange(40, device=x.device))
        return self.out(self.attention(h, h, h, need_weights=False)[0].mean(1))


class Lstm(nn.Module):
    def __init__(self, n_outputs: int, hidden: int):
        super().__init__()
        self.lstm, self.out = nn.LSTM(5, hidden, batch_first=True), nn.Linear(hidden, n_outputs)
        self.drop, self.norm = nn.Dropout(0.3), nn.BatchNorm1d(hidden)

    def forward(self, x):
        h = self.lstm(self.drop(x).view(-1, 8, 5))[0][:, -1]
        return self.out(self.drop(self.norm(h)))


class Flow(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.out = nn.Linear(40, n_outputs)

    def forward(self, x):
        h = self.out(x)
        return h * 2 if h.mean() > 0 else h


class Frozen(nn.Module):
    def __init__(self, n_inputs: int, n_outputs: int):
        super().__init__()
        self.random, self.out = nn.Linear(n_inputs, 20), nn.Linear(20, n_outputs)
        self.random.requires_grad_(False)

    def forward(self, x):
        return self.out(torch.relu(self.random(x)))


class Noisy(Flow):
    def forward(self, x):
        return self.out(x + torch.randn_like(x))


class Functional(Flow):
    def forward(self, x):
        return self.out(F.dropout(x, 0.1, self.training))


class Replacing(Flow):
    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen = self.seen + 1
        return self.out(x)


class Flat(Flow):
    def forward(self, x):
        return self.out(x).sum(1)


class Wrong(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.layer = nn.Linear(width, 3)

    def forward(self, x):
        return self.layer(x)


class Raises(nn.Module):
    def __init__(self, width: int = 3):
        raise ValueError("no width is good")


class Reserved(nn.Module):
    def __init__(self, source: str = "x"):
        super().__init__()


class Listed(nn.Module):
    def __init__(self, n_outputs: int, widths: list[int], bias: bool = True, rate: float | None = None):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(40, widths[0]), nn.Linear(widths[0], n_outputs, bias=bias))

    def forward(self, x):
        return self.net(x)


class Masked(Flow):
    """Writes through views into what is read afterwards."""

    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.lin, self.narrow = nn.Linear(40, 40, bias=False), nn.Linear(40, 6)
        self.wide = nn.Linear(6, 40)

    def forward(self, x):
        v, n = self.lin(x), self.narrow(x)
        v[:, :8] = 0.0
        n.view(-1).relu_()
        w = x * 1.0
        w.relu_()
        return self.out(x + v + self.wide(n) + w)


class Half(Flow):
    """Changes a part of a value by what that part was."""

    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.lin = nn.Linear(40, 40)

    def forward(self, x):
        v = self.lin(x)
        v[:, 16:] = v[:, 16:] * 0.5
        return self.out(v)


class Shifted(Flow):
    def forward(self, x):
        x -= 1.0
        return self.out(x)


class Padded(Flow):
    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.table = nn.Embedding(9, 40, padding_idx=4)

    def forward(self, x):
        return self.out(self.table((x * 2).round().long().clamp(-4, 4) + 4).mean(1))


class Spare(Flow):
    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.unused = nn.Linear(3, 4)


class Still(nn.Module):
    def forward(self, x):
        return x[:, :10]


NOT_A_NETWORK = 3
'''
OWN = {  # what trains, and the largest relative difference between alone and stacked
    "Tower": ({}, 0.0),
    "Frozen": ({}, 0.0),
    "Lstm": ({"hidden": 6}, 0.0),
    "Flow": ({}, 0.0),
    # torch's convolution becomes a grouped one under vmap, and its attention another kernel
    "Conv": ({}, 2e-7),
    "Attention": ({}, 2e-7),
    "Masked": ({}, 0.0),
    "Half": ({}, 0.0),
    "Shifted": ({}, 0.0),
    "Padded": ({}, 0.0),
    "Spare": ({}, 0.0),
}
FALLS_BACK = ("Lstm", "Flow", "Shifted", "Padded", "Spare")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A working directory with the networks in it."""
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS)
    return tmp_path


def config_of(name, **options):
    return resolve({**BASE, "model": {"class": f"nets.py:{name}", **options}})


def size_of(config: RunConfig) -> int:
    return n_parameters(config, data_facts(config))


def trials_of(name, m, steps=12, n_train=300, **options):
    config = config_of(name, **options).tree()
    config["data"] = {**config["data"], "n_train": n_train}
    config["train"] = {**config["train"], "steps": steps, "evaluations": 2}
    return [
        Trial(
            study="own",
            phase="judge",
            replicate=i % 6,
            config={**config, "optimizer": {**config["optimizer"], "lr": 0.05 * 2.0 ** -(i % 5)}},
        )
        for i in range(m)
    ]


def close(a, b, tolerance):
    return all(
        abs(x - y) <= tolerance * abs(x)
        for n in a.curves
        for x, y in zip(a.curves[n], b.curves[n], strict=True)
    )


@pytest.mark.parametrize("name", OWN)
def test_alone_and_in_stacks(name, cache_dir):
    options, tolerance = OWN[name]
    trials = trials_of(name, 64, steps=3, n_train=60, **options)  # two batches of 30 an epoch
    alone = [train_together([trial], cache_dir)[0] for trial in trials[:2]]
    assert alone[0].status is Status.DONE
    assert alone[0].curves["train/loss"][-1] != alone[0].curves["train/loss"][0]
    assert alone[0].curves != alone[1].curves
    for m in (2, 7, 64):
        for own, stacked in zip(alone, train_together(trials[:m], cache_dir), strict=False):
            assert close(own, stacked, tolerance)
            assert own.provenance.fallback == stacked.provenance.fallback


@pytest.mark.parametrize("name", OWN)
def test_what_vmap_refuses_says_so(name, cache_dir):
    (record,) = train_together(trials_of(name, 1, steps=2, **OWN[name][0]), cache_dir)
    if name not in FALLS_BACK:
        assert record.provenance.fallback is None
        return
    assert record.provenance.fallback.startswith("trained one at a time, ")
    assert "\n" not in record.provenance.fallback


def test_a_stack_is_the_plain_module(cache_dir):
    """The stacked program of a swapped module against the user's class itself, called plainly."""
    trial = trials_of("Tower", 1, dropout=0.0)[0]
    splits = splits_for(trial, cache_dir)
    with torch.no_grad():
        run = start(stack_of([trial]), [splits], torch.device("cpu"))
        x = torch.from_numpy(splits.x_train[:20].copy())
        stacked = run.program.outputs(run.params, run.buffers, x.unsqueeze(0))[0]
    scope: dict = {}
    exec(NETS, scope)
    plain = scope["Tower"](n_inputs=40, n_outputs=10, dropout=0.0).eval()
    weights = run.program.layout.unflatten(run.params[0])
    plain.load_state_dict(weights, strict=False)
    torch.testing.assert_close(stacked, plain(x))


@pytest.mark.parametrize("name", ["Masked", "Half", "Shifted", "Padded", "Spare"])
def test_a_stack_computes_what_the_users_class_does(name, cache_dir):
    """Outputs and gradients of three members against the class itself; the data stay as they are."""
    trials = trials_of(name, 3)
    splits = [splits_for(t, cache_dir) for t in trials]
    scope: dict = {}
    exec(NETS, scope)
    with one_thread(), torch.no_grad():
        run = start(stack_of(trials), splits, torch.device("cpu"))
        before = run.data.rows[0].clone()
        x, y = next(run.data.batches(torch.arange(30).expand(1, 3, 30)))
        outputs = run.program.outputs(run.params, run.buffers, x)
        grads = torch.cat(run.bound.gradient(run.buffers, x, y)[0], 1)
        assert torch.equal(run.data.rows[0], before)
    for i, flat in enumerate(run.params):
        plain = scope[name](n_outputs=10)
        plain.load_state_dict(run.program.layout.unflatten(flat))
        given = torch.from_numpy(splits[i].x_train[:30].copy())
        torch.testing.assert_close(outputs[i], plain(given.clone()))
        torch.nn.functional.cross_entropy(plain(given.clone()), y[i]).backward()
        own = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in plain.named_parameters()}
        torch.testing.assert_close(grads[i], run.program.layout.flatten(own))


def test_a_network_without_parameters_is_refused():
    with pytest.raises(ConfigError, match="Still has no parameter to train"):
        n_parameters(config_of("Still"), data_facts(config_of("Still")))


def test_weights_are_the_constructors_own_and_each_trials(cache_dir):
    trials = trials_of("Frozen", 7)
    splits = [splits_for(t, cache_dir) for t in trials]
    state = torch.random.get_rng_state(), random.getstate(), str(np.random.get_state())
    run = start(stack_of(trials), splits, torch.device("cpu"))
    assert torch.equal(state[0], torch.random.get_rng_state())
    assert state[1:] == (random.getstate(), str(np.random.get_state()))
    assert torch.equal(run.params[0], run.params[6])  # replicate 0 twice: paired
    assert not torch.equal(run.params[0], run.params[1])
    assert not torch.equal(run.buffers["random.weight"][0], run.buffers["random.weight"][1])
    module = build_module(trials[3].config, (40,), 10)
    params, buffers = initial_state(trials[3], module, (40,), 10)
    assert torch.equal(params, run.params[3])
    assert torch.equal(buffers["random.bias"], run.buffers["random.bias"][3])
    bound = 40**-0.5  # torch's own Linear, not one of ours
    assert 0.9 * bound < run.buffers["random.weight"].abs().max() <= bound


def test_frozen_parameters_stay(cache_dir):
    config = config_of("Frozen")
    assert size_of(config) == 20 * 10 + 10
    (record,) = train_together(trials_of("Frozen", 1), cache_dir)
    assert record.n_parameters == 210


def test_dropout_of_a_users_module_is_per_trial(cache_dir):
    """The rate is the module's, the draws the trial's: the same trial again is the same."""
    first, again = (train_together(trials_of("Tower", 1), cache_dir)[0] for _ in range(2))
    (other,) = train_together(trials_of("Tower", 1, dropout=0.6), cache_dir)
    assert first.curves == again.curves
    assert first.curves["train/loss"][-1] != other.curves["train/loss"][-1]


def test_the_config_is_explicit():
    config = config_of("Tower", width=5)
    assert config.model.options == {
        "width": 5,
        "dropout": 0.2,
        "scale": 1,
        "source": config.model.options["source"],
    }
    assert len(config.model.options["source"]) == 64
    assert resolve(config.tree()) == config
    assert size_of(config) == 40 * 5 + 5 + 10 + 5 * 10 + 10


def test_editing_the_file_makes_other_trials():
    before = trials_of("Tower", 1)[0]
    Path("nets.py").write_text(NETS + "\n# another thought\n")
    after = trials_of("Tower", 1)[0]
    assert before.id != after.id
    with pytest.raises(ConfigError, match="has changed since this trial was planned"):
        build_module(before.config, (40,), 10)
    with pytest.raises(ConfigError, match="plan the study again"):
        resolve(before.config)


def test_keywords_make_the_stacks_key():
    keys = {stack_key(config_of("Tower", width=w, dropout=d).tree()) for w in (5, 6) for d in (0.1, 0.2)}
    assert len(keys) == 4


def test_a_class_of_a_package(project, cache_dir):
    Path("my_nets").mkdir()
    Path("my_nets/__init__.py").write_text("")
    Path("my_nets/towers.py").write_text(NETS)
    config = resolve({**BASE, "model": {"class": "my_nets.towers:Tower", "width": 5}})
    assert size_of(config) == size_of(config_of("Tower", width=5))


REFUSED = {
    "no colon": ({"class": "nets.py"}, "found 'nets.py'; allowed: package.module:Class, or file.py:Class"),
    "no file": ({"class": "nest.py:Tower"}, "no file nest.py"),
    "no module": (
        {"class": "no_such_module.nets:Tower"},
        "importing no_such_module.nets raised ModuleNotFound",
    ),
    "no class": ({"class": "nets.py:Tovver"}, "unknown network class 'Tovver'. Did you mean 'Tower'"),
    "no network": ({"class": "nets.py:NOT_A_NETWORK"}, "is a int, not a class derived from torch.nn.Module"),
    "unknown keyword": (
        {"class": "nets.py:Tower", "widht": 3},
        "unknown argument of Tower 'widht'. Did you mean 'width'",
    ),
    "missing keyword": ({"class": "nets.py:Lstm"}, "model.hidden: missing; Lstm needs hidden"),
    "from the data": ({"class": "nets.py:Tower", "n_inputs": 3}, "filled from the data"),
    "text for a number": ({"class": "nets.py:Tower", "width": "64"}, "found '64'; allowed: a whole number"),
    "a fraction": ({"class": "nets.py:Tower", "width": 6.5}, "found 6.5; allowed: a whole number"),
    "true for a number": ({"class": "nets.py:Tower", "dropout": True}, "found True; allowed: a number"),
    "a number for a list": ({"class": "nets.py:Listed", "widths": 4}, "found 4; allowed: a list"),
    "nothing": ({"class": "nets.py:Tower", "width": None}, "leave the argument out"),
    "reserved": ({"class": "nets.py:Reserved"}, "has an argument 'source'"),
    "name and class": ({"class": "nets.py:Tower", "name": "mlp"}, "not both"),
    "constructor raises": (
        {"class": "nets.py:Raises"},
        r"Raises\(width=3\) raised ValueError: no width is good",
    ),
    "forward raises": (
        {"class": "nets.py:Wrong", "width": 7},
        r"on inputs \(2, 40\) raised RuntimeError: mat1 and mat2",
    ),
    "output shape": ({"class": "nets.py:Flat"}, r"gives \(2,\) for inputs \(2, 40\); allowed: \(2, 10\)"),
    "rand": ({"class": "nets.py:Noisy"}, "draws from a global generator.*use nn.Dropout"),
    "functional dropout": ({"class": "nets.py:Functional"}, "draws from a global generator"),
    "replaced buffer": ({"class": "nets.py:Replacing"}, "replaces its buffer 'seen'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_trains(case):
    model, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message) as caught:
        size_of(resolve({**BASE, "model": model}))
    assert isinstance(caught.value, BadInput)


def test_a_file_that_does_not_import():
    Path("nets.py").write_text("import torch\nraise OSError('out of order')\n")
    with pytest.raises(ConfigError, match=r"importing nets.py raised OSError: out of order"):
        config_of("Tower")


def test_a_script_that_ends_the_process():
    """As one does that reads its arguments at import: the study's command must not end by it."""
    Path("nets.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(ConfigError, match=r"importing nets.py raised SystemExit: 3"):
        config_of("Tower")


def test_values_of_the_right_type():
    config = config_of("Listed", widths=[4], bias=False, rate=1)
    assert size_of(config) == 40 * 4 + 4 + 4 * 10


STUDY = """
base:
  data: {name: mnist1d, n_train: 300, n_val: 90, n_test: 130}
  model: {class: "nets.py:Tower", dropout: 0.1}
  train: {batch_size: 30, epochs: 2}
arms: {model.width: %s}
tune: {optimizer.lr: {log_range: [0.001, 1]}, points: 3, seeds: 1}
judge: {replicates: 8}
hypotheses: [{primary: true, kind: superiority, a: "%s", b: "%s", outcome: {final: test/accuracy}}]
"""


def design_of(levels, a, b, folder="studies"):
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "mine.yaml").write_text(STUDY % (levels, a, b))
    return make_design(load_study(Path(folder, "mine.yaml")))


def test_a_study_sweeps_a_keyword(project):
    """The file beside the study is found first; its path is kept from the working directory on."""
    Path("studies").mkdir()
    Path("studies/nets.py").write_text(NETS)
    design = design_of("[8, 16]", 8, 16)
    assert [arm.config["model"]["width"] for arm in design.arms] == [8, 16]
    assert {arm.config["model"]["class"] for arm in design.arms} == {"studies/nets.py:Tower"}
    assert design.arms[0].n_parameters < design.arms[1].n_parameters
    (trial, _), *_ = judge_trials(design, design.arms[0], {"optimizer.lr": 0.1})
    assert trial.config["model"]["width"] == 8
    Path("studies/nets.py").unlink()
    assert design_of("[8, 16]", 8, 16).arms[0].config["model"]["class"] == "nets.py:Tower"


def test_a_range_of_a_whole_number_is_whole():
    design = design_of("{range: [8, 11], points: 3}", 8, 11)
    assert [arm.config["model"]["width"] for arm in design.arms] == [8, 10, 11]


def test_a_study_says_where_it_is_wrong():
    with pytest.raises(
        StudyError, match=r"studies/mine.yaml:6: arms.model.width.0: found 'x'; allowed: a whole"
    ):
        design_of("[x, 16]", "x", 16)
    Path("nets.py").unlink()
    with pytest.raises(
        StudyError, match=r"mine.yaml:4: base.model.class: no file studies/nets.py and no file nets.py"
    ):
        design_of("[8, 16]", 8, 16)


def test_a_table_beside_the_study():
    Path("studies").mkdir()
    rows = "\n".join(f"{i},{i % 7},{i % 2}" for i in range(60))
    Path("studies/table.csv").write_text(f"a,b,left\n{rows}\n")
    text = STUDY.replace(
        "{name: mnist1d, n_train: 300, n_val: 90, n_test: 130}", "{file: table.csv, target: left}"
    )
    Path("studies/mine.yaml").write_text(text % ("[8, 16]", 8, 16))
    design = make_design(load_study(Path("studies/mine.yaml")))
    assert design.arms[0].config["data"]["file"] == "studies/table.csv"
