"""Stacks among workers: longest first, cut where that ends the work earlier, nothing lost."""

import pytest

from harness.running.balance import OVERHEAD, balanced, cost_of, longest_first, trials_within
from harness.running.batch import JOB_WORK, shared_out
from harness.running.pace import Pace, Pacer, _write
from harness.training.stack import Stack, stacks_of
from tests.training.examples import trial_of


def stack(name, size):
    """A stack of anything: the balance looks at trials only through the cost."""
    return Stack(name, tuple(f"{name}{i}" for i in range(size)))


def linear(stack):
    return float(len(stack.trials))


def with_overhead(stack):
    return len(stack.trials) + 100.0


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("sizes", [[18] * 7, [20], [64, 8, 8, 8], [1], [2, 1, 1], [5, 5, 5, 5, 3]])
def test_nothing_is_lost_and_no_worker_idles_long(sizes, workers):
    stacks = [stack(f"k{i}-", n) for i, n in enumerate(sizes)]
    parts = balanced(stacks, workers, linear)
    assert sorted(t for p in parts for t in p.trials) == sorted(t for s in stacks for t in s.trials)
    assert [linear(p) for p in parts] == sorted((linear(p) for p in parts), reverse=True)
    even = sum(sizes) / workers
    longest = max(sum(map(linear, share)) for share in longest_first(parts, workers, linear))
    # Graham 1969, of longest first against the best there is, which a trial's length keeps from even.
    assert longest <= (4 / 3 - 1 / (3 * workers)) * (even + 1)
    if workers == 2:
        assert longest <= max(1.04 * even, even + 1)


def test_no_more_cuts_than_it_takes():
    parts = balanced([stack(f"k{i}-", 18) for i in range(7)], 2, linear)
    assert sorted(len(p.trials) for p in parts) == [9, 9] + [18] * 6


def test_a_cut_that_costs_more_than_it_saves_is_not_made():
    stacks = [stack("a", 6), stack("b", 4), stack("c", 4)]
    assert balanced(stacks, 2, with_overhead) == stacks


@pytest.mark.parametrize("size", [2, 5, 12, 72])
def test_cut_trials_are_dealt_out_in_their_order(size):
    whole = stack("a", size).trials
    parts = balanced([Stack("a", whole)], 2, linear)
    for part in parts:
        places = [whole.index(trial) for trial in part.trials]
        assert places == sorted(places)
        for end in range(size + 1):  # of any group of neighbours, an optimizer's, each has its share
            expected = end * len(part.trials) / size
            assert abs(sum(place < end for place in places) - expected) < 1


@pytest.fixture
def stacks():
    deep = [trial_of(r, model__widths=[40, 40]) for r in range(4)]
    shallow = [trial_of(r, model__widths=[4]) for r in range(4)]
    return stacks_of([*shallow, *deep], 64)


def test_untimed_programs_cost_by_steps_examples_and_parameters(stacks, tmp_path):
    cost = cost_of(stacks, Pacer(folder=tmp_path))
    shallow, deep = (cost(s) for s in stacks)
    parameters = (41 * 4 + 5 * 10, 41 * 40 + 41 * 40 + 41 * 10)
    assert deep / shallow == pytest.approx(parameters[1] / parameters[0])
    assert shallow == (4 + OVERHEAD) * 200 * 30 * parameters[0]


def test_timed_programs_cost_seconds(stacks, tmp_path):
    pacer = Pacer(folder=tmp_path)
    for s, step in zip(stacks, (1.0, 2.0), strict=True):
        _write(pacer._file(s.key), Pace(step_s={1: 9.0, 4: step}))
    cost = cost_of(stacks, pacer)
    evaluation = 2 * 90 / 30 / 3  # steps: two heads of 90 examples in batches of 30, forward alone
    assert [cost(s) for s in stacks] == pytest.approx([4 * (200 + 9 * evaluation) * step for step in (1, 2)])


@pytest.mark.parametrize(("device", "jobs"), [("cpu", 4), ("cuda", 1)])
def test_a_job_on_a_cpu_is_no_more_work_than_may_be_lost(device, jobs, tmp_path, monkeypatch):
    """Ten trials of 300,000 steps x 30 examples x 1,540 parameters."""
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "some GPU")
    trials = [trial_of(r, model__widths=[30], train__steps=300_000) for r in range(10)]
    pacer = Pacer(folder=tmp_path, device=device)
    assert trials_within(JOB_WORK, trials[0].config) == 3
    stacks = shared_out(trials, 1, 64, pacer)
    assert len(stacks) == jobs
    assert sorted(t.id for s in stacks for t in s.trials) == sorted(t.id for t in trials)


def test_a_trial_of_more_work_than_a_job_is_a_job_of_its_own():
    assert trials_within(1.0, trial_of().config) == 1


def test_trials_that_take_no_step_are_one_job(tmp_path):
    trials = [trial_of(r, train__steps=0, train__evaluations=None) for r in range(50)]
    assert [len(s.trials) for s in shared_out(trials, 1, 64, Pacer(folder=tmp_path))] == [50]
