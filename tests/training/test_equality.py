"""The promise of stacked training: a trial gives the same alone and in any stack, on any device."""

import math

import pytest
import torch

from harness.catalogue.activations import ACTIVATIONS
from harness.training.members import stacked_orders
from harness.training.run import plan_steps, start
from harness.training.start import batch_orders, initial_params
from harness.training.train import advance, one_thread
from harness.words.paths import set_paths
from harness.words.record import Status
from harness.words.tolerance import TOLERANCE
from harness.words.trial import Trial
from tests.training.examples import splits_for, stack_of, train_together, trial_of

KINDS = {
    "sgd relu": {},
    "adam tanh": {"optimizer": {"name": "adam"}, "model__activation": "tanh"},
    "momentum dropout": {"optimizer": {"name": "momentum"}, "model__dropout": 0.3},
    "layer_norm": {"model__normalisation": "layer_norm"},
    "batch_norm": {"model__normalisation": "batch_norm"},
    "skip": {"model__widths": [12, 12, 12], "model__skip": True},
    "smoothed cosine": {"schedule": {"name": "cosine", "warmup": 0.1}, "train__label_smoothing": 0.1},
    "squared error, no bias": {"train__loss": "mse", "model__bias": False},
    "float64": {"optimizer": {"name": "adam"}, "train__dtype": "float64"},
    "full batch": {"train__batch_size": "full", "train__steps": 40},
}
BY_KERNEL = {  # on a CPU: networks large enough for it
    f"{name} by its kernel": {"optimizer": {"name": name}, "model__widths": [80, 40]}
    for name in ("adagrad", "rmsprop", "adam", "adamw")
}
ACTIVATED = {
    f"activation {name}": {"model__activation": name}
    for name in sorted(ACTIVATIONS)
    if name not in ("relu", "tanh")  # among the kinds above
}
VALUED = {
    f"loss {name}": {"train__loss": name, "data": {"name": "heteroscedastic"}}
    for name in ("rmse", "mae", "huber", "gaussian_nll")
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
    ),
]
SHORT, LONG = 64, 320  # steps
# A rate of 1e6 kills a net's ReLUs in the others before its loss can grow.
DIVERGING = (
    "sgd relu",
    "adam tanh",
    "momentum dropout",
    "smoothed cosine",
    "float64",
    "activation leaky_relu",
)


def members(kind, m, **more):
    """m trials of mixed learning rates and replicates; the second one diverges at a rate of 1e6."""
    rates = [0.05 * 2.0 ** -(i % 5) for i in range(m)]
    if m > 1:
        rates[1] = 1e6
    return [trial_of(i % 6, optimizer__lr=rates[i], **{**kind_paths(kind), **more}) for i in range(m)]


def kind_paths(kind):
    """The kind's optimizer as dotted paths, so that the learning rate can be set beside it."""
    paths = dict({**KINDS, **BY_KERNEL, **ACTIVATED, **VALUED}[kind])
    section = paths.pop("optimizer", {"name": "sgd"})
    return {**{f"optimizer__{k}": v for k, v in section.items()}, **paths}


def assert_same(alone, together, tolerance):
    """Every curve and final metric: equal, NaN where NaN."""
    assert alone.status is together.status
    assert alone.steps == together.steps
    assert alone.curves.keys() == together.curves.keys()
    assert alone.final.keys() == together.final.keys()
    for name, curve in alone.curves.items():
        for a, b in zip(curve, together.curves[name], strict=True):
            assert (math.isnan(a) and math.isnan(b)) or abs(a - b) <= tolerance * abs(a), (name, a, b)
    for name, value in alone.final.items():
        assert abs(value - together.final[name]) <= tolerance * abs(value), (name, value)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [*KINDS, *BY_KERNEL])
def test_alone_and_in_stacks(kind, device, cache_dir):
    """A healthy member, and the one that diverges, are what they are alone in stacks of 2, 7 and 64."""
    whole = members(kind, 64, train__steps=SHORT)
    alone = [train_together([trial], cache_dir, device)[0] for trial in whole[:2]]
    assert alone[0].status is Status.DONE
    assert alone[0].curves["train/loss"][-1] < alone[0].curves["train/loss"][0]
    if kind in DIVERGING:
        assert alone[1].status is Status.DIVERGED
    for m in (2, 7, 64):
        together = train_together(whole[:m], cache_dir, device)
        for own, stacked in zip(alone, together, strict=False):
            assert_same(own, stacked, TOLERANCE[device])


@pytest.mark.parametrize("kind", [*ACTIVATED, *VALUED, *KINDS, *BY_KERNEL])
def test_long_runs(kind, cache_dir):
    """Runs long enough that the step may be prepared beforehand: still the same at any stack size."""
    trials = [
        Trial(**{**t.model_dump(), "config": set_paths(t.config, {"train.steps": LONG})})
        for t in members(kind, 7)
    ]
    together = train_together(trials, cache_dir)
    (alone,) = train_together([trials[3]], cache_dir)
    assert_same(alone, together[3], 0.0)


@pytest.mark.parametrize("kind", [*KINDS, *BY_KERNEL])
def test_every_weight_of_a_member_is_the_weight_alone(kind, cache_dir):
    """Stronger than metrics: parameters, optimizer state and buffers, bit for bit."""
    trials = members(kind, 64)
    whole = run_steps(trials, cache_dir, 12)
    for i in (0, 1, 40, 63):
        own = run_steps([trials[i]], cache_dir, 12)
        for a, b in zip([whole.params, *state_of(whole)], [own.params, *state_of(own)], strict=True):
            assert torch.equal(a[i].nan_to_num(), b[0].nan_to_num())
        for name in whole.buffers:
            assert torch.equal(whole.buffers[name][i].nan_to_num(), own.buffers[name][0].nan_to_num())


def state_of(run):
    (group,) = run.groups
    return group.state


MIXED = ("adam", "adamw", "lion", "sgd", "radam", "sgd", "nag")  # sgd twice: two groups of it


def mixed(**more):
    """Trials of several optimizers and inits; most diverge at once, and some groups go with them."""
    inits = ("he_normal", "xavier_uniform", "orthogonal")
    rates = [1e6 if i % 7 in (1, 3, 4, 5) or i == 6 else 0.02 for i in range(14)]
    return [
        trial_of(i % 3, optimizer__name=MIXED[i // 2], optimizer__lr=lr, model__init=inits[i % 3], **more)
        for i, lr in enumerate(rates)
    ]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "more",
    [{}, {"train__l2": 0.01, "train__clip_norm": 1.0}, {"model__widths": [80, 40]}],
    ids=["plain", "clipped", "by kernels"],
)
def test_optimizers_together_and_alone(more, device, cache_dir):
    """One gradient for all, each member its own optimizer's step, before and after some have left."""
    trials = mixed(train__steps=SHORT, **more)
    together = train_together(trials, cache_dir, device)
    assert 0 < sum(r.status is Status.DIVERGED for r in together) < len(together)
    for trial, record in zip(trials, together, strict=True):
        (alone,) = train_together([trial], cache_dir, device)
        assert_same(alone, record, TOLERANCE[device])


def run_steps(trials, cache_dir, steps):
    with one_thread(), torch.no_grad():
        run = start(stack_of(trials), [splits_for(t, cache_dir) for t in trials], torch.device("cpu"))
        advance(run, steps, [0], lambda share: None)
    return run


@pytest.mark.parametrize("kind", KINDS)
def test_initial_weights_do_not_depend_on_the_stack(kind, cache_dir):
    trials = members(kind, 7)
    splits = [splits_for(t, cache_dir) for t in trials]
    whole = start(stack_of(trials), splits, torch.device("cpu"))
    for i, trial in enumerate(trials):
        alone = start(stack_of([trial]), [splits[i]], torch.device("cpu"))
        assert torch.equal(whole.params[i], alone.params[0])
        assert torch.equal(whole.params[i], initial_params(trial, whole.program.module))
    same_replicate = torch.equal(whole.params[0], whole.params[6])
    assert same_replicate  # replicate 0 twice, at other learning rates: paired
    assert not torch.equal(whole.params[0], whole.params[1])


def test_batch_orders_do_not_depend_on_the_stack():
    trials = members("sgd relu", 7)
    together = stacked_orders(trials, 300, 30, torch.device("cpu"))
    first = torch.stack([next(together) for _ in range(25)])  # two epochs and a half
    for i, trial in enumerate(trials):
        epochs = batch_orders(trial, 300, 30)
        own = torch.cat([next(epochs) for _ in range(3)])[:25]
        assert torch.equal(first[:, i], own)


def test_an_epoch_is_a_permutation_and_the_short_batch_is_left_out():
    epochs = batch_orders(trial_of(), 50, 7)
    first, second = next(epochs), next(epochs)
    assert first.shape == second.shape == (7, 7)
    for epoch in (first, second):
        assert len(epoch.unique()) == 49
        assert 0 <= int(epoch.min()) <= int(epoch.max()) < 50
    assert not torch.equal(first, second)


def test_chunks_of_evaluation_do_not_show(cache_dir):
    """A big stack is evaluated in more chunks than a trial alone: the metrics are the same."""
    trials = [
        trial_of(i % 2, data__n_train=200, data__n_test=4000, data__n_val=2500, train__steps=20)
        for i in range(64)
    ]
    together = train_together(trials, cache_dir)
    for i in (0, 63):
        (alone,) = train_together([trials[i]], cache_dir)
        assert_same(alone, together[i], 0.0)


def test_the_order_of_members_does_not_matter(cache_dir):
    trials = members("momentum dropout", 7)
    forth = train_together(trials, cache_dir)
    back = train_together(trials[::-1], cache_dir)[::-1]
    for a, b in zip(forth, back, strict=True):
        assert a.trial == b.trial
        assert_same(a, b, 0.0)


def test_shared_and_stacked_data_are_the_same(cache_dir):
    """Members of one replicate share their arrays; among other replicates each has its own copy."""
    same = [trial_of(0, optimizer__lr=rate) for rate in (0.1, 0.05, 0.02)]
    mixed = [same[0], trial_of(1), same[1], trial_of(2), same[2]]
    shared, stacked = train_together(same, cache_dir), train_together(mixed, cache_dir)
    for a, b in zip(shared, stacked[::2], strict=True):
        assert a.provenance.data_fingerprint == b.provenance.data_fingerprint
        assert_same(a, b, 0.0)


def test_threads_of_the_caller_do_not_matter(cache_dir):
    threads = torch.get_num_threads()
    results = []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(train_together([trial_of()], cache_dir)[0])
            assert torch.get_num_threads() == n  # put back
    finally:
        torch.set_num_threads(threads)
    assert_same(*results, 0.0)


def test_the_global_generator_is_neither_used_nor_moved(cache_dir):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = train_together(members("momentum dropout", 2), cache_dir)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    again = train_together(members("momentum dropout", 2), cache_dir)
    assert_same(first[0], again[0], 0.0)


def test_plan_of_steps_and_evaluations():
    config = trial_of(train__steps=200, train__evaluations=8).config
    assert plan_steps(config, 300) == (200, [0, 25, 50, 75, 100, 125, 150, 175, 200])
    epochs = trial_of(train={"batch_size": 30, "epochs": 3}).config
    assert plan_steps(epochs, 310) == (30, [0, 10, 20, 30])
    full = trial_of(train={"batch_size": "full", "epochs": 3}).config
    assert plan_steps(full, 310) == (3, [0, 1, 2, 3])
