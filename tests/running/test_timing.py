"""Timing: arms take turns and do the same work, times are right, verdicts follow the project's rule."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from harness.analysis.multiplicity import holm
from harness.catalogue.activations import ACTIVATIONS
from harness.errors import BadInput, RunFailed, UnknownName
from harness.running.timing import clock, matrix_form, process, steps
from harness.running.timing.activations import SIZES
from harness.running.timing.benchmark import Arm, Benchmark, Pair, Setting
from harness.running.timing.clock import Times, calls_in, measure
from harness.running.timing.judge import check_asked, compare, headline, judge
from harness.running.timing.step_cost import linear_costs
from harness.running.timing.table import BENCHMARKS
from harness.words.verdict import Answer

PAIR = Pair("s", "a", "b")


class Clock:
    """A clock that moves only when a call says so: times come out exactly, however busy the machine."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def taking(self, seconds: float):
        """A call that takes as long."""

        def call() -> None:
            self.now += seconds

        return call


@pytest.fixture
def watch(monkeypatch):
    made = Clock()
    monkeypatch.setattr(clock, "time", made)
    return made


def compared(ratios, delta=1.25, pair=PAIR):
    """The comparison where b's times are these multiples of a's, whatever a's are."""
    a = np.linspace(1.0, 3.0, len(ratios))
    return compare(pair, {("s", "a"): a, ("s", "b"): a * np.array(ratios)}, delta)


def test_known_times_come_out_a_unit_of_work(watch):
    arms = (
        Arm("one", lambda: watch.taking(0.002)),
        Arm("two", lambda: watch.taking(0.004)),
        Arm("two of two", lambda: watch.taking(0.004), 2),
    )
    found = measure([Setting("s", arms)], rounds=3)
    assert [t.arm for t in found] == ["one", "two", "two of two"]
    assert [t.seconds for t in found] == [pytest.approx([s] * 3) for s in (0.002, 0.004, 0.002)]


def test_every_arm_has_its_turn_in_every_round_before_the_next_begins(watch):
    log: list[str] = []

    def logged(name):
        call = watch.taking(0.01)  # a block is one call
        return lambda: lambda: (log.append(name), call())

    measure([Setting("s", tuple(Arm(n, logged(n)) for n in "abc"))], rounds=12)
    blocks = log[-2 * 3 * 12 :: 2]  # an untimed call and a timed one a block
    rounds = [tuple(blocks[i : i + 3]) for i in range(0, len(blocks), 3)]
    assert all(sorted(turns) == ["a", "b", "c"] for turns in rounds)
    assert len(set(rounds)) > 1, "arms always follow one another in the same order"


def test_setting_up_and_warming_up_are_not_timed(watch):
    slow_first = iter([9.0] * clock.WARM_UP_CALLS)

    def start():
        watch.now += 100.0
        return lambda: watch.taking(next(slow_first, 0.001))()

    (found,) = measure([Setting("s", (Arm("a", start),))], rounds=2)
    assert found.seconds == pytest.approx([0.001, 0.001])


def test_a_block_is_filled_with_short_calls_and_has_one_long_call(watch):
    assert calls_in(watch.taking(0.001), 0.0201) == 21
    assert calls_in(watch.taking(0.01), 0.001) == 1


def test_a_ratio_and_its_interval_are_those_of_a_t_test_on_logs():
    ratios = np.array([1.9, 2.0, 2.2, 2.1, 1.8, 2.05, 1.95, 2.3])
    found = compared(ratios)
    expected = stats.ttest_1samp(np.log(ratios), 0)
    low, high = expected.confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))
    assert found.ratio == pytest.approx(stats.gmean(ratios))
    assert found.p_value == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("centre", "answer", "grade"),
    [
        (2.0, Answer.SUPPORTED, "clear"),
        (1.15, Answer.REFUTED, "too small"),
        (1.0, Answer.REFUTED, "negligible"),
        (0.5, Answer.REFUTED, "reversed"),
    ],
)
def test_the_verdict_follows_the_rule(centre, answer, grade):
    spread = np.array([0.97, 1.03, 0.98, 1.02, 0.99, 1.01, 0.96, 1.04])
    found = compared(centre * spread)
    assert (found.answer, found.grade) == (answer, grade)
    assert headline(found).startswith(f"{answer.value} ({grade}): b takes ")


def test_noise_is_inconclusive_and_says_how_many_rounds_would_do():
    found = compared([0.5, 3.0, 0.6, 2.9, 0.7, 2.0, 1.4, 1.5])
    assert found.answer is Answer.INCONCLUSIVE
    assert found.needed_n is not None
    assert found.needed_n > 8
    assert str(found.needed_n) in headline(found)


def test_what_slows_a_whole_round_cancels():
    """Rounds up to a hundred times slower than others leave a ratio of paired times as it is."""
    a = np.geomspace(1e-6, 1e-4, 10)
    found = compare(PAIR, {("s", "a"): a, ("s", "b"): 1.5 * a}, 1.25)
    assert (found.low, found.ratio, found.high) == pytest.approx((1.5, 1.5, 1.5))


def test_the_first_pair_is_primary_and_the_others_are_adjusted():
    rng = np.random.default_rng(0)
    times = [Times(setting="s", arm=arm, calls=1, seconds=list(rng.uniform(1, 2, 12))) for arm in "abcd"]
    pairs = tuple(Pair("s", "a", other) for other in "bcd")
    first, *others = judge(Benchmark("", "", "", list, pairs), times)
    assert first.primary
    assert first.p_adjusted is None
    assert [c.primary for c in others] == [False, False]
    assert [c.p_adjusted for c in others] == pytest.approx(list(holm([c.p_value for c in others])))


@pytest.mark.parametrize(("pairs", "answer"), [(2, Answer.SUPPORTED), (3, Answer.INCONCLUSIVE)])
def test_a_secondary_pair_is_supported_only_after_correction(pairs, answer):
    noise = np.random.default_rng(0).standard_normal(10)
    gains = 0.25 + 0.32 * (noise - noise.mean()) / noise.std(ddof=1)  # p = .036 alone, twice that of two
    a = np.linspace(1.0, 3.0, 10)
    seconds = {"a": a, "b": a * np.exp(gains)}
    times = [Times(setting="s", arm=arm, calls=1, seconds=list(values)) for arm, values in seconds.items()]
    _, *others = judge(Benchmark("", "", "", list, (PAIR,) * pairs), times)
    assert [c.answer for c in others] == [answer] * (pairs - 1)
    assert all(("Holm" in c.reason) is (answer is Answer.INCONCLUSIVE) for c in others)


@pytest.mark.parametrize(
    ("rounds", "delta", "said"), [(7, 1.25, "--rounds 8"), (30, 1.0, "--delta 1"), (30, math.nan, "above 1")]
)
def test_what_cannot_decide_is_refused(rounds, delta, said):
    with pytest.raises(BadInput, match=said):
        check_asked(rounds, delta)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_pair_names_arms_that_are_timed(name):
    there = {(s.name, arm.name) for s in BENCHMARKS[name].settings() for arm in s.arms}
    asked = [(p.setting, arm) for p in BENCHMARKS[name].pairs for arm in (p.faster, p.slower)]
    assert asked
    assert set(asked) <= there
    assert len(set(BENCHMARKS[name].pairs)) == len(BENCHMARKS[name].pairs)
    assert max(Counter((s.name, a.name) for s in BENCHMARKS[name].settings() for a in s.arms).values()) == 1


def test_every_activation_is_timed_and_its_backward_is_right():
    (setting, *_) = BENCHMARKS["cost_activations"].settings()
    assert {arm.name for arm in setting.arms} == set(ACTIVATIONS)
    grads = {arm.name: arm.start()() for arm in setting.arms}
    assert all(g[0].shape == (SIZES[0],) for g in grads.values())
    positive = grads["relu"][0] != 0
    torch.testing.assert_close(grads["leaky_relu"][0][positive], grads["relu"][0][positive])
    torch.testing.assert_close(grads["leaky_relu"][0][~positive], 0.01 * grads["identity"][0][~positive])
    assert len(grads["prelu"]) == 2, "a learned slope has a gradient too"


def test_a_loop_over_units_computes_what_the_product_does():
    rows = matrix_form.loop_of_units(5)()
    (whole,) = matrix_form.product(5)()
    torch.testing.assert_close(torch.stack(rows), whole)


def test_a_loop_over_models_computes_what_the_stack_does():
    members = matrix_form.loop_of_models(3)()
    whole = matrix_form.stack(3)()
    for own, stacked in zip(zip(*members, strict=True), whole, strict=True):
        torch.testing.assert_close(torch.stack(own), stacked)


def test_a_training_step_trains_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    run = steps.training_step(8, 16)
    assert torch.equal(torch.random.get_rng_state(), before)
    (model,) = (
        cell.cell_contents for cell in run.__closure__ if isinstance(cell.cell_contents, torch.nn.Module)
    )
    first = [p.detach().clone() for p in model.parameters()]
    run()
    assert all(not torch.equal(a, b) for a, b in zip(first, model.parameters(), strict=True))


def costs_of(steps_us):
    """The line through steps of batches of 1, 10 and 1,000 examples that took so long at their fastest."""
    arms = tuple(Arm(f"batch {b}", lambda: lambda: None, b) for b in (1, 10, 1000))
    times = [
        Times(setting="net", arm=a.name, calls=1, seconds=[k * t * 1e-6 / a.work for k in (3, 1, 7)])
        for a, t in zip(arms, steps_us, strict=True)
    ]
    (found,) = linear_costs([Setting("net", arms)], times)
    return found


def test_the_cost_of_a_step_is_the_line_through_the_fastest_rounds():
    found = costs_of([102, 120, 2100])
    assert (found.step_us, found.example_us) == (pytest.approx(100), pytest.approx(2))
    assert found.misfit == pytest.approx(0, abs=1e-9)


def test_the_line_fits_small_batches_as_well_as_large_ones_and_says_how_well():
    """Against a minimum found on a grid: by absolute errors the largest batch would decide alone."""
    taken = np.array([110.0, 130.0, 2500.0])
    found = costs_of(taken)
    step, each = np.meshgrid(np.linspace(80, 140, 301), np.linspace(1.5, 3, 301))
    off = [(step + b * each) / t - 1 for b, t in zip((1, 10, 1000), taken, strict=True)]
    best = np.unravel_index(sum(np.square(o) for o in off).argmin(), step.shape)
    assert found.step_us == pytest.approx(step[best], abs=0.2)
    assert found.example_us == pytest.approx(each[best], abs=0.005)
    assert found.misfit == pytest.approx(max(abs(o[best]) for o in off), abs=0.01)


def test_no_part_of_a_steps_cost_is_below_nothing():
    assert costs_of([100, 90, 80]).example_us == 0


def test_an_unknown_benchmark_is_named():
    with pytest.raises(UnknownName, match="cost_batch"):
        process.run_alone("cost_batches")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_benchmark_that_cannot_run_here_says_why():
    found = process.run_alone("cost_device")
    assert "no GPU" in found.skipped
    assert found.comparisons == []


def test_a_benchmark_runs_in_a_process_of_its_own(monkeypatch):
    """The real thing with the fewest rounds: every time of every arm comes back, judged."""
    found = process.run_alone("cost_batch", rounds=8)
    assert [t.arm for t in found.times] == [f"batch {b}" for b in steps.BATCHES] * len(steps.BATCH_WIDTHS)
    assert all(len(t.seconds) == 8 and min(t.seconds) > 0 for t in found.times)
    assert found.headline == headline(found.comparisons[0])
    assert found.costs == linear_costs(steps.batch_settings(), found.times)
    assert [c.setting for c in found.costs] == [s.name for s in steps.batch_settings()]
    assert 0 < found.processor_share < 1.5
    assert type(found).model_validate(found.model_dump(mode="json")) == found


def test_a_process_that_fails_is_reported_with_its_last_words(monkeypatch):
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    with pytest.raises(RunFailed, match="ended with 1"):
        process.run_alone("cost_batch", rounds=8)
