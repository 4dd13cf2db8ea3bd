"""Probes: alone as in a stack, against a plain module with hooks, and on networks whose answer is known."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harness.catalogue.attention import AttentionOptions, attention
from harness.catalogue.layers import hidden_layers
from harness.catalogue.optimizers import OPTIMIZERS
from harness.errors import BadInput
from harness.training.layout import layout_of
from harness.training.probes import PROBES, probe_plan
from harness.training.start import build_module, initial_params
from harness.words.probes import HISTOGRAM_BINS, HISTOGRAM_RANGE
from harness.words.probes import PROBES as FACTS
from tests.training.examples import splits_for, train_together, trial_of

EVERYTHING = {name: ["all"] if facts.moves else ["start", "end"] for name, facts in FACTS.items()}
KINDS = {
    "tanh adam": {"model__activation": "tanh", "optimizer__name": "adam"},
    "relu dropout": {"model__dropout": 0.3},
    "batch norm, skip": {
        "model__widths": [12, 12, 12],
        "model__skip": True,
        "model__normalisation": "batch_norm",
    },
    "gelu, full batch": {"model__activation": "gelu", "train__batch_size": "full"},
    "cnn1d": {"model": {"name": "cnn1d", "channels": [4, 5]}},
    "early stopping": {"train__patience": 2, "train__monitor": "val/loss"},
}


def short_trial(replicate=0, **paths):
    return trial_of(replicate, **{"train__steps": 12, "train__evaluations": 4, "probes": EVERYTHING, **paths})


def test_both_tables_name_the_same_probes():
    assert list(PROBES) == list(FACTS)


@pytest.mark.parametrize("kind", KINDS)
def test_alone_and_in_a_stack(kind, cache_dir):
    """Bit for bit, beside a member that diverges and members of other data and learning rates."""
    trials = [
        short_trial(i % 4, optimizer__lr=1e6 if i == 1 else 0.02 / (i + 1), **KINDS[kind]) for i in range(6)
    ]
    together = train_together(trials, cache_dir)
    for i in (0, 1, 5):
        (alone,) = train_together([trials[i]], cache_dir)
        assert repr(alone.probes) == repr(together[i].probes)  # NaN where NaN
        assert alone.probes["between_sample_spread"][0] != together[(i + 3) % 4].probes["activation_mean"][0]
    stopping = kind == "early stopping"
    missing = {name for name, facts in FACTS.items() if facts.state and facts.moves} if stopping else set()
    assert set(together[0].probes) >= set(FACTS) - missing


def test_alone_and_beside_other_optimizers(cache_dir):
    names = ("adagrad", "adam", "lion", "radam", "sgd")
    trials = [short_trial(i % 2, optimizer__name=name, optimizer__lr=0.01) for i, name in enumerate(names)]
    together = train_together(trials, cache_dir)
    rates = {repr(r.probes["effective_rate"]) for r in together}
    assert len(rates) == 4  # lion and sgd have the plain rate
    for trial, record in zip(trials, together, strict=True):
        (alone,) = train_together([trial], cache_dir)
        assert repr(alone.probes) == repr(record.probes)


def test_who_stops_early_is_probed_as_alone(cache_dir):
    """Beside members that train on, too few of which leave for the stack to be made smaller."""
    train = {"batch_size": 30, "steps": 64, "evaluations": 32, "patience": 1}
    rates = (2.0, 0.01, 0.011, 0.012, 0.013)
    trials = [trial_of(0, optimizer__lr=lr, train=train, probes={"gradient_norm": ["all"]}) for lr in rates]
    together = train_together(trials, cache_dir)
    assert together[0].steps[-1] < 10 < together[1].steps[-1]
    for trial, record in zip(trials[:2], together, strict=False):
        (alone,) = train_together([trial], cache_dir)
        assert repr(alone.probes) == repr(record.probes)
        assert max(record.probes["gradient_norm"]) <= record.steps[-1]


def plain(trial, cache_dir, activation):
    """A module of torch's own with the trial's first weights, and its training set, in float64."""
    splits = splits_for(trial, cache_dir)
    sizes = [40, *trial.config["model"]["widths"]]
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), activation())]
    module = nn.Sequential(*layers, nn.Linear(sizes[-1], 10)).double()
    own = build_module(trial.config, (40,), 10)
    first = layout_of(own).unflatten(initial_params(trial, own))
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), first.values(), strict=True):
            parameter.copy_(value)
    return module, torch.from_numpy(splits.x_train.copy()).double(), torch.from_numpy(splits.y_train.copy())


def hooked(module, x, activation):
    """Every hidden layer's (pre-activation, activation) on x."""
    seen = []
    for part in module:
        if isinstance(part, activation):
            part.register_forward_hook(lambda _m, given, out: seen.append((given[0].detach(), out.detach())))
    module(x)
    return seen


FORMULAS = {
    "activation_mean": lambda z, a: a.mean(),
    "total_spread": lambda z, a: a.std(correction=0),
    "between_sample_spread": lambda z, a: a.std(0, correction=0).mean(),
    "activation_histogram": lambda z, a: torch.histc(
        a.clamp(*HISTOGRAM_RANGE), HISTOGRAM_BINS, *HISTOGRAM_RANGE
    ),
}
OF_TANH = {
    "saturated_fraction": lambda z, a: (a.abs() >= 0.98).double().mean(),
    "dead_fraction": lambda z, a: torch.zeros(()),
}
OF_RELU = {"dead_fraction": lambda z, a: (a == 0).all(0).double().mean()}


@pytest.mark.parametrize(
    ("name", "activation", "formulas"),
    [("tanh", nn.Tanh, {**FORMULAS, **OF_TANH}), ("relu", nn.ReLU, {**FORMULAS, **OF_RELU})],
)
def test_activations_agree_with_a_plain_module(name, activation, formulas, cache_dir):
    """In float64, over 300 training examples that no chunk of 250 divides, with biases that kill units."""
    paths = {"model__activation": name, "model__widths": [13, 9, 7], "train__dtype": "float64"}
    trials = [short_trial(r, model__init="normal_1", **paths) for r in range(3)]
    record = train_together(trials, cache_dir)[1]
    module, x, _ = plain(trials[1], cache_dir, activation)
    for probe, formula in formulas.items():
        expected = torch.cat([formula(z, a).reshape(-1).double() for z, a in hooked(module, x, activation)])
        assert record.probes[probe][0] == pytest.approx(expected.tolist(), rel=1e-12, abs=1e-12), probe


def test_sparsity_of_weights_that_are_drawn_small(cache_dir):
    """Of N(0, (0.01 s)^2), a share erf(1e-3 / (0.01 s sqrt 2)) is within 1e-3 of 0; s is the gain."""
    gains = (1.0, 0.2)
    trials = [
        short_trial(0, model__init="normal_001", model__widths=[60, 60], model__init_gain=s) for s in gains
    ]
    for gain, trial in zip(gains, trials, strict=True):
        (record,) = train_together([trial], cache_dir)
        expected = math.erf(1e-3 / (0.01 * gain * math.sqrt(2)))
        assert record.probes["sparsity"][0] == pytest.approx([expected, expected], abs=0.03)


def test_gradient_and_update_agree_with_a_plain_module(cache_dir):
    trial = short_trial(model__activation="tanh", train__dtype="float64", optimizer={"name": "adam"})
    record = train_together([trial], cache_dir)[0]
    module, x, y = plain(trial, cache_dir, nn.Tanh)
    F.cross_entropy(module(x), y).backward()
    weights = [module[0].weight, module[2].weight]
    norms = [float(w.grad.norm()) for w in weights]
    assert record.probes["gradient_norm"][0] == pytest.approx(norms, rel=1e-10)
    before = [w.detach().clone() for w in weights]
    after = [w.detach() for w in weights]
    torch.optim.Adam(module.parameters(), trial.config["optimizer"]["lr"]).step()
    ratios = [float((w - b).norm() / b.norm()) for w, b in zip(after, before, strict=True)]
    assert record.probes["update_ratio"][0] == pytest.approx(ratios, rel=1e-6)


def test_adagrads_rate_against_torch(cache_dir):
    """The median over a layer's weights of lr / (sqrt(G) + eps), after each power of two of steps."""
    trial = short_trial(
        train__dtype="float64", train__batch_size="full", optimizer={"name": "adagrad", "lr": 0.05}
    )
    record = train_together([trial], cache_dir)[0]
    module, x, y = plain(trial, cache_dir, nn.ReLU)
    optimizer = torch.optim.Adagrad(module.parameters(), 0.05)
    expected = {}
    for step in range(1, 13):
        optimizer.zero_grad()
        F.cross_entropy(module(x), y).backward()
        optimizer.step()
        sums = [optimizer.state[module[i].weight]["sum"] for i in (0, 2)]
        expected[step] = [float((0.05 / (s.sqrt() + 1e-10)).median()) for s in sums]
    found = record.probes["effective_rate"]
    assert list(found) == [1, 2, 4, 8, 12]
    for step, values in found.items():
        assert values == pytest.approx(expected[step], rel=1e-8)


def test_a_plain_rule_has_its_scheduled_rate(cache_dir):
    paths = {"schedule": {"name": "cosine"}, "optimizer": {"name": "momentum", "lr": 0.02}}
    record = train_together([short_trial(**paths)], cache_dir)[0]
    for step, rates in record.probes["effective_rate"].items():
        rate = 0.02 * (1 + math.cos(math.pi * (step - 1) / 12)) / 2
        assert rates == pytest.approx([rate, rate], rel=1e-6)


def test_dead_units_are_counted(cache_dir):
    """A step activation passes no gradient: every unit is dead. A linear layer has none."""
    for name, share in (("step", 1.0), ("identity", 0.0), ("leaky_relu", 0.0)):
        record = train_together([short_trial(model__activation=name)], cache_dir)[0]
        assert record.probes["dead_fraction"][0] == [share, share]


def test_constant_units_have_no_between_sample_spread(cache_dir):
    """Weights of N(0, 100^2): sigmoids at 0 or 1, spread out, and nearly all saturated."""
    paths = {"model__activation": "sigmoid", "model__init": "normal_1", "model__widths": [64, 64, 64, 64]}
    probes = train_together([short_trial(**paths)], cache_dir)[0].probes
    spread, total = probes["between_sample_spread"][0], probes["total_spread"][0]
    assert all(0 < s <= t for s, t in zip(spread, total, strict=True))
    assert spread[-1] < 0.7 * spread[0]
    assert total[-1] > 0.9 * total[0]
    assert probes["saturated_fraction"][0][1] > 0.3


def test_unbounded_activations_have_no_saturated_fraction(cache_dir):
    record = train_together([short_trial()], cache_dir)[0]
    assert all(math.isnan(v) for v in record.probes["saturated_fraction"][0])


def test_no_steps_measure_the_start(cache_dir):
    trials = [short_trial(r, train__steps=0, probes={"gradient_norm": ["start"]}) for r in range(2)]
    stepped = train_together([short_trial(1)], cache_dir)[0]
    record = train_together(trials, cache_dir)[1]
    assert record.steps == [0]
    assert record.probes == {"gradient_norm": {0: stepped.probes["gradient_norm"][0]}}


def test_only_what_is_asked_for_is_measured(cache_dir):
    unprobed, probed = (train_together([short_trial(probes=p)], cache_dir)[0] for p in (None, EVERYTHING))
    assert unprobed.probes == {}
    assert unprobed.curves == probed.curves  # probes change nothing


def test_when_probes_are_due():
    config = {"probes": {"dead_fraction": ["end"], "gradient_norm": ["all"], "effective_rate": ["all"]}}
    assert probe_plan(config, 9) == {
        0: ["gradient_norm"],
        **{step: ["gradient_norm", "effective_rate"] for step in (1, 2, 4, 8)},
    }
    assert probe_plan({"probes": {"dead_fraction": ["start"]}}, 0) == {0: ["dead_fraction"]}


class Shared(nn.Module):
    """One in-place activation for two layers, a sigmoid on the output."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(4, 3)
        self.act, self.last = nn.ReLU(inplace=True), nn.Sigmoid()

    def forward(self, x):
        return self.last(self.c(self.act(self.b(self.act(self.a(x))))))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 4)

    def forward(self, x):
        return self.b(F.relu(self.a(x)))


def test_layers_of_any_module():
    module = Shared()
    before = module(torch.ones(2, 6))
    assert [layer.weight for layer in hidden_layers(module, torch.ones(2, 6))] == ["a.weight", "b.weight"]
    assert torch.equal(module(torch.ones(2, 6)), before)  # left as it was
    encoder = attention(AttentionOptions(depth=2), (6,), 3)
    names = ["blocks.0.wide.weight", "blocks.1.wide.weight"]
    assert [layer.weight for layer in hidden_layers(encoder, torch.ones(2, 6))] == names
    with pytest.raises(BadInput, match="Functional has no hidden layer that a probe can see"):
        hidden_layers(Functional(), torch.ones(2, 6))


def test_an_own_network_is_probed(cache_dir, tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, n_inputs, n_classes):\n"
        "        super().__init__()\n"
        "        self.a, self.b = nn.Linear(n_inputs, 7), nn.Linear(7, n_classes)\n"
        "        self.act = nn.ReLU(inplace=True)\n"
        "    def forward(self, x):\n"
        "        return self.b(self.act(self.a(x)))\n"
    )
    monkeypatch.chdir(tmp_path)
    trials = [short_trial(r, model={"class": "nets.py:Net"}) for r in range(3)]
    together = train_together(trials, cache_dir)
    (alone,) = train_together(trials[2:], cache_dir)
    assert repr(alone.probes) == repr(together[2].probes)
    assert len(alone.probes["dead_fraction"][0]) == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_an_effective_rate(optimizer, cache_dir):
    trial = short_trial(optimizer={"name": optimizer}, probes={"effective_rate": ["all"]})
    record = train_together([trial], cache_dir)[0]
    assert all(rate > 0 for rates in record.probes["effective_rate"].values() for rate in rates)
