"""A study from its design to judged records: what runs, what is kept, what is refused."""

import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.errors import BadInput, RunFailed
from harness.planning.trials import judge_trials, n_trials
from harness.records.store import Store
from harness.running import reruns
from harness.running.batch import run_batch
from harness.running.executors import WorkerProcesses
from harness.running.here import ThisProcess
from harness.running.job import Answer, run_job
from harness.running.reruns import compare
from harness.running.run import run_study, score, selection
from harness.words.outcome import Outcome
from harness.words.record import Status
from tests.running.conftest import JUDGED, TUNED
from tests.running.executors import interrupted_after

RERUNS = 2
STEPS_TO = (
    "outcome: {final: test/accuracy}, delta: 0.01",
    "outcome: {steps_to: val/accuracy}, delta: 1.25",
)
FASTER = (("superiority", "faster"), STEPS_TO, ("epochs: 2", "epochs: 2, evaluations: 4"))


def numbers(store):
    """What a run measured, by trial: everything but where and how long."""
    return {
        key: (r.status, r.steps, repr(r.curves), repr(r.final), r.diverged_at_step, r.n_parameters)
        for key, r in store.load().items()
    }


def test_a_run_leaves_few_parts_however_many_stacks_it_took(design, bench, monkeypatch):
    plan, b = design(), bench(largest_stack=2)
    compact = Store.compact
    monkeypatch.setattr(Store, "compact", lambda store: compact(store, more_than=4))
    run_study(plan, b)
    assert len(list(b.store.path.glob("records/*.parquet"))) == 1
    assert len(b.store.load()) == TUNED + JUDGED
    trained = len(b.executor.trials)
    b.store.close()
    run_study(plan, bench(inner=b.executor))
    assert len(b.executor.trials) == trained


def test_a_whole_run(design, bench):
    plan, b = design(), bench()
    run_study(plan, b)
    assert n_trials(plan) == TUNED + JUDGED
    records = b.store.load()
    assert len(records) == TUNED + JUDGED
    assert len(b.executor.trials) == TUNED + JUDGED + RERUNS
    planned = b.store.plan()
    assert {p.trial for p in planned} == set(records)
    assert sum(p.phase == "tune" for p in planned) == TUNED
    choices = b.store.choices()
    assert set(choices) == {"sgd", "adam"}
    frozen = b.store.frozen()
    assert frozen.choices == {arm: c.params for arm, c in choices.items()}
    assert (frozen.design_hash, frozen.amendments, frozen.targets) == (plan.hash, [], {})
    for p in planned:  # judged with what was chosen, on whole data; tuning saw no test split
        record = records[p.trial]
        assert record.status is Status.DONE or p.phase == "tune"  # SGD's highest rate is too high
        assert ("test/accuracy" in record.final) == (p.phase == "judge")
        if p.phase == "judge":
            assert p.params == choices[p.arm].params
            assert record.config["optimizer"]["lr"] == p.params["optimizer.lr"]


def test_records_on_disk_are_held_no_longer(design, bench, monkeypatch):
    """However many stacks a batch has: each ends here after the one before is kept."""
    turn, held, alive, append = threading.Semaphore(1), [], [], Store.append

    class OneAfterTheOther:
        workers = 1

        def __init__(self):
            self._threads = ThreadPoolExecutor(1)

        def submit(self, job, report):
            return self._threads.submit(lambda: (turn.acquire(), run_job(job, report))[1])

    def kept(store, records):
        alive.append(sum(record() is not None for record in held))
        held.extend(weakref.ref(record) for record in records)
        append(store, records)
        turn.release()

    monkeypatch.setattr(Store, "append", kept)
    plan, b = design(), bench(OneAfterTheOther(), largest_stack=2)
    judged = [t for arm in plan.arms for t, _ in judge_trials(plan, arm, {"optimizer.lr": 0.01})]
    run_batch(b, "judging", judged)
    assert len(held) == JUDGED
    assert max(alive) <= 2  # of the last stack


def test_replicates_are_paired_across_arms(design, bench):
    b = bench()
    run_study(design(), b)
    judged = {(p.arm, p.replicate): b.store.load()[p.trial] for p in b.store.plan() if p.phase == "judge"}
    prints = {arm: [judged[arm, r].provenance.data_fingerprint for r in range(8)] for arm in ("sgd", "adam")}
    assert prints["sgd"] == prints["adam"]
    assert len(set(prints["sgd"])) == 8  # a fresh draw each
    for r in range(8):  # and the same initial weights on them
        assert judged["sgd", r].curves["val/loss"][0] == judged["adam", r].curves["val/loss"][0]


def test_reruns_are_recorded_as_the_same(design, bench):
    b = bench()
    run_study(design(), b)
    checks = b.store.checks()
    assert len(checks) == RERUNS
    assert all(check["same"] and check["max_difference"] == 0.0 for check in checks)
    assert all(check["stack_size"] > 1 and check["compared"] > 10 for check in checks)
    arms = {p.trial: p.arm for p in b.store.plan() if p.phase == "judge"}
    assert all(arms[check["trial"]] == check["arm"] for check in checks)


def test_a_second_run_trains_nothing(design, bench):
    first, again = bench(), bench()
    run_study(design(), first)
    before, frozen = numbers(first.store), first.store.frozen()
    first.store.close()
    run_study(design(), again)
    assert again.executor.jobs == []
    assert numbers(again.store) == before
    assert again.store.frozen() == frozen
    assert len(again.store.checks()) == RERUNS


@pytest.mark.parametrize("largest", [1, 5])
def test_the_size_of_stacks_does_not_show(design, bench, largest):
    whole, cut = bench(results="whole"), bench(results="cut", largest_stack=largest)
    run_study(design(), whole)
    run_study(design(), cut)
    assert len(cut.executor.jobs) > len(whole.executor.jobs)
    assert max(len(job.stack.trials) for job in cut.executor.jobs) <= largest
    assert numbers(cut.store) == numbers(whole.store)
    assert cut.store.choices() == whole.store.choices()


@pytest.mark.slow
def test_worker_processes_give_the_same(design, bench):
    here = bench(ThisProcess(), results="here")
    run_study(design(), here)
    pool = WorkerProcesses(2)
    try:
        there = bench(pool, results="there")
        run_study(design(), there)
    finally:
        pool.close()
    assert numbers(there.store) == numbers(here.store)
    assert there.store.choices() == here.store.choices()
    assert all(check["same"] for check in there.store.checks())


@pytest.mark.parametrize("jobs", [0, 2, 5])
def test_an_interrupted_run_goes_on_and_repeats_nothing(design, bench, jobs):
    whole = bench(results="whole")
    run_study(design(), whole)
    cut = bench(interrupted_after(jobs), results="cut", largest_stack=4)
    with pytest.raises(KeyboardInterrupt):
        run_study(design(), cut)
    kept = cut.store.finished()
    cut.store.close()
    on = bench(results="cut", largest_stack=4)
    run_study(design(), on)
    main = [job for job in on.executor.jobs if job.stack.key != "alone"]
    repeated = {t.id for job in main for t in job.stack.trials} & kept
    assert repeated == set()
    assert numbers(on.store) == numbers(whole.store)
    assert on.store.choices() == whole.store.choices()


def test_one_more_arm_runs_only_what_is_new(design, bench):
    """Before judging a study may be edited freely: what has run is kept."""
    first = bench(interrupted_after(1))  # both arms are one stack: tuning is done, judging is not
    with pytest.raises(KeyboardInterrupt):
        run_study(design(), first)
    assert len(first.store.finished()) == TUNED
    first.store.close()
    edited = bench()
    run_study(design(("[sgd, adam]", "[sgd, adam, nag]")), edited)
    tuned = [t for job in edited.executor.jobs for t in job.stack.trials if t.phase == "tune"]
    assert [t.config["optimizer"]["name"] for t in tuned] == ["nag"] * 6
    assert set(edited.store.choices()) == {"sgd", "adam", "nag"}
    assert edited.store.frozen().amendments == []


def test_more_replicates_run_only_the_new_ones(design, bench):
    first = bench()
    run_study(design(), first)
    first.store.close()
    more = bench()
    run_study(design(("replicates: 8", "replicates: 10")), more, amendment="two more replicates")
    (note,) = more.store.frozen().amendments
    assert "two more replicates" in note
    judged = [t for job in more.executor.jobs for t in job.stack.trials if job.stack.key != "alone"]
    assert sorted(t.replicate for t in judged) == [8, 8, 9, 9]


def test_a_study_changed_after_judging_is_refused_or_amended(design, bench):
    first = bench()
    run_study(design(), first)
    before = first.store.frozen()
    first.store.close()
    changed = design(("delta: 0.01", "delta: 0.002"))
    refused = bench()
    with pytest.raises(BadInput, match="judged under another design") as caught:
        run_study(changed, refused)
    assert "--amend" in str(caught.value)
    assert "changed since: hypotheses.0.delta.value 0.01 -> 0.002." in str(caught.value)
    assert refused.executor.jobs == []
    assert refused.store.frozen() == before
    assert refused.store.design() == design()
    changed = design(("delta: 0.01", "delta: 0.002"))
    run_study(changed, refused, amendment="the reviewers asked for a smaller effect")
    frozen = refused.store.frozen()
    assert frozen.design_hash == changed.hash != before.design_hash
    (note,) = frozen.amendments
    assert "the reviewers asked for a smaller effect" in note
    run_study(changed, refused)  # and then it is the study: nothing to amend any more
    assert refused.store.frozen() == frozen


def test_a_cut_off_attempt_does_not_open_the_door(design, bench):
    """An amended run that is interrupted while it tunes: the next one is still held to what was judged."""
    first = bench()
    run_study(design(), first)
    first.store.close()
    changed = design(("[sgd, adam]", "[sgd, adam, nag]"))
    cut = bench(interrupted_after(0))
    with pytest.raises(KeyboardInterrupt):
        run_study(changed, cut, amendment="one more arm")
    cut.store.close()
    with pytest.raises(BadInput, match=r"judged under another design.*changed since: arms\.optimizer\.name"):
        run_study(changed, bench())
    more = design(("[sgd, adam]", "[sgd, adam, nag]"), ("delta: 0.01", "delta: 0.002"))
    again = bench(interrupted_after(0))
    with pytest.raises(KeyboardInterrupt):
        run_study(more, again, amendment="and a smaller effect")
    again.store.close()
    with pytest.raises(BadInput, match=r"hypotheses\.0\.delta\.value 0\.01 -> 0\.002"):
        run_study(more, bench())  # all that is other than it was judged, not than it was tried last
    back = bench()
    run_study(design(), back)
    assert back.store.frozen().amendments == []


def test_words_may_change_after_judging(design, bench):
    b = bench()
    run_study(design(), b)
    run_study(design(("base:\n", "title: Better words\nbase:\n")), b)
    assert b.store.frozen().amendments == []


def test_a_race_is_frozen_with_its_target(design, bench):
    """The target is the reference arm's (b's) median final value in tuning, less a point of accuracy."""
    b = bench()
    run_study(design(*FASTER), b)
    runs = {}
    for p in b.store.plan():
        if p.phase == "tune" and p.arm == "sgd":
            runs.setdefault(p.point, []).append(b.store.load()[p.trial].final.get("val/accuracy", -math.inf))
    whole = [seeds for seeds in runs.values() if -math.inf not in seeds]  # one diverged rules its point out
    first = max(whole, key=lambda seeds: seeds[1])[0]  # each seed at the best point of the other
    second = max(whole, key=lambda seeds: seeds[0])[1]
    assert b.store.frozen().targets == {"val/accuracy": pytest.approx((first + second) / 2 - 0.01)}
    assert b.store.choices()["sgd"].outcome == "steps_to val/accuracy"
    assert b.store.choices()["sgd"].direction == "lower"


def test_the_reference_may_be_declared_and_the_target_given(design, bench):
    adam = bench(results="adam")
    run_study(design(*FASTER, ("judge:", "target: {reference: adam}\njudge:")), adam)
    given = bench(results="given")
    run_study(design(*FASTER, ("judge:", "target: {value: 0.33}\njudge:")), given)
    assert given.store.frozen().targets == {"val/accuracy": 0.33}
    sgd = bench(results="sgd")
    run_study(design(*FASTER), sgd)
    assert adam.store.frozen().targets != sgd.store.frozen().targets


def test_a_given_target_holds_where_nothing_is_tuned(design, bench):
    b = bench()
    tune = "tune: {optimizer.lr: own_range, points: 3, seeds: 2, extend: 0}"
    run_study(design(*FASTER, (tune, "target: {value: 0.33}")), b)
    assert b.store.frozen().targets == {"val/accuracy": 0.33}
    assert len(b.store.load()) == JUDGED


def test_an_arm_that_always_diverges_is_not_judged(design, bench):
    b = bench()
    # a rate of 1e20 in every point of both arms' range
    tuned = ("optimizer.lr: own_range", "optimizer.lr: {log_range: [1.0e20, 1.0e22]}")
    run_study(design(tuned, ("[sgd, adam]", "[sgd, momentum]"), ("a: adam", "a: momentum")), b)
    assert all(c.chosen is None for c in b.store.choices().values())
    assert {r.status for r in b.store.load().values()} == {Status.DIVERGED}
    assert not any(p.phase == "judge" for p in b.store.plan())
    assert b.store.checks() == []


def test_a_failed_trial_stops_the_run_and_runs_again(design, bench, monkeypatch):
    from harness.running import job as module  # noqa: PLC0415

    real = module.train

    def broken(stack, *rest):
        if stack.config["optimizer"]["name"] == "adam":
            raise ValueError("a bug of the program")
        return real(stack, *rest)

    monkeypatch.setattr(module, "train", broken)
    b = bench(largest_stack=TUNED // 2)  # a stack an arm
    with pytest.raises(RunFailed, match="a bug of the program"):
        run_study(design(), b)
    statuses = list(b.store.statuses().values())
    assert statuses.count(Status.FAILED) == 6
    assert len(statuses) == TUNED  # and SGD's six are done or, at the highest rate, diverged
    kept = b.store.finished()
    b.store.close()
    monkeypatch.setattr(module, "train", real)
    again = bench()
    run_study(design(), again)
    rerun = [t.id for job in again.executor.jobs if job.stack.key != "alone" for t in job.stack.trials]
    assert kept.isdisjoint(rerun)
    assert Status.FAILED not in again.store.statuses().values()


def test_what_tuning_selects_on(design):
    assert str(selection(design())) == "final val/accuracy"
    assert str(selection(design(*FASTER))) == "steps_to val/accuracy"
    declared = design(("extend: 0", "extend: 0, select: {best: val/loss}"))
    assert str(selection(declared)) == "best val/loss"


def test_a_run_short_of_its_target_ranks_by_how_short(design, bench):
    b = bench()
    plan = design()
    run_study(plan, b)
    outcome = Outcome(function="steps_to", metric="val/accuracy")
    records = [
        b.store.load()[t.id] for t, _ in judge_trials(plan, plan.arm("sgd"), b.store.choices()["sgd"].params)
    ]
    values = {r.curves["val/accuracy"][-1]: score(outcome, r, 1.0, plan.data["sgd"]) for r in records}
    ordered = [values[final] for final in sorted(values)]
    assert ordered == sorted(ordered, reverse=True)  # the closer, the fewer
    assert all(8 < v <= 16 for v in ordered)  # eight steps, and more than that


def test_compare_finds_the_least_difference(design, bench):
    b = bench()
    run_study(design(), b)
    record = next(iter(b.store.load().values()))
    assert compare(record, record)["same"]
    final = {**record.final, "val/loss": math.nextafter(record.final["val/loss"], 9)}
    found = compare(record, record.model_copy(update={"final": final}))
    assert not found["same"]
    assert 0 < found["max_difference"] < 1e-12
    assert not compare(record, record.model_copy(update={"status": Status.DIVERGED}))["same"]
    shorter = {k: v for k, v in record.final.items() if k != "val/loss"}
    assert not compare(record, record.model_copy(update={"final": shorter}))["same"]


@pytest.mark.parametrize(
    ("there", "here", "by", "same"),
    [
        ("cpu", "cpu", 1e-9, False),
        ("NVIDIA H200", "NVIDIA H200", 5e-4, True),
        ("NVIDIA H200", "NVIDIA H200", 2e-3, False),
        ("NVIDIA H200", "cpu", 5e-4, True),
        ("cpu", "NVIDIA H200", 5e-4, True),
    ],
)
def test_on_a_gpu_rounding_may_differ(design, bench, there, here, by, same):
    """As much as the tests of equality allow it, and the check says how much that is."""
    b = bench()
    run_study(design(), b)
    record = next(iter(b.store.load().values()))

    def on(device, share=1.0):
        final = {name: share * value for name, value in record.final.items()}
        provenance = record.provenance.model_copy(update={"device": device})
        return record.model_copy(update={"final": final, "provenance": provenance})

    found = compare(on(there), on(here, 1 + by))
    assert (found["same"], found["tolerance"]) == (same, 0.0 if there == here == "cpu" else 1e-3)
    nowhere = on(here).model_copy(update={"final": {**record.final, "val/loss": math.nan}})
    assert not compare(on(there), nowhere)["same"]


@pytest.mark.parametrize(
    ("recorded", "gpu", "asked", "ran"),
    [
        ("cpu", True, None, "cpu"),
        ("NVIDIA H200", True, None, "cuda"),
        ("NVIDIA H200", False, None, "cpu"),
        ("cpu", True, "cuda", "cuda"),
        ("NVIDIA H200", True, "cpu", "cpu"),
    ],
)
def test_a_trial_is_reproduced_on_its_own_device(
    design, bench, tmp_path, monkeypatch, recorded, gpu, asked, ran
):
    b = bench()
    run_study(design(), b)
    record = next(iter(b.store.load().values()))
    provenance = record.provenance.model_copy(update={"device": recorded})
    jobs = []

    def run_job(job):
        jobs.append(job)
        return Answer([record])

    monkeypatch.setattr(reruns, "run_job", run_job)
    monkeypatch.setattr(
        reruns, "find_record", lambda *_: record.model_copy(update={"provenance": provenance})
    )
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    found = reruns.reproduce(tmp_path / "results", record.trial, asked)
    assert [job.device for job in jobs] == [ran]
    assert (found["recorded_on"], found["same"]) == (recorded, True)


def test_what_is_run_again_includes_an_arm_of_the_primary(design, bench):
    arms = (
        "arms: {optimizer.name: [sgd, adam]}",
        "arms: {optimizer.name: [sgd, adam, momentum, nag, rmsprop]}",
    )
    for k in range(4):
        b = bench(results=f"results-{k}")
        run_study(design(arms, name=f"study{k}"), b)
        assert {c["arm"] for c in b.store.checks()} & {"sgd", "adam"}
