"""What a user's own network may do with weights and buffers, against the class itself in plain PyTorch."""

from pathlib import Path

import pytest
import torch
from torch import nn

from harness.catalogue.resolve import ConfigError, data_facts, n_parameters, resolve
from harness.errors import BadInput
from harness.training.run import start
from harness.training.start import batch_orders, build_module
from harness.training.train import advance, one_thread
from harness.words.trial import Trial
from tests.training.examples import BASE, splits_for, stack_of, train_together

NETS = '''
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class Linear(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.out = nn.Linear(40, n_outputs)

    def forward(self, x):
        return self.out(x)


class Sqrt(Linear):
    """Reads a function of a parameter alone."""

    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.variance = nn.Parameter(torch.ones(40))

    def forward(self, x):
        return self.out(x * torch.sqrt(self.variance))


class Rotated(Linear):
    """A complex buffer."""

    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.register_buffer("turns", torch.polar(torch.ones(20), torch.arange(20.0) * 0.3))

    def forward(self, x):
        pairs = torch.view_as_complex(x.reshape(-1, 20, 2))
        return self.out(torch.view_as_real(pairs * self.turns).flatten(1))


class Filter(Linear):
    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.w = nn.Parameter(torch.randn(21, dtype=torch.cfloat))

    def forward(self, x):
        return self.out(torch.fft.irfft(torch.fft.rfft(x) * self.w, n=40))


class Viewed(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.a, self.act, self.out = nn.Linear(40, 30), nn.ReLU(), nn.Linear(20, n_outputs)
        self.w = nn.Parameter(torch.randn(30, 20) / 6)

    def forward(self, x):
        return self.out(self.act(self.a(x)) @ self.w.view(-1).view(30, 20))


class ViewedGru(nn.Module):
    """Refused by vmap as well."""

    def __init__(self, n_outputs: int):
        super().__init__()
        self.gru, self.out = nn.GRU(5, 17, batch_first=True), nn.Linear(17, n_outputs)
        self.position = nn.Parameter(torch.zeros(1, 8, 5))

    def forward(self, x):
        h = (x + self.position.view(-1)).view(-1, 8, 5)
        return self.out(self.gru(h)[0][:, -1])


class Complex(Linear):
    """Views that ask for an even place in memory, which three numbers before them don't leave."""

    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.shift = nn.Parameter(torch.zeros(3))
        self.w = nn.Parameter(torch.randn(20, 2))

    def forward(self, x):
        pairs = torch.view_as_complex(x.reshape(-1, 20, 2))
        h = torch.view_as_real(pairs * torch.view_as_complex(self.w)).flatten(1)
        return self.out(h) + self.shift.sum()


class ClampedComplex(Complex):
    def forward(self, x):
        with torch.no_grad():
            self.w.clamp_(-0.1, 0.1)
        return super().forward(x)


class Clamped(Linear):
    def forward(self, x):
        with torch.no_grad():
            self.out.weight.clamp_(-0.1, 0.1)
        return self.out(x)


class ClampedData(Linear):
    def forward(self, x):
        self.out.weight.data.clamp_(-0.1, 0.1)
        return self.out(x)


class NewData(Linear):
    def forward(self, x):
        self.out.weight.data = self.out.weight.data.clamp(-0.1, 0.1)
        return self.out(x)


class MaxNormGru(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.table = nn.Embedding(9, 5, max_norm=0.5)
        self.gru, self.out = nn.GRU(5, 17, batch_first=True), nn.Linear(17, n_outputs)

    def forward(self, x):
        return self.out(self.gru(self.table((x * 2).round().long().clamp(-4, 4) + 4))[0][:, -1])


class Checkpointed(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.a, self.out = nn.Linear(40, 20), nn.Linear(20, n_outputs)

    def forward(self, x):
        return self.out(checkpoint(lambda v: torch.tanh(self.a(v)), x, use_reentrant=False))


class Centred(nn.Module):
    """Takes the mean of a value that is changed in place afterwards."""

    def __init__(self, n_outputs: int):
        super().__init__()
        self.a, self.act, self.out = nn.Linear(40, 20), nn.ReLU(inplace=True), nn.Linear(20, n_outputs)

    def forward(self, x):
        h = self.a(x)
        mean = h.mean(0)
        return self.out(self.act(h) - mean)


class Alias(nn.Module):
    """A layer of two names."""

    def __init__(self, n_outputs: int):
        super().__init__()
        self.encoder, self.act, self.out = nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, n_outputs)
        self.decoder = self.encoder

    def forward(self, x):
        return self.out(self.act(self.decoder(self.act(self.encoder(x)))))


class Decayed(nn.Module):
    """Changes its weights anew at every training pass."""

    def __init__(self, n_outputs: int):
        super().__init__()
        self.a, self.act, self.out = nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, n_outputs)

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.a.weight.mul_(0.9)
        return self.out(self.act(self.a(x)))


class Counter(Linear):
    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        return self.out(x) * (1 + 0.5 * self.calls)


class Mean(Linear):
    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.mean = torch.zeros(40)

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
            return self.out(x)
        return self.out(x - self.mean)


class MeanGru(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.gru, self.out = nn.GRU(5, 17, batch_first=True), nn.Linear(17, n_outputs)
        self.mean = torch.zeros(17)

    def forward(self, x):
        h = self.gru(x.view(-1, 8, 5))[0][:, -1]
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * h.detach().mean(0)
        return self.out(h - self.mean)


class Buffered(nn.Module):
    """State where it belongs, dropout, batch norm, and a plain attribute that is made once."""

    def __init__(self, n_outputs: int):
        super().__init__()
        self.a, self.norm, self.drop = nn.Linear(40, 12), nn.BatchNorm1d(12), nn.Dropout(0.3)
        self.out, self.cache = nn.Linear(12, n_outputs), None
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.calls += 1
        if self.cache is None:
            self.cache = torch.arange(12.0) / 12
        return self.out(self.drop(self.norm(self.a(x)) + self.cache)) / (1 + self.calls)


class Held(nn.Module):
    def __init__(self, n_outputs: int, how: str):
        super().__init__()
        self.inner = nn.Module()
        norm, drop = nn.BatchNorm1d(12), nn.Dropout(0.2)
        self.inner.a, self.inner.norm, self.inner.drop = nn.Linear(40, 12), norm, drop
        self.inner.out = nn.Linear(12, n_outputs)
        if how == "nested":
            self.inner.steps = {"all": [self.inner.a, (norm, drop)]}
        elif how == "itself":
            self.inner.__dict__["steps"] = drop
        else:
            self.inner.steps = [self.inner.a, self.inner.out]  # nothing that is swapped

    def forward(self, x):
        return self.inner.out(self.inner.drop(self.inner.norm(self.inner.a(x))))


class Lazy(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.net = nn.Sequential(nn.LazyLinear(12), nn.BatchNorm1d(12), nn.Linear(12, n_outputs))

    def forward(self, x):
        return self.net(x)
'''
STACKED = ("Sqrt", "Rotated", "Viewed", "Complex", "Clamped", "Centred", "Alias", "Decayed")
ONE_BY_ONE = ("ViewedGru", "ClampedComplex", "ClampedData", "NewData", "MaxNormGru", "Checkpointed")
STEPS, LR = 12, 0.05


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS)


def config_of(name, model=None, **sections):
    train = {"batch_size": 30, "steps": STEPS, "evaluations": 2}
    model = {"class": f"nets.py:{name}", **(model or {})}
    return resolve({**BASE, "model": model, "train": train, **sections})


def trials_of(name, m, **sections):
    tree = config_of(name, **sections).tree()
    return [Trial(study="own", phase="judge", replicate=i, config=tree) for i in range(m)]


def run_of(trials, cache_dir, steps):
    with one_thread(), torch.no_grad():
        run = start(stack_of(trials), [splits_for(t, cache_dir) for t in trials], torch.device("cpu"))
        advance(run, steps, [0], lambda share: None)
    return run


def plainly_trained(name, trial, first, cache_dir):
    """The user's class, trained by torch's own SGD from the trial's first weights."""
    scope: dict = {}
    exec(NETS, scope)
    module = scope[name](n_outputs=10)
    module.load_state_dict(first, strict=False)
    splits = splits_for(trial, cache_dir)
    x, y = torch.from_numpy(splits.x_train.copy()), torch.from_numpy(splits.y_train.copy()).long()
    optimizer = torch.optim.SGD(module.parameters(), LR)
    orders = batch_orders(trial, len(x), 30)
    steps = [index for _ in range(2) for index in next(orders)][:STEPS]
    for index in steps:
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[index]), y[index]).backward()
        optimizer.step()
    return dict(module.named_parameters())


@pytest.mark.parametrize("name", STACKED + ONE_BY_ONE)
def test_trained_as_the_class_itself(name, cache_dir):
    """Planned, then trained three at a time and alone."""
    n_parameters(config_of(name), data_facts(config_of(name)))
    trials = trials_of(name, 3)
    begun, together = (run_of(trials, cache_dir, steps) for steps in (0, STEPS))
    alone = run_of(trials[2:], cache_dir, STEPS)
    assert (together.program.fallback is None) == (name in STACKED)
    assert torch.equal(together.params[2], alone.params[0])
    for i in (0, 2):
        first = {n: w.clone() for n, w in begun.program.layout.unflatten(begun.params[i]).items()}
        plain = plainly_trained(name, trials[i], first, cache_dir)
        own = together.program.layout.unflatten(together.params[i])
        for key, weight in plain.items():
            assert torch.equal(own[key], first[key]) == torch.equal(weight, first[key])
            torch.testing.assert_close(own[key], weight.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "turned", "copied"), [("Sqrt", True, False), ("Viewed", False, False), ("Complex", False, True)]
)
def test_the_fastest_layout_that_a_module_takes(name, turned, copied, cache_dir):
    layout = run_of(trials_of(name, 1), cache_dir, 0).program.layout
    assert (layout.turned, layout.copied) == (turned, copied)


def test_evaluating_one_at_a_time_writes_nothing(cache_dir):
    run = run_of(trials_of("ClampedData", 2), cache_dir, 0)
    before = run.params.clone()
    with torch.no_grad():
        outputs = run.program.outputs(run.params, run.buffers, run.data.example(5)[0].expand(2, 5, 40))
    assert torch.equal(run.params, before)
    assert outputs.abs().max() < 40 * 0.1 * 5  # of weights that were clamped for it


@pytest.mark.parametrize("name", ["Alias", "Viewed"])
def test_probed(name, cache_dir):
    probes = {"dead_fraction": ["end"], "gradient_norm": ["all"], "update_ratio": ["start"]}
    trials = trials_of(name, 3, probes=probes)
    together = train_together(trials, cache_dir)
    (alone,) = train_together(trials[1:2], cache_dir)
    assert repr(alone.probes) == repr(together[1].probes)
    assert len(alone.probes["dead_fraction"][STEPS]) == (2 if name == "Alias" else 1)


def test_a_probe_changes_no_weights(cache_dir):
    plain, probed = (
        train_together(trials_of("Decayed", 2, probes=probes), cache_dir)
        for probes in (None, {"gradient_norm": ["all"], "dead_fraction": ["all"]})
    )
    assert [r.curves for r in plain] == [r.curves for r in probed]


@pytest.mark.parametrize("name", ["Counter", "Mean", "MeanGru"])
def test_state_in_a_plain_attribute_is_refused(name, cache_dir):
    with pytest.raises(BadInput, match=f"{name} gives something else.*register a buffer and write into it"):
        run_of(trials_of(name, 2), cache_dir, 0)


def test_state_in_buffers_is_not(cache_dir):
    run = run_of(trials_of("Buffered", 2), cache_dir, STEPS)
    assert run.program.fallback is None
    assert run.buffers["calls"].tolist() == [STEPS, STEPS]


def test_a_complex_parameter_is_refused():
    with pytest.raises(ConfigError, match=r"parameter 'w' of nets.py:Filter is complex64.*view_as_complex"):
        n_parameters(config_of("Filter"), data_facts(config_of("Filter")))


@pytest.mark.parametrize(("how", "what"), [("nested", "BatchNorm1d"), ("itself", "Dropout")])
def test_a_swapped_layer_that_plain_python_holds_is_refused(how, what):
    config = config_of("Held", {"how": how})
    with pytest.raises(ConfigError, match=f"inner.steps of Held holds a {what}.*use nn.ModuleList"):
        n_parameters(config, data_facts(config))
    config = config_of("Held", {"how": "harmless"})
    assert n_parameters(config, data_facts(config)) == 41 * 12 + 2 * 12 + 13 * 10


def test_a_lazy_network_starts_from_fresh_statistics():
    module = build_module(config_of("Lazy").tree(), (40,), 10)
    assert module.training
    assert torch.equal(module.net[1].running_var, torch.ones(12))
