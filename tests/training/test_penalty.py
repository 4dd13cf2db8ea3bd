"""Penalties on weights, clipping, schedules that listen: against torch, and alone as in a stack."""

import pytest
import torch
from torch import nn

from harness.catalogue.regularisers import clip_norm
from harness.catalogue.resolve import build_network, resolve
from harness.errors import BadInput
from harness.training.layout import layout_of
from harness.training.penalty import Penalties, are_weights, penalties, sparsity
from harness.training.stack import stack_key
from harness.training.train import one_thread
from tests.training.examples import config_of, train_together, trial_of
from tests.training.test_equality import assert_same, run_steps

NETWORKS = {
    "mlp": {"normalisation": "layer_norm", "widths": [7, 5]},
    "cnn1d": {},
    "rnn": {"cell": "lstm"},
    "attention": {},
}
WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def small_mlp():
    torch_net = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3)).double()
    layout = layout_of(torch_net)
    return torch_net, layout, layout.flatten({n: p.detach() for n, p in torch_net.named_parameters()})


@pytest.mark.parametrize(("l1", "l2"), [(0.03, None), (None, 0.2), (0.03, 0.2)])
def test_gradient_against_autograd_of_the_penalised_loss(l1, l2):
    net, layout, flat = small_mlp()
    x, y = torch.randn(8, 4, dtype=torch.float64), torch.arange(8) % 3
    loss = nn.functional.cross_entropy(net(x), y)
    plain = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    matrices = [part.weight for part in net if isinstance(part, nn.Linear)]
    whole = loss + sum((l1 or 0) * w.abs().sum() + (l2 or 0) / 2 * w.square().sum() for w in matrices)
    expected = torch.autograd.grad(whole, list(net.parameters()))
    strengths = {name: column(value) for name, value in (("l1", l1), ("l2", l2)) if value is not None}
    penalty = Penalties(strengths, are_weights(layout))
    grads = layout.flatten(dict(zip(layout.names, plain, strict=True))).unsqueeze(0)
    found = torch.cat(penalty.applied(layout.split(grads), flat.unsqueeze(0)), 1)
    wanted = layout.flatten(dict(zip(layout.names, expected, strict=True)))
    torch.testing.assert_close(found[0], wanted, rtol=1e-12, atol=1e-14)


def test_a_weight_of_zero_is_not_pushed():
    params = torch.tensor([[0.0, -0.0, 2.0, -2.0]], dtype=torch.float64)
    penalty = Penalties({"l1": column(0.5), "l2": column(1.0)}, (True,))
    (found,) = penalty.applied([torch.zeros_like(params)], params)
    assert found.tolist() == [[0.0, 0.0, 2.5, -2.5]]


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_those_of_linear_maps(name):
    """Counted by the kinds of layers where torch has them; biases and scales of norms never count."""
    config = resolve({**config_of(), "model": {"name": name, **NETWORKS[name]}})
    module = build_network(config, (40,), 10)
    layout = layout_of(module)
    marked = dict(zip(layout.names, are_weights(layout), strict=True))
    for path, part in module.named_modules():
        for own, parameter in part.named_parameters(prefix=path, recurse=False):
            linear = isinstance(part, WEIGHTS) and own.endswith("weight")
            if linear or isinstance(part, nn.LayerNorm) or parameter.dim() == 1:
                assert marked[own] is linear, own
    sizes = dict(zip(layout.names, (shape.numel() for shape in layout.shapes), strict=True))
    assert 0.5 < sum(sizes[own] for own in marked if marked[own]) / sum(sizes.values()) < 1


def test_clipping_against_torch():
    generator = torch.Generator().manual_seed(3)
    grads = torch.randn(6, 50, generator=generator, dtype=torch.float64) * torch.logspace(-3, 2, 6).unsqueeze(
        1
    )
    largest = column(1e-3, 1.0, 0.5, 3.0, 1e9, 1e-6)
    found = clip_norm(grads, largest)
    for row, limit, ours in zip(grads, largest.flatten().tolist(), found, strict=True):
        parameter = nn.Parameter(torch.zeros(50, dtype=torch.float64))
        parameter.grad = row.clone()
        nn.utils.clip_grad_norm_([parameter], limit)
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-14, atol=0)
        assert ours.norm() <= limit
    below = grads.norm(dim=1) < largest.flatten() - 1e-5
    assert torch.equal(found[below], grads[below])
    assert 0 < int(below.sum()) < 6


def test_clipping_keeps_zeros_and_lost_rows_to_themselves():
    grads = torch.ones(4, 9)
    grads[0], grads[1, 3], grads[2, 0] = 0.0, torch.nan, torch.inf
    found = clip_norm(grads, torch.full((4, 1), 0.3))
    assert not found[0].any()
    assert found[1].isnan().all()
    assert found[2].isnan().any()
    assert float(found[3].norm()) == pytest.approx(0.3, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [1, 7, 64, 399, 1025, 4097, 33333])
def test_a_clipped_row_alone_is_the_row_in_a_stack(p, dtype):
    grads = torch.randn(64, p, generator=torch.Generator().manual_seed(p), dtype=dtype)
    largest = torch.full((64, 1), 0.5, dtype=dtype)
    for m in (2, 7, 64):
        together = clip_norm(grads[:m], largest[:m])
        for i in range(m):
            assert torch.equal(together[i], clip_norm(grads[i : i + 1].clone(), largest[:1])[0])


STRENGTHS = {
    "l1": [0.01, 1e-4, 1e-3],
    "l2": [0.1, 1e-3, 0.02],
    "clip_norm": [0.5, 0.05, 5.0],
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", STRENGTHS)
def test_alone_and_in_a_stack(name, optimizer, cache_dir):
    """Strengths vary inside a stack; the second member diverges."""
    trials = [
        trial_of(
            i % 2,
            train__steps=40,
            optimizer__name=optimizer,
            optimizer__lr=1e6 if i == 1 else 0.02,
            **{f"train__{name}": STRENGTHS[name][i % 3]},
        )
        for i in range(7)
    ]
    together = train_together(trials, cache_dir)
    for i in (0, 1, 6):
        (alone,) = train_together([trials[i]], cache_dir)
        assert_same(alone, together[i], 0.0)
    assert together[0].curves != together[2].curves


@pytest.mark.parametrize("name", STRENGTHS)
def test_members_without_a_penalty_train_apart(name):
    on = [trial_of(**{f"train__{name}": value}).config for value in STRENGTHS[name][:2]]
    assert stack_key(on[0]) == stack_key(on[1]) != stack_key(trial_of().config)


def test_without_penalties_nothing_is_computed():
    _, layout, flat = small_mlp()
    none = penalties([trial_of(0), trial_of(1)], layout, flat)
    grads = torch.ones(2, len(flat), dtype=torch.float64)
    assert not none.any
    parts = layout.split(grads)
    assert all(a is b for a, b in zip(none.applied(parts, grads), parts, strict=True))


def test_strengths_of_every_member():
    _, layout, flat = small_mlp()
    trials = [trial_of(train__l1=a, train__clip_norm=b) for a, b in ((0.1, 2.0), (0.2, 3.0), (0.3, 4.0))]
    found = penalties(trials, layout, flat)
    assert found.strengths["l1"].tolist() == [[0.1], [0.2], [0.3]]
    assert list(found.strengths) == ["l1", "clip_norm"]
    assert found.of(torch.tensor([2, 0])).strengths["clip_norm"].tolist() == [[4.0], [2.0]]


def test_l2_is_weight_decay_where_all_parameters_are_weights(cache_dir):
    """Bit for bit, with plain SGD and no biases; with biases it isn't, for they are spared."""
    for bias, same in ((False, True), (True, False)):
        plain = {"model__bias": bias, "train__steps": 40}
        (penalised,) = train_together([trial_of(**plain, train__l2=0.1)], cache_dir)
        (decayed,) = train_together([trial_of(**plain, optimizer__weight_decay=0.1)], cache_dir)
        assert (penalised.curves == decayed.curves) is same


def test_l1_makes_weights_small_and_l2_makes_them_short(cache_dir):
    weights, share = {}, {}
    for name, value in {"none": 0.0, "l1": 0.02, "l2": 0.02}.items():
        penalty = {} if name == "none" else {f"train__{name}": value}
        with one_thread():
            run = run_steps([trial_of(optimizer__lr=0.02, **penalty)], cache_dir, 400)
        layout = run.program.layout
        parts = zip(layout.split(run.params[0]), are_weights(layout), strict=True)
        matrices = torch.cat([part for part, is_weight in parts if is_weight])
        share[name], weights[name] = float(sparsity(matrices)), float(matrices.norm())
    assert share["l1"] > 0.3 > 10 * share["none"]
    assert share["l1"] > 5 * share["l2"]
    assert weights["l2"] < 0.9 * weights["none"]


def test_sparsity_is_the_share_of_small_weights():
    weights = torch.tensor([[0.0, 5e-4, 1.0], [1.0, -2e-3, -1e-4]])
    assert float(sparsity(weights)) == pytest.approx(3 / 6)


PLATEAU = {"name": "reduce_on_plateau", "patience": 0, "threshold": 0.05, "gamma": 0.3}


def test_a_schedule_that_listens_is_each_members_own(cache_dir):
    """Alone as in a stack; the second member diverges, and the others' rates fall when theirs do."""
    rates = [0.05, 1e6, 0.2, 0.01, 0.1, 0.05, 0.3]
    trials = [trial_of(i % 3, schedule=PLATEAU, optimizer__lr=rate) for i, rate in enumerate(rates)]
    together = train_together(trials, cache_dir)
    for i in (0, 1, 2, 6):
        (alone,) = train_together([trials[i]], cache_dir)
        assert_same(alone, together[i], 0.0)
    run = run_steps(trials, cache_dir, 1)
    assert run.learning_rates([0]).flatten().tolist() == rates


def test_what_members_heard_goes_along_when_the_stack_shrinks(cache_dir):
    """Five of seven diverge, and the rest are gathered: the rates stay with their members."""
    rates = [1e6, 0.05, 1e6, 1e6, 0.2, 1e6, 1e6]
    trials = [trial_of(i % 3, schedule=PLATEAU, optimizer__lr=rate) for i, rate in enumerate(rates)]
    together = train_together(trials, cache_dir)
    for i in (1, 4):
        (alone,) = train_together([trials[i]], cache_dir)
        assert_same(alone, together[i], 0.0)


def test_a_rate_that_falls_to_nothing_ends_learning(cache_dir):
    """No evaluation is a gain of 99 %: from the second one on the weights rest."""
    schedule = {"name": "reduce_on_plateau", "patience": 0, "threshold": 0.99, "gamma": 1e-12}
    (record,) = train_together([trial_of(schedule=schedule)], cache_dir)
    losses = record.curves["val/loss"]
    assert losses[1] < losses[0]
    assert losses[1:] == pytest.approx([losses[1]] * (len(losses) - 1), rel=1e-5)


def test_a_schedule_that_listens_wants_validation_examples(cache_dir):
    with pytest.raises(BadInput, match=r"reduce_on_plateau.*validation"):
        train_together([trial_of(schedule=PLATEAU, data__n_val=0)], cache_dir)


@pytest.mark.parametrize("wrong", [{"l1": -0.1}, {"l2": -1.0}, {"clip_norm": 0.0}])
def test_impossible_strengths_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(BadInput, match=name):
        config_of(**{f"train__{name}": value})
