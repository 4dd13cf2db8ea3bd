"""The size of stacks: chosen by measured times, remembered, bounded by memory, halved where that runs out."""

import os
from types import SimpleNamespace

import pytest
import torch

from harness.running import job as job_module
from harness.running import pace as pace_module
from harness.running.job import Job, largest_on, pacer_of, part_size, run_job, splits_of
from harness.running.memory import available_bytes, free_bytes, held_bytes, is_out_of_memory
from harness.running.pace import Pace, Pacer, Timed
from harness.training.stack import Stack, stack_key
from harness.training.train import train_step
from harness.words.record import Status
from tests.running.test_executors import numbers
from tests.training.examples import trial_of


def pace(**times):
    """A pace by microseconds a step: s4=20 is a trial in a stack of 4."""
    steps = {int(name[1:]): 1e-6 * us for name, us in times.items()}
    return Pace(step_s=steps)


GAINS = pace(s1=500, s4=200, s16=150, s64=140)  # a small network
LOSES = pace(s1=100, s4=130)  # a large one
MIDDLE = pace(s1=100, s4=60, s16=90)
DATA = [SimpleNamespace(y_train=range(300))]


@pytest.mark.parametrize(
    ("known", "trials", "largest", "parts"),
    [
        (GAINS, 1, 256, 1),
        (GAINS, 18, 256, 1),
        (GAINS, 64, 256, 2),  # of 32, which are 4 % slower than 64
        (GAINS, 100, 256, 3),  # of 34, 4 % slower than 100
        (GAINS, 18, 10, 2),  # of 9
        (GAINS, 100, 13, 9),  # of 12, 2 % slower than of 13
        (LOSES, 7, 256, 7),
        (MIDDLE, 16, 256, 4),
        (MIDDLE, 5, 256, 2),
        (MIDDLE, 8, 256, 2),
        (pace(s1=100, s4=96), 4, 256, 4),  # not worth it
        (pace(s1=100, s4=80), 4, 256, 1),
        (GAINS, 3, 1, 3),
    ],
)
def test_stacks_are_small_ones_of_about_the_least_time(known, trials, largest, parts):
    assert known.parts(trials, largest) == parts


def test_never_slower_than_alone():
    for known in (GAINS, LOSES, MIDDLE):
        for trials in range(1, 130):
            size = -(-trials // known.parts(trials, 256))
            assert known.step(size) <= known.step(1)


def test_times_between_sizes():
    assert GAINS.step(8) == pytest.approx((200e-6 * 150e-6) ** 0.5)
    overhead = 10e-6 / (1 / 16 - 1 / 64)  # of a step, shared by all: what 64 gain on 16
    assert GAINS.step(1000) == pytest.approx(140e-6 - overhead / 64 + overhead / 1000)
    assert LOSES.step(1000) == pytest.approx(130e-6)
    assert pace(s1=1000).step(10) == pytest.approx(100e-6)
    assert pace(s1=1001).step(10) == pytest.approx(1001e-6)
    assert pace(s1=100, s4=20).step(10) == pytest.approx(8e-6)  # no more than all of it is overhead
    most = pace(s1=100, s4=80, s16=40)  # and no more than a step of one alone takes
    assert most.step(100) == pytest.approx(40e-6 - 100e-6 / 16 + 100e-6 / 100)
    assert GAINS.evaluation(64, 300, 100) == pytest.approx(140e-6)


@pytest.fixture
def work(tmp_path):
    trials = tuple(trial_of(r, train__steps=40) for r in range(9))
    return Job(Stack(stack_key(trials[0].config), trials), tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """Times that a table gives, and the sizes asked for."""
    asked = []

    def _clock(times):
        def _time(stack, splits, size, device):
            asked.append(size)
            return Timed(times[size])

        monkeypatch.setattr(pace_module, "_time", _time)
        return asked

    return _clock


def test_a_program_is_timed_once_and_remembered(work, clock):
    asked = clock({1: 5.0, 4: 2.0, 16: 1.0})
    first = pacer_of(work.cache_dir, "cpu").pace(work.stack, DATA)
    assert asked == [1, 4]  # nine trials make no stack of sixteen
    assert first.step_s == {1: 5.0, 4: 2.0}
    assert Pacer(folder=work.cache_dir / "pace").pace(work.stack, DATA) == first
    assert asked == [1, 4]


def test_more_trials_time_larger_stacks(work, clock):
    asked = clock({1: 5.0, 4: 2.0, 16: 1.0})
    pacer_of(work.cache_dir, "cpu").pace(Stack(work.stack.key, work.stack.trials[:3]), DATA)
    pacer_of(work.cache_dir, "cpu").pace(Stack(work.stack.key, work.stack.trials * 3), DATA)
    assert asked == [1, 4, 16]


def test_no_larger_stack_is_timed_once_it_gets_slower(work, clock):
    asked = clock({1: 1.0, 4: 1.5})
    pacer_of(work.cache_dir, "cpu").pace(Stack(work.stack.key, work.stack.trials * 30), DATA)
    assert asked == [1, 4]


def test_no_stack_is_chosen_beyond_one_that_does_not_fit():
    """Whatever gains its time promises: 52 of 256 trials by the times alone."""
    gains = pace(s1=2000, s4=1000, s16=700)
    assert -(-256 // gains.parts(256, 256)) > 16
    for most in (1, 5, 16):
        fits = gains.at_most(most)
        for trials in range(1, 300):
            assert -(-trials // fits.parts(trials, 256)) <= most
    assert gains.at_most(16).at_most(4).at_most(8).fits == 4


def test_memory_bounds_the_sizes(work, clock, monkeypatch):
    asked = clock({1: 5.0, 4: 2.0, 16: 1.0})
    monkeypatch.setattr(pace_module, "held_bytes", lambda device: 1000 + 100 * sum(asked[-1:]))
    monkeypatch.setattr(pace_module, "free_bytes", lambda device: 2000)  # half of it for a worker
    many = Stack(work.stack.key, work.stack.trials * 30)
    found = pacer_of(work.cache_dir, "cpu").pace(many, DATA)
    assert (found.step_s, found.held, found.fits) == ({1: 5.0, 4: 2.0}, 400, 4)
    assert asked == [1, 4]
    assert part_size(work._replace(stack=many), DATA) == 4
    assert asked == [1, 4]  # remembered
    asked.clear()
    monkeypatch.setattr(pace_module, "free_bytes", lambda device: 0)
    lone = Pacer(folder=work.cache_dir / "other").pace(work.stack, DATA)
    assert lone.step_s == {1: 5.0}
    assert asked == [1]
    assert lone.parts(9, 256) == 9  # a stack that doesn't fit isn't tried


def test_what_was_timed_before_says_what_larger_stacks_take(work, clock, monkeypatch):
    """A process that has timed nothing itself still knows what to expect."""
    asked = clock({1: 5.0, 4: 2.0, 16: 1.0})
    monkeypatch.setattr(pace_module, "held_bytes", lambda device: 1000 + 100 * sum(asked[-1:]))
    pacer_of(work.cache_dir, "cpu").pace(work.stack, DATA)  # nine trials: 1 and 4
    monkeypatch.setattr(pace_module, "held_bytes", lambda device: 5000)
    monkeypatch.setattr(pace_module, "free_bytes", lambda device: 3000)
    many = Stack(work.stack.key, work.stack.trials * 30)
    assert pacer_of(work.cache_dir, "cpu").pace(many, DATA).fits == 4  # 16 would take 1600
    assert asked == [1, 4]


def test_a_size_that_runs_out_of_memory_is_not_used(work, monkeypatch):
    asked = []

    def _time(stack, splits, size, device):
        asked.append(size)
        if size > 4:
            raise torch.OutOfMemoryError("none left")
        return Timed(1.0 / size)

    monkeypatch.setattr(pace_module, "_time", _time)
    many = work._replace(stack=Stack(work.stack.key, work.stack.trials * 30))
    assert part_size(many, DATA) == part_size(many, DATA) == 4
    assert asked == [1, 4, 16]  # once


def test_damaged_memory_is_measured_anew(work, clock):
    clock({1: 5.0, 4: 2.0})
    found = pacer_of(work.cache_dir, "cpu").pace(work.stack, DATA)
    (file,) = (work.cache_dir / "pace").iterdir()
    file.write_text("{")
    assert pacer_of(work.cache_dir, "cpu").pace(work.stack, DATA) == found


@pytest.mark.parametrize(
    ("step_s", "timed", "size"),
    [
        (1e-3, [1], 9),  # so short a step is overhead, which a stack shares
        (2e-3, [1, 4], 1),  # of a longer one two sizes are timed: here nothing is gained
    ],
)
def test_timing_costs_a_small_share_of_the_work(work, monkeypatch, step_s, timed, size):
    """A second for each size, of a stack that takes nine trials x 40 steps x 1 or 2 ms."""
    now, asked = [0.0], []

    def _time(stack, splits, size, device):
        asked.append(size)
        now[0] += 1.0
        return Timed(step_s)

    monkeypatch.setattr(pace_module, "_time", _time)
    monkeypatch.setattr(pace_module.time, "perf_counter", lambda: now[0])
    assert part_size(work, DATA) == size
    assert asked == timed


def test_real_times(tmp_path):
    trials = tuple(trial_of(r, train__steps=50_000) for r in range(9))
    work = Job(Stack(stack_key(trials[0].config), trials), tmp_path)
    splits = [splits_of(t, work.cache_dir) for t in work.stack.trials]
    found = pacer_of(work.cache_dir, "cpu").pace(work.stack, splits)
    assert list(found.step_s) == [1, 4]
    assert 0 < found.step_s[4] < 0.1
    assert part_size(work, splits) in (3, 5, 9)


def test_out_of_memory_halves_the_stack_and_goes_on(work, monkeypatch):
    sizes, train = [], job_module.train

    def limited(stack, *rest):
        sizes.append(len(stack.trials))
        if len(stack.trials) > 3:
            raise torch.OutOfMemoryError("none left")
        return train(stack, *rest)

    whole = run_job(work).records
    (file,) = (work.cache_dir / "pace").iterdir()
    file.write_bytes(pace(s1=100, s4=50).model_dump_json().encode())  # by which nine train together
    monkeypatch.setattr(job_module, "train", limited)
    halved = run_job(work).records
    assert sizes == [9, 5, 3, 3, 3]
    assert numbers(halved) == numbers(whole)
    sizes.clear()
    assert numbers(run_job(work).records) == numbers(whole)
    assert sizes == [3, 3, 3]  # remembered


def test_one_trial_that_does_not_fit_fails(work, monkeypatch):
    def never(*_):
        raise MemoryError("none left")

    monkeypatch.setattr(job_module, "train", never)
    records = run_job(work).records
    assert {r.status for r in records} == {Status.FAILED}
    assert "MemoryError: none left" in records[0].reason


def test_a_job_whose_worker_died_is_trained_in_a_quarter_of_what_it_was(work):
    many = work._replace(stack=Stack(work.stack.key, work.stack.trials * 30))  # 270
    assert [many.smaller().largest, many.smaller().smaller().largest] == [64, 16]
    assert work.smaller().smaller().largest == work._replace(largest=1).smaller().largest == 1


def test_the_quarter_is_of_the_stacks_that_the_pace_chose(work, clock):
    clock({1: 100e-6, 4: 60e-6, 16: 50e-6, 64: 90e-6})
    many = work._replace(stack=Stack(work.stack.key, work.stack.trials * 28))  # 252
    sizes = []
    for _ in range(4):
        sizes.append(part_size(many, DATA))
        many = many.smaller()
    assert sizes == [12, 3, 1, 1]


def test_no_size_is_timed_beyond_the_largest(work, clock):
    asked = clock({1: 5.0, 4: 2.0})
    assert part_size(work._replace(largest=1), DATA) == 1
    assert asked == []
    many = Stack(work.stack.key, work.stack.trials * 30)
    assert part_size(work._replace(stack=many, largest=4), DATA) == 4
    assert asked == [1, 4]


def test_each_gpu_has_a_pace_of_its_own(tmp_path, monkeypatch):
    cuda = pacer_of(tmp_path, "cuda")
    for name in ("NVIDIA A", "NVIDIA B"):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device, name=name: name)
        assert cuda.known("x") == Pace(step_s={})
        cuda.bound("x", 7)
        assert cuda.known("x").fits == 7
    assert pacer_of(tmp_path, "cpu").known("x").fits is None


@pytest.mark.parametrize(
    ("plain_s", "graph_s", "refusal", "wanted"),
    [
        (10.0, 4.0, None, Timed(4.0, True)),
        (10.0, 9.8, None, Timed(10.0)),  # not worth it
        (10.0, 12.0, None, Timed(10.0)),
        (10.0, 4.0, "without a CUDA graph, RuntimeError", Timed(10.0)),  # refused: it was the step as ever
    ],
)
def test_a_graph_is_used_where_it_is_measured_to_pay(plain_s, graph_s, refusal, wanted, work, monkeypatch):
    run = SimpleNamespace(program=SimpleNamespace(fallback=None), refusal=None)

    def _mean_s(run, take):
        if take is train_step:
            return plain_s
        run.refusal = refusal
        return graph_s

    monkeypatch.setattr(pace_module, "_mean_s", _mean_s)
    assert pace_module._on_gpu(run) == wanted


def test_a_network_trained_one_by_one_is_no_graph(monkeypatch):
    """Its code may go another way by what it sees; a graph would not."""
    run = SimpleNamespace(program=SimpleNamespace(fallback="trained one at a time"), refusal=None)
    monkeypatch.setattr(pace_module, "_mean_s", lambda run, take: 1.0 if take is train_step else 0.1)
    assert pace_module._on_gpu(run) == Timed(1.0)


def test_a_stack_goes_as_the_closest_one_that_was_timed(work, monkeypatch):
    known = Pace(step_s={}).also(1, Timed(1.0, True)).also(4, Timed(0.5, True)).also(64, Timed(0.4))
    assert [known.goes_by_graph(n) for n in (1, 2, 15, 17, 64, 500)] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert not Pace(step_s={}).goes_by_graph(4)
    assert Pace.model_validate_json(known.model_dump_json()) == known
    (work.cache_dir / "pace").mkdir()
    pacer = pacer_of(work.cache_dir, "cpu")
    pacer._file(work.stack.key).write_text(known.model_dump_json())
    told, train = [], job_module.train

    def noted(stack, splits, device, tell, leave, by_graph):
        told.append((len(stack.trials), by_graph))
        return train(stack, splits, device, tell, leave)

    monkeypatch.setattr(job_module, "train", noted)
    run_job(work)
    run_job(work._replace(largest=1))
    assert told == [(5, True), (4, True)] + [(1, True)] * 9


def test_a_gpu_takes_larger_stacks():
    assert (largest_on("cpu"), largest_on("cuda")) == (256, 4096)


def test_the_parts_of_a_job_report_one_share(work, monkeypatch):
    shares = []
    monkeypatch.setattr(job_module, "part_size", lambda job, splits: 4)
    assert len(run_job(work, shares.append).records) == 9
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_memory_of_the_machine():
    before = held_bytes("cpu")
    block = bytearray(1 << 27)
    assert (1 << 26) < held_bytes("cpu") - before < (1 << 28)
    assert len(block) < available_bytes()
    assert (
        0 < free_bytes("cpu") <= available_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("x"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_what_running_out_looks_like(error, expected):
    assert is_out_of_memory(error) is expected
