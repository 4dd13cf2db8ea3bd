"""Steps as CUDA graphs: what a graph repeats is the step itself, whatever differs from one to the next.

Where there is no GPU a tape on the CPU does what a CUDA graph does: see `Tape`.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.training import cuda_graph, groups
from harness.training import run as run_module
from harness.training.graph import capture
from harness.training.train import train
from harness.words.record import Status
from harness.words.tolerance import TOLERANCE
from tests.training.examples import splits_for, stack_of, train_together, trial_of
from tests.training.test_equality import DEVICES, KINDS, assert_same, members, mixed
from tests.training.test_no_waiting import MORE, READS

aten = torch.ops.aten
STEPS = 80
WHY = "CUDA error: operation not permitted when stream is capturing"
ALL = [*KINDS, *MORE]


class Tape(TorchDispatchMode):
    """Like a CUDA graph: notes operations with the memory and the numbers they are given, and runs none.

    (They do run here, and what they wrote is put back.) Played, each reads and writes the same memory
    again. What a capture refuses raises: a read by the processor, and a number sent from there.
    """

    REFUSED = READS | {aten.lift_fresh.default, aten.set_.source_Storage}

    def __init__(self):
        super().__init__()
        self.calls, self.before = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in self.REFUSED:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        given = kwargs or {}
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[place] if place < len(args) else given[argument.name]
                self.before += [(leaf, leaf.clone()) for leaf in tree_leaves(value)]
        result = func(*args, **given)
        self.calls.append((func, args, given, result))
        return result

    def put_back(self):
        for written, value in reversed(self.before):
            written.copy_(value)

    def play(self):
        for func, args, given, result in self.calls:
            again = func(*args, **given)
            for place, value in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(place, torch.Tensor) and place.data_ptr() != value.data_ptr():
                    place.copy_(value)


@pytest.fixture
def tapes(monkeypatch):
    """The tapes there are, which stand in for graphs; products are torch's, as on a GPU."""
    found = []

    def recorded(step):
        tape = Tape()
        with tape:
            step()
        tape.put_back()
        found.append(tape)
        return tape.play

    monkeypatch.setattr(cuda_graph, "recorded", recorded)
    monkeypatch.setattr(capture, "FASTEST", {})
    forget()
    yield found
    forget()


def forget():
    """What was recorded with other libraries is recorded anew."""
    run_module._shared_program.cache_clear()
    groups.forget()


def by_graph(trials, cache_dir, device="cpu"):
    splits = [splits_for(t, cache_dir) for t in trials]
    return list(train(stack_of(trials), splits, device, by_graph=True))


def trials_of(kind, **more):
    if kind in KINDS:
        return members(kind, 4, train__steps=STEPS, **more)
    paths = {"optimizer__lr": 0.01, **MORE[kind], "train__steps": STEPS, **more}
    return [trial_of(i % 2, **paths) for i in range(4)]


@pytest.mark.parametrize("kind", ALL)
def test_a_tape_gives_what_the_steps_give(kind, tapes, cache_dir):
    trials = trials_of(kind)
    plain, played = train_together(trials, cache_dir), by_graph(trials, cache_dir)
    for one, other in zip(plain, played, strict=True):
        assert other.provenance.fallback is None
        assert_same(one, other, 0.0)
    assert 1 <= len(tapes) <= 2  # one, and another where members have left
    assert plain[0].status is Status.DONE


@pytest.mark.parametrize(
    "more", [{}, {"schedule": {"name": "cosine", "warmup": 0.1}}], ids=["constant", "cosine"]
)
def test_members_that_leave_are_recorded_anew(more, tapes, cache_dir):
    trials = mixed(train__steps=STEPS, **more)
    plain, played = train_together(trials, cache_dir), by_graph(trials, cache_dir)
    assert len(tapes) > 1
    for one, other in zip(plain, played, strict=True):
        assert_same(one, other, 0.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
@pytest.mark.parametrize("kind", ALL)
def test_a_cuda_graph_gives_what_the_steps_give(kind, cache_dir):
    trials = trials_of(kind)
    plain, played = (f(trials, cache_dir, "cuda") for f in (train_together, by_graph))
    for one, other in zip(plain, played, strict=True):
        assert other.provenance.fallback is None
        assert_same(one, other, TOLERANCE["cuda"])


def test_a_number_that_differs_from_step_to_step_would_be_seen(tapes, cache_dir, monkeypatch):
    """Recorded with the step's number itself, dropout would drop the same units ever after."""
    take = cuda_graph.Replay.__call__

    def stuck(self, step, batch, coefficients):
        return take(self, 1, batch, coefficients)

    trials = trials_of("momentum dropout")
    plain = train_together(trials, cache_dir)
    monkeypatch.setattr(cuda_graph.Replay, "__call__", stuck)
    assert by_graph(trials, cache_dir)[0].curves != plain[0].curves


@pytest.mark.parametrize("device", DEVICES)
def test_steps_that_are_refused_go_on_as_ever_and_the_record_says_so(device, cache_dir, monkeypatch):
    def refused(step):
        raise torch.AcceleratorError(f"{WHY}. It\nmight be reported later")

    trials = trials_of("batch_norm")
    plain = train_together(trials, cache_dir, device)
    monkeypatch.setattr(cuda_graph, "recorded", refused)
    for one, other in zip(plain, by_graph(trials, cache_dir, device), strict=True):
        assert_same(one, other, TOLERANCE[device])
        assert other.provenance.fallback == f"without a CUDA graph, AcceleratorError: {WHY}"


def test_a_record_broken_off_half_way_changes_nothing(tapes, cache_dir, monkeypatch):
    record = cuda_graph.recorded

    def broken_off(step):
        record(step)
        raise RuntimeError("out of memory in the graph's pool")

    trials = trials_of("batch_norm")
    plain = train_together(trials, cache_dir)
    monkeypatch.setattr(cuda_graph, "recorded", broken_off)
    for one, other in zip(plain, by_graph(trials, cache_dir), strict=True):
        assert_same(one, other, 0.0)
        assert "out of memory" in other.provenance.fallback
    assert len(tapes) == 1  # tried once
