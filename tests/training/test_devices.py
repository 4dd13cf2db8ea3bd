"""What is computed on a device is there as a whole: no operation mixes a GPU's tensors with the processor's.

No GPU is needed to see that: torch's fake tensors have no numbers, but shapes and a device, and refuse to
mix. Its meta device stands in for the GPU, as this torch may know none.
"""

import contextlib

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.catalogue.networks import NETWORKS
from harness.training import run as run_module
from harness.training.evaluate import statistics
from harness.training.graph.capture import Recorder
from harness.training.leaving import Weights
from harness.training.members import stacked_orders
from harness.training.run import start
from harness.training.train import one_thread, train_step
from harness.words.config import batch_size_of
from tests.training.examples import splits_for
from tests.training.test_cuda_graph import ALL, forget, trials_of
from tests.training.test_no_waiting import MORE

DEVICE = torch.device("meta")
OTHER = {"cnn2d", "mlp"}  # the latter is all kinds'; the former reads images


@pytest.fixture
def fake(monkeypatch):
    """Fake tensors where torch needs help to take the meta device for a GPU."""
    dispatch = Recorder.__torch_dispatch__

    def noted(self, func, types, args=(), kwargs=None):
        if func is torch.ops.prim.device.default:  # a fake tensor is asked where it is
            return func(*args)
        return dispatch(self, func, types, args, kwargs)

    def applied(module, change):  # torch's own swaps tensors in place, which fake ones refuse
        for part in module.modules():
            for name, value in part._parameters.items():
                part._parameters[name] = None if value is None else nn.Parameter(change(value.detach()))
            for name, value in part._buffers.items():
                part._buffers[name] = change(value)
        return module

    def brought(value):
        if value.device.type == "cpu":
            return value
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)

    monkeypatch.setattr(Recorder, "__torch_dispatch__", noted)
    monkeypatch.setattr(nn.Module, "_apply", applied)
    monkeypatch.setattr(Tensor, "cpu", brought)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    forget()
    yield FakeTensorMode(allow_non_fake_inputs=True)
    forget()


@pytest.mark.parametrize("kind", ALL)
def test_a_run_is_on_its_device(kind, fake, cache_dir):
    trials = trials_of(kind)
    splits = [splits_for(t, cache_dir) for t in trials]
    with fake, one_thread(), torch.no_grad():
        run = start(run_module.Stack(kind, tuple(trials)), splits, DEVICE)
        n_train = len(run.data.splits["train"])
        orders = stacked_orders(trials, n_train, batch_size_of(run.stack.config, n_train), DEVICE)
        for step, plan in enumerate(run.planned(orders, range(3))):
            train_step(run, step, *plan)
        seen = statistics(
            run.program, Weights(run.params, run.buffers), run.data, run.data.splits["val"], run.at_end
        )
        found = [run.params, *run.buffers.values(), *map(seen.value, run.at_end.values())]
    assert {value.device.type for value in found} == {DEVICE.type}
    assert len(run.params) == len(found[-1]) == len(trials)


def test_every_network_but_of_images_is_among_the_kinds():
    tried = {paths["model"]["name"] for paths in MORE.values() if "model" in paths}
    assert {*tried, *OTHER} == NETWORKS.keys()


def test_a_mix_is_seen(fake):
    with fake, pytest.raises(RuntimeError, match="two devices"):
        torch.ones(2) + torch.ones(2, device=DEVICE)
