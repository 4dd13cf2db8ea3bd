"""Worker processes may die at any moment: jobs go on, others are kept, errors come back."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import wait

import psutil
import pytest
from tqdm import tqdm

from harness.errors import DataMissing, RunFailed
from harness.planning.trials import judge_trials
from harness.running import executors as executors_module
from harness.running import worker as worker_module
from harness.running.batch import run_batch
from harness.running.cores import cores, workers_on
from harness.running.executors import MAX_TRIES, WorkerProcesses
from harness.running.here import ThisProcess
from harness.running.job import Job, run_job
from harness.running.worker import work
from harness.training.stack import Stack, stack_key
from harness.words.record import Status
from tests.running.conftest import JUDGED
from tests.running.executors import Counting

LONG = ("epochs: 2", "steps: 1500, evaluations: 150")  # seconds, and many words of progress


@pytest.fixture
def pool():
    pools = []

    def _pool(workers=1):
        pools.append(WorkerProcesses(workers))
        return pools[-1]

    yield _pool
    for worker in workers_alive():
        worker.kill()  # else one that is replacing another ends only after its imports
    for made in pools:
        made.close()


@pytest.fixture
def job(design, cache_dir):
    def _job(*replacements, arm="sgd", replicates=(0, 1), name="tiny"):
        plan = design(*replacements, name=name)
        trials = tuple(t for t, _ in judge_trials(plan, plan.arm(arm), {"optimizer.lr": 0.01}, replicates))
        return Job(Stack(stack_key(trials[0].config), trials), cache_dir)

    return _job


def workers_alive():
    """The worker processes that are this one's, through the server that forks them or by themselves."""
    own = psutil.Process().children(recursive=True)
    return [c for c in own if c.is_running() and c.status() != psutil.STATUS_ZOMBIE and is_worker(c)]


def is_worker(process):
    command = " ".join(process.cmdline())
    forked = "multiprocessing.forkserver" in command and process.ppid() != os.getpid()
    return forked or "multiprocessing.spawn" in command


def soon(count):
    """The workers once there are so many: they start beside this process."""
    until = time.monotonic() + 60
    while len(found := workers_alive()) != count and time.monotonic() < until:
        time.sleep(0.02)
    return found


def numbers(records):
    return [(r.trial, r.status, repr(r.curves), repr(r.final)) for r in records]


def test_results_are_those_of_this_process(pool, job):
    shares = []
    future = pool().submit(job(), shares.append)
    assert numbers(future.result(120).records) == numbers(
        ThisProcess().submit(job(), lambda s: None).result().records
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_job_runs_again(pool, job):
    executor, work, killed = pool(), job(LONG), []

    def report(share):
        if share > 0 and not killed:
            (worker,) = workers_alive()
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    records = executor.submit(work, report).result(120).records
    assert killed
    assert numbers(records) == numbers(run_job(work).records)
    (worker,) = soon(1)
    assert worker.pid not in killed


@pytest.mark.slow
def test_a_job_that_always_kills_its_worker_fails_and_the_others_are_kept(pool, design, bench):
    """SGD's job dies at its first word of progress, each time; Adam's records stay."""
    plan, killed = design(LONG), []

    class Deadly(Counting):
        def submit(self, work, report):
            sgd = work.stack.config["optimizer"]["name"] == "sgd"
            return super().submit(work, self.kill if sgd else report)

        def kill(self, _share):
            alive = {w.pid for w in workers_alive()} - set(killed)
            killed.extend(alive)
            for pid in alive:
                os.kill(pid, signal.SIGKILL)

    b = bench(Deadly(pool(1)), largest_stack=JUDGED // 2)  # a stack an arm
    sgd = [t for t, _ in judge_trials(plan, plan.arm("sgd"), {"optimizer.lr": 0.01})]
    adam = [t for t, _ in judge_trials(plan, plan.arm("adam"), {"optimizer.lr": 0.01})]
    with pytest.raises(RunFailed, match="ended its worker process 3 times") as caught:
        run_batch(b, "judging", [*sgd, *adam])
    assert "Finished trials are kept" in str(caught.value)
    assert len(killed) == MAX_TRIES
    assert b.store.finished() == {t.id for t in adam}
    assert len(sgd) + len(adam) == JUDGED


@pytest.fixture
def mortal(monkeypatch):
    """Workers that die of more than so many trials together; the sizes they were given."""
    tried = []

    def _mortal(most):
        class Mortal:
            def __init__(self, forked):
                pass

            def run(self, work, _report):
                tried.append(min(work.largest, len(work.stack.trials)))
                if tried[-1] > most:
                    raise EOFError
                return "answer"

            def exit_code(self):
                return -9

            def end(self):
                pass

        monkeypatch.setattr(executors_module, "Worker", Mortal)
        return tried

    return _mortal


def test_a_job_too_large_for_a_worker_shrinks(pool, job, mortal):
    tried = mortal(most=4)
    assert pool().submit(job(replicates=range(8)), lambda s: None).result(60) == "answer"
    assert tried == [8, 2]


@pytest.mark.parametrize(
    ("trials", "sizes"), [(1, [1, 1, 1]), (8, [8, 2, 1]), (200, [200, 50, 12, 3, 1])], ids=str
)
def test_trials_are_tried_one_at_a_time_before_their_job_fails(pool, job, mortal, tmp_path, trials, sizes):
    tried, work = mortal(most=0), job(replicates=[0])
    untimed = tmp_path  # other tests have timed such stacks where the data are
    many = work._replace(stack=work.stack._replace(trials=work.stack.trials * trials), cache_dir=untimed)
    said = rf"of {trials} trials .* {len(sizes)} times \(exit code -9\), the last time trained one at a time"
    with pytest.raises(RunFailed, match=said):
        pool().submit(many, lambda s: None).result(60)
    assert tried == sizes


def test_a_gpu_has_one_worker():
    assert (workers_on("cpu"), workers_on("cuda")) == (cores(), 1)


def test_a_worker_that_cannot_be_started_fails_its_job(pool, job, monkeypatch):
    """At once, and the next one where it then can be."""
    start = worker_module.Worker.__init__
    tries = []

    def refuse(worker, forked):
        tries.append(worker)
        if len(tries) <= 2:  # beside the caller, and for the first job
            raise BlockingIOError(11, "Resource temporarily unavailable")
        start(worker, forked)

    monkeypatch.setattr(worker_module.Worker, "__init__", refuse)
    executor = pool()
    first, second = executor.submit(job(), lambda s: None), executor.submit(job(), lambda s: None)
    with pytest.raises(RunFailed, match=r"Resource temporarily unavailable.*Finished trials are kept"):
        first.result(60)
    assert [r.status for r in second.result(60).records] == [Status.DONE] * 2


def test_workers_start_by_themselves_where_no_server_can(pool, job, monkeypatch):
    def refuse():
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(worker_module.forkserver, "ensure_running", refuse)
    records = pool().submit(job(), lambda s: None).result(120).records
    assert numbers(records) == numbers(run_job(job()).records)
    (worker,) = workers_alive()
    assert worker.ppid() == os.getpid()


def test_an_error_of_the_program_makes_failed_records(job, cache_dir):
    work = job()
    broken = [
        t.model_copy(update={"config": {**t.config, "optimizer": {"name": "sgd"}}}) for t in work.stack.trials
    ]
    records = run_job(work._replace(stack=Stack("x", tuple(broken)))).records
    assert [r.status for r in records] == [Status.FAILED] * 2
    assert all(r.final == {} and r.curves == {} and "Error" in r.reason for r in records)


def test_a_worker_raises_what_the_user_can_mend_as_it_is_and_goes_on(pool, job, tmp_path):
    executor, good = pool(), job()
    trial = good.stack.trials[0]
    table = {"name": "file", "file": str(tmp_path / "none.csv"), "target": "y"}
    bad = good._replace(
        stack=Stack("x", (trial.model_copy(update={"config": {**trial.config, "data": table}}),))
    )
    first, second = executor.submit(bad, lambda s: None), executor.submit(good, lambda s: None)
    wait([first, second], 120)
    with pytest.raises(DataMissing, match=r"none\.csv"):
        first.result()
    assert [r.status for r in second.result().records] == [Status.DONE] * 2


@pytest.mark.slow
def test_restart_ends_workers_at_once_whatever_they_do(pool, job):
    """As closing does; and what workers are started with is not left in the caller's environment."""
    before = dict(os.environ)
    executor = pool(2)
    assert dict(os.environ) == before
    busy, began = {w.pid for w in soon(2)}, []
    for arm in ("sgd", "adam"):
        executor.submit(job(("epochs: 2", "steps: 1000000, evaluations: 1000"), arm=arm), began.append)
    until = time.monotonic() + 60
    while not began and time.monotonic() < until:
        time.sleep(0.05)
    assert began
    started = time.monotonic()
    executor.restart()
    assert time.monotonic() - started < 10
    anew = {w.pid for w in soon(2)}
    assert len(anew) == len(busy) == 2
    assert not anew & busy


def test_a_worker_leaves_no_semaphore_however_it_ends():
    """tqdm, which torch.fx calls, takes a lock of threads: its own between processes would outlive a kill."""
    ours, theirs = multiprocessing.Pipe()
    before = signal.getsignal(signal.SIGINT)
    ours.send(None)
    try:
        work(theirs, os.environ | {})
    finally:
        signal.signal(signal.SIGINT, before)
    assert isinstance(tqdm.get_lock(), type(threading.RLock()))


def test_a_worker_whose_driver_is_gone_ends_without_a_word(monkeypatch):
    ours, theirs = multiprocessing.Pipe()

    def leave_alone(job, report):
        assert ours.recv() is None  # it has imported what it needs
        ours.close()
        report(0.5)  # in vain, as the answer will be

    monkeypatch.setattr("harness.running.job.run_job", leave_alone)
    before = signal.getsignal(signal.SIGINT)
    ours.send("a job")
    try:
        work(theirs, os.environ | {})
    finally:
        signal.signal(signal.SIGINT, before)
