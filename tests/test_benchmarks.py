"""The benchmarks' own code: both sides get the same trials, and times are scaled and compared rightly."""

import json
import subprocess
import sys
from collections import Counter

import psutil
import pytest
import torch
import typer

from harness.catalogue.data.base import splits_of
from harness.catalogue.resolve import build_network, resolve
from harness.running.job import splits_of as splits_of_trial
from harness.training.stack import Stack
from harness.training.train import train
from harness.words.record import Status
from tests.benchmarks import __main__ as commands
from tests.benchmarks import gpu, scaling, studies
from tests.benchmarks.cases import CASES, Case
from tests.benchmarks.comparison import PEERS, Comparison, Measured, Pair, agreement, compare, ratios, scaled
from tests.benchmarks.machine import machine
from tests.benchmarks.page import cells, document
from tests.benchmarks.peers import plain, training
from tests.benchmarks.peers.networks import network
from tests.benchmarks.session import Bar, Result, Row, Session, Skipped, run_fresh
from tests.benchmarks.task import Done, Task
from tests.benchmarks.trials import Timed, from_json, of_design, scaled_up, share


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A small list: four arms, each 18 tuning trials and 4 judged ones."""
    folder = tmp_path_factory.mktemp("studies")
    tree = studies.digits(folder)
    tree["base"]["train"]["epochs"] = 2
    tree["judge"]["replicates"] = 4
    return of_design(studies.design_of(studies.write_study(folder / "bench.yaml", tree)))


def timed(item, time_s, val=0.5, test=0.5):
    return Timed(item.trial.id, item.arm, item.trial.phase, time_s, val, test)


def test_a_share_takes_the_same_part_of_every_arm_and_phase(listed):
    part = share(listed, 0.5, turn=0)
    whole, taken = (Counter(item.group for item in items) for items in (listed, part))
    assert len({item.trial.id for item in part}) == len(part)
    assert taken == {group: n // 2 for group, n in whole.items()}


def test_a_small_share_has_a_trial_of_every_group_and_other_turns_have_others(listed):
    first, second = (share(listed, 0.001, turn) for turn in (0, 1))
    groups = {item.group for item in listed}
    assert {item.group for item in first} == groups
    assert len(first) == len(groups)
    assert not {item.trial.id for item in first} & {item.trial.id for item in second}


def test_a_share_of_one_is_the_whole_list(listed):
    assert {i.trial.id for i in share(listed, 1.0, turn=3)} == {i.trial.id for i in listed}


def test_scaling_up_the_whole_list_changes_nothing(listed):
    times = [timed(item, 0.1 + 0.01 * i) for i, item in enumerate(listed)]
    assert scaled_up(listed, times, loop_s=100.0) == pytest.approx(100.0)


def test_scaling_up_weighs_groups_by_their_number(listed):
    """Judged trials take 3 s, tuned ones 1 s: 72 x 1 + 16 x 3 seconds, whatever share was timed."""
    part = share(listed, 0.001, turn=0)
    times = [timed(item, 3.0 if item.trial.phase == "judge" else 1.0) for item in part]
    assert len(listed) == 72 + 16
    assert scaled_up(listed, times, loop_s=sum(t.time_s for t in times)) == pytest.approx(72 + 48)
    side_by_side = scaled_up(listed, times, loop_s=sum(t.time_s for t in times) / 2)
    assert side_by_side == pytest.approx((72 + 48) / 2)


def test_scaling_up_refuses_a_group_that_was_never_timed(listed):
    only_tuned = [timed(item, 1.0) for item in listed if item.trial.phase == "tune"]
    with pytest.raises(ValueError, match="judge"):
        scaled_up(listed, only_tuned, loop_s=1.0)


def test_a_listed_trial_survives_json_with_its_identity(listed):
    again = [from_json(json.loads(json.dumps(item.as_json()))) for item in listed]
    assert again == listed
    assert [a.trial.id for a in again] == [item.trial.id for item in listed]


@pytest.mark.parametrize("settings", [{"batches": "loader"}, {"batches": "tensors", "jobs": 2}])
def test_the_peer_runs_exactly_the_trials_it_is_given(listed, tmp_path, settings):
    part = share(listed, 0.001, turn=2)
    done = plain.run(Task(part, tmp_path / "cache", tmp_path, settings))
    assert Counter(t.id for t in done.trials) == Counter(item.trial.id for item in part)
    assert {(t.id, t.arm, t.phase) for t in done.trials} == {(i.trial.id, i.arm, i.trial.phase) for i in part}


def test_the_peer_trains_what_the_config_says(listed, tmp_path):
    config = listed[0].trial.config
    splits = splits_of_trial(listed[0].trial, tmp_path)
    x, y = training.tensors(splits, "train")
    batches = list(training.TensorBatches(x, y, config["train"]["batch_size"], True))
    steps = len(splits.y_train) // config["train"]["batch_size"]
    assert len(batches) == steps == len(list(training.loader_batches(x, y, 64, True)))
    assert all(len(b) == config["train"]["batch_size"] for b, _ in batches)
    model = network(config["model"], (8, 8), 10)
    assert sum(p.numel() for p in model.parameters()) == 64 * 64 + 64 + 64 * 10 + 10


def test_the_peer_learns_as_well_as_the_harness(listed, tmp_path):
    """The same config on both sides ends within a few points, far above chance."""
    item = next(i for i in listed if i.arm == "adam" and i.trial.phase == "judge")
    config = {**item.trial.config, "train": {**item.trial.config["train"], "epochs": 20}}
    trial = item.trial.model_copy(update={"config": config})
    splits = splits_of_trial(trial, tmp_path)
    reached = training.train(config, splits, training.BATCHES["tensors"], 0)
    (record,) = train(Stack("alone", (trial,)), [splits])
    assert record.status is Status.DONE
    assert reached.test > 0.9
    assert record.final["test/accuracy"] == pytest.approx(reached.test, abs=0.04)


def test_the_peer_refuses_what_it_cannot_do(listed):
    with pytest.raises(ValueError, match="dropout"):
        network({**listed[0].trial.config["model"], "dropout": 0.5}, (8, 8), 10)


@pytest.mark.parametrize("make", [studies.cnn, studies.lstm])
def test_a_peers_network_computes_what_the_harness_does(make, tmp_path):
    """torch's own layers, given the weights of ours, give the same outputs."""
    config = resolve({**make(tmp_path)["base"], "optimizer": {"name": "adam", "lr": 1e-3}})
    ours, peer = build_network(config, (40,), 10), network(config.tree()["model"], (40,), 10)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for own, other in zip(
            *(sorted(m.parameters(), key=lambda p: p.shape) for m in (ours, peer)), strict=True
        ):
            other.copy_(own.copy_(torch.randn(own.shape, generator=generator) / own.shape[-1] ** 0.5))
        x = torch.randn(7, 40, generator=generator)
        torch.testing.assert_close(peer(x), ours(x))


def test_a_case_that_fails_is_reported_and_the_others_go_on(tmp_path, monkeypatch):
    def broken(session):
        raise RuntimeError("no such peer")

    def good(session):
        return Result([Row("good", "x / y", [2.0], "×", Bar(1))])

    cases = {"broken": Case("breaks", broken), "good": Case("works", good)}
    monkeypatch.setattr(commands, "CASES", cases)
    record, page = tmp_path / "record.json", tmp_path / "page.html"
    with pytest.raises(typer.Exit) as end:
        commands.main(None, 1, 0.1, False, record, page, False)
    written = json.loads(record.read_text())
    assert end.value.exit_code == 1
    assert written["failed"] == ["broken"]
    assert "no such peer" in written["notes"]["broken"][0]
    assert [row["case"] for row in written["results"]] == ["good"]
    assert "no such peer" in page.read_text()


def test_every_promised_case_is_there():
    wanted = {"optimizers", "digits", "mnist", "teacher", "cnn", "lstm", "lstm longer", "workers", "gpu"}
    assert wanted | {"short", "engine", "overhead", "tenfold", "mirror", "startup"} == set(CASES)


def test_a_share_of_the_list_says_that_it_is_scaled_up():
    assert "14 of 266 trials" in scaled("loader", {"trials_run": 14, "trials_listed": 266})
    assert scaled("loader", {"trials_run": 266, "trials_listed": 266}) == ""


def test_the_gpu_case_times_each_way_of_training_the_same_nets(tmp_path):
    """Its measuring runs on any device; here a small stack on the CPU."""
    (found,) = gpu.measure(gpu.Task("cpu", stack=8, alone=1, epochs=1, rounds=1), tmp_path)
    assert all(seconds > 0 for seconds in found.values())
    rows = gpu.rows_of([{"stack_s": 0.5, "alone_s": 1.0, "plain_s": 2.0, "without_graph_s": 0.75}])
    assert [row.values for row in rows] == [[4.0], [2.0], [1.5]]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_gpu_case_is_skipped_without_one(tmp_path):
    with pytest.raises(Skipped, match="no GPU"):
        gpu.gpu(Session(tmp_path))


def test_a_regression_is_measured_by_its_error():
    x, y = torch.randn(30, 4).numpy(), torch.randn(30).numpy()
    splits = splits_of((x, y), (x, y), (x, y), None)
    x_val, y_val = training.tensors(splits, "val")
    model = torch.nn.Linear(4, 1)
    found = training.evaluate(model, torch.nn.MSELoss(), training.TensorBatches(x_val, y_val, 10, False))
    with torch.no_grad():
        assert found == {"loss": pytest.approx(((model(x_val) - y_val) ** 2).mean().item())}


@pytest.mark.parametrize("name", ["optimizers", "mnist"])
def test_peers_run_with_torchs_own_threads_too(name, listed, tmp_path, monkeypatch):
    """Beside one thread, and without a bar."""
    (comparison,) = CASES[name].run.args
    pairs = {pair.peer: pair for pair in comparison.pairs}
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    for batches in ("loader", "tensors"):
        own, one = (pairs[peer] for peer in (f"{batches}, torch's threads", batches))
        assert (own.ours, own.bar) == (one.ours, None)
        settings = PEERS[own.peer].settings
        assert settings == {k: v for k, v in PEERS[batches].settings.items() if k != "threads"}
        plain.run(Task(listed[:1], tmp_path / "cache", tmp_path, settings))
        assert asked == []


def test_the_machine_names_its_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine()["gpu"] is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert machine()["gpu"] == "NVIDIA H200"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process's peak")
def test_peak_memory_is_that_of_the_process_and_of_its_workers():
    """Not of who started it, and held even where it was given back since."""
    hold = "block = bytearray({} << 20); del block; print(flush=True); import time; time.sleep(60)"
    held = bytearray(300 << 20)
    held[::4096] = b"1" * len(held[::4096])
    children = [
        subprocess.Popen([sys.executable, "-c", hold.format(mib)], stdout=subprocess.PIPE) for mib in (90, 30)
    ]
    try:
        for child in children:
            child.stdout.readline()
        peaks = [scaling.peak_mib(psutil.Process(child.pid)) for child in children]
        found = scaling.peaks_mib()
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert 90 < peaks[0] < 150
    assert 30 < peaks[1] < 90
    assert found["peak_rss_mib"] > 300
    assert found["workers_peak_rss_mib"] >= sum(peaks)


def test_ratios_are_taken_within_a_round():
    def sides(*seconds):
        return [Measured(s, {}, Done([], s)) for s in seconds]

    assert ratios(sides(10.0, 30.0), sides(2.0, 3.0)) == [5.0, 10.0]


def test_agreement_compares_judged_trials_that_both_ran(listed):
    judged = [i for i in listed if i.trial.phase == "judge"]
    ours = Done([timed(i, 1.0, test=0.9) for i in listed], 1.0)
    peer = Done([timed(i, 1.0, test=0.8) for i in judged[:3]], 1.0)
    note = agreement(Pair("loader", "harness"), [ours], [peer])
    assert "3 judged trials" in note
    assert "difference +0.1000" in note


def test_bars_are_met_on_their_own_side():
    assert Bar(8).met(8.0)
    assert not Bar(8).met(7.9)
    assert Bar(0.3, at_least=False).met(0.2)
    assert not Bar(0.3, at_least=False).met(0.31)


def test_a_case_without_its_data_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "nothing"))
    case = Comparison("mnist", studies.mnist, (Pair("loader", "harness, 2 workers"),))
    with pytest.raises(Skipped, match="harness data fetch mnist"):
        compare(case, Session(tmp_path))


def test_a_row_tells_median_spread_and_bar():
    row = Row("optimizers", "loader / harness", [7.0, 9.0, 8.5], "×", Bar(8))
    assert cells(row) == ("optimizers", "loader / harness", "8.50 ×", "7.00 to 9.00", "3", "≥ 8", "yes")
    assert row.as_json()["met"] is True


def test_the_page_shows_every_row():
    rows = [Row("a", "x / y", [2.0], "×", Bar(1)), Row("b", "seconds", [0.2], "s")]
    machine = {"processor": "some", "cores": 2, "versions": {"torch": "2"}}
    made = document(rows, ["a note"], machine)
    assert made.headline == "1 of 1 bars met"
    assert made.sections[0].blocks[-1].rows == tuple(cells(r) for r in rows)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands over what a process leaves behind")
def test_processor_time_is_that_of_what_a_command_leaves_behind_too():
    busy = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    nowhere = "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"
    child = f"subprocess.Popen([sys.executable, '-c', {busy!r}], {nowhere})"
    leave = f"import subprocess, sys; {child}"
    assert run_fresh([sys.executable, "-c", leave]).cpu_s > 0.5
