"""MLflow gets every trial once, whatever died in between, and never holds up the store."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import time
import weakref
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from harness.errors import BadInput, RunFailed
from harness.records import mirror as mirror_module
from harness.records import runs
from harness.records.files import Lock
from harness.records.mirror import Mirror, Places, SyncResult, places, sync
from harness.records.mirror_process import MirrorProcess
from harness.records.mlflow_database import make_database
from harness.records.parts import GROUP, Stored
from harness.records.store import Store
from harness.records.tracking import default_uri, tracking_uri
from harness.records.view import NOTE_TAG, VIEW_TAG, view_state, view_url
from harness.words.paths import flatten
from harness.words.record import Record, Status
from harness.words.trial import Planned
from harness.words.verdict import ArmSummary, StudyVerdict
from tests.records.examples import EVALUATIONS, config, design, planned, record


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for the module: the first connection to a fresh one takes seconds."""
    return default_uri(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> Places:
    """A study of this test's own name with a design and no records."""
    study = request.node.name.replace("[", "-").replace("]", "")[:60]
    with Store(tmp_path / "results", study) as store:
        store.save_design(design())
    return places(tmp_path / "results", study, database)


def put(where: Places, *records: Record) -> None:
    with Store(where.results_root, where.study) as store:
        known = {p.trial for p in store.plan()}
        store.save_plan([*store.plan(), *(planned(r) for r in records if r.trial not in known)])
        store.append(records)


def mlflow_runs(where: Places, kind: str = "trial") -> list[Run]:
    client = MlflowClient(tracking_uri=where.uri)
    experiment = client.get_experiment_by_name(where.study)
    return list(client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'"))


def trials(where: Places) -> list[str]:
    return sorted(run.data.tags["trial"] for run in mlflow_runs(where))


def test_a_trial_is_mirrored_whole(where: Places) -> None:
    done = record(3)
    put(where, done)
    assert sync(where) == SyncResult(1, 0, 0)
    (run,) = mlflow_runs(where)
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 500
    assert run.info.run_name == "adam judge r3"
    assert run.data.params["optimizer.lr"] == "0.004"
    assert run.data.params["model.widths"] == "[100, 100]"
    assert run.data.metrics["final/test/accuracy"] == pytest.approx(done.final["test/accuracy"])
    expected = {
        "trial": done.trial,
        "arm": "adam",
        "phase": "judge",
        "replicate": "3",
        "status": "done",
        "study_hash": design().hash,
        "data_fingerprint": "f" * 16,
        "code_version": "0.1",
        "device": "cpu",
    }
    assert expected.items() <= run.data.tags.items()
    client = MlflowClient(tracking_uri=where.uri)
    curve = client.get_metric_history(run.info.run_id, "val/accuracy")
    assert [(m.step, m.value) for m in curve] == list(
        zip(done.steps, done.curves["val/accuracy"], strict=True)
    )


def test_syncing_again_creates_nothing(where: Places) -> None:
    put(where, *(record(i) for i in range(3)))
    assert sync(where) == SyncResult(3, 0, 0)
    before = sorted(r.info.run_id for r in mlflow_runs(where))
    assert sync(where) == SyncResult(0, 3, 0)
    assert sorted(r.info.run_id for r in mlflow_runs(where)) == before
    put(where, record(3))
    assert sync(where) == SyncResult(1, 3, 0)
    assert len(mlflow_runs(where)) == 4


def test_a_diverged_trial_says_so_and_logs_only_numbers(where: Places) -> None:
    put(where, record(status=Status.DIVERGED))
    sync(where)
    (run,) = mlflow_runs(where)
    assert (run.data.tags["status"], run.data.tags["diverged_at_step"]) == ("diverged", "2")
    client = MlflowClient(tracking_uri=where.uri)
    assert len(client.get_metric_history(run.info.run_id, "val/accuracy")) == 2
    assert "final/test/accuracy" not in run.data.metrics


def test_a_failed_trial_is_replaced_when_it_has_run(where: Places) -> None:
    put(where, record(status=Status.FAILED))
    sync(where)
    (run,) = mlflow_runs(where)
    assert (run.info.status, run.data.tags["status"]) == ("FAILED", "failed")
    put(where, record())
    assert sync(where).created == 1
    (run,) = mlflow_runs(where)
    assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "done")


def test_a_trial_whose_arm_changed_is_relabelled(where: Places) -> None:
    put(where, record())
    sync(where)
    with Store(where.results_root, where.study) as store:
        store.save_plan([planned(record(), arm="adam"), planned(record(), arm="adam again")])
    assert sync(where).created == 1
    (run,) = mlflow_runs(where)
    assert run.data.tags["arm"] == "adam = adam again"


def test_a_trial_that_left_the_plan_leaves_its_arm(where: Places) -> None:
    put(where, record(0), record(1))
    sync(where)
    with Store(where.results_root, where.study) as store:
        store.save_plan([planned(record(1))])
    with Mirror(where) as half_planned:
        assert half_planned.catch_up(plan_is_whole=False) == SyncResult(0, 2, 0)
    assert sync(where) == SyncResult(1, 1, 0)
    assert {r.data.tags["replicate"]: r.data.tags.get("arm") for r in mlflow_runs(where)} == {
        "0": None,
        "1": "adam",
    }
    client = MlflowClient(tracking_uri=where.uri)
    experiment = client.get_experiment_by_name(where.study)
    shown = json.loads(experiment.tags[VIEW_TAG])["searchFilter"]
    assert [r.data.tags["replicate"] for r in client.search_runs([experiment.experiment_id], shown)] == ["1"]


def test_a_half_written_run_is_redone(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*_: Any) -> None:
        raise KeyboardInterrupt

    put(where, record(0), record(1))
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "_log", power_cut)
        with pytest.raises(KeyboardInterrupt):
            sync(where)
        assert mlflow_runs(where) == []  # a database keeps nothing of it
        patch.setattr("harness.records.mirror.one_session", contextlib.nullcontext)
        with pytest.raises(KeyboardInterrupt):
            sync(where)
    assert [r.info.status for r in mlflow_runs(where)] == ["RUNNING"]  # a server may
    assert sync(where) == SyncResult(2, 0, 0)
    assert [r.info.status for r in mlflow_runs(where)] == ["FINISHED", "FINISHED"]
    assert trials(where) == sorted([record(0).trial, record(1).trial])


def test_one_refused_trial_does_not_stop_the_others(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mirror._log

    def refuse_one(self: Mirror, run: str, stored: Stored) -> None:
        if stored.record.replicate == 1:
            raise MlflowException("refused")
        log(self, run, stored)

    put(where, *(record(i) for i in range(4)))
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "_log", refuse_one)
        assert sync(where) == SyncResult(3, 0, 1, "refused")
    assert sync(where) == SyncResult(1, 3, 0)


def test_a_server_that_dies_stops_the_pass(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def dead(self: Mirror, run: str, stored: Stored) -> None:
        calls.append(stored)
        raise MlflowException("connection refused")

    put(where, *(record(i) for i in range(20)))
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "_log", dead)
        assert sync(where) == SyncResult(0, 0, 20, "connection refused")
    assert len(calls) == mirror_module.FAILURES_IN_A_ROW
    assert sync(where).created == 20


@pytest.fixture
def dead_server() -> Iterator[str]:
    """The address of a port that nobody listens on, kept from others."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def content(folder: Path) -> dict[str, bytes]:
    left_out = ("mirror.json", "mirror.log", "mirror.lock")
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in left_out)
    return {str(p): p.read_bytes() for p in files}


def test_a_mirror_holds_one_record_at_a_time_however_many_wait(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no queue to fill: what waits lies in the store, and is read a group of rows at a time."""
    put(where, *(record(i) for i in range(400)))
    seen: list[weakref.ref[Record]] = []
    most, groups = [0], []
    read = pq.ParquetFile.iter_batches

    def count(mirror: Mirror, stored: Stored, places: list[Planned], study_hash: str) -> None:
        seen.append(weakref.ref(stored.record))
        most[0] = max(most[0], sum(row() is not None for row in seen))

    def batches(file: pq.ParquetFile, batch_size: int) -> Iterator[Any]:
        for batch in read(file, batch_size):
            groups.append(len(batch))
            yield batch

    monkeypatch.setattr(Mirror, "_mirror", count)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", batches)
    with Mirror(where) as mirror:
        assert mirror.catch_up().created == len(seen) == 400
    assert most[0] <= 2  # the one at hand, and the one read next
    assert max(groups) <= GROUP < len(seen)


def test_a_dead_server_fails_fast_and_the_store_is_untouched(where: Places, dead_server: str) -> None:
    put(where, record(0), record(1))
    before = content(where.results_root)
    started = time.monotonic()
    with pytest.raises(RunFailed, match=rf"{dead_server} .* Nothing is lost.* `harness sync {where.study}`"):
        sync(where._replace(uri=dead_server))
    assert time.monotonic() - started < 20
    assert content(where.results_root) == before
    assert sync(where) == SyncResult(2, 0, 0)


def test_a_database_that_somebody_reads_is_mirrored_to(where: Places) -> None:
    put(where, record(0))
    sync(where)
    path = where.uri.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    put(where, record(1))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        assert sync(where).created == 1
        reader.execute("COMMIT")


def test_a_connection_that_cant_be_quickened_is_left_as_it_is(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as reader:
        reader.execute("CREATE TABLE t (x)")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        with contextlib.closing(sqlite3.connect(tmp_path / "db")) as other:
            mirror_module._commit_quickly(other, None)
            assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_two_mirrors_of_a_study_do_not_meet(where: Places) -> None:
    lock = Lock(where.results_root / where.study / "mirror.lock", "test")
    lock.acquire()
    with pytest.raises(RunFailed, match=rf"another mirror of '{where.study}' to MLflow is going on"):
        sync(where)
    lock.release()


def test_a_study_without_results_is_refused(tmp_path: Path, database: str) -> None:
    with pytest.raises(BadInput, match="no results of 'optimisers'"):
        sync(places(tmp_path, "optimisers", database))
    assert not list(tmp_path.iterdir())


def verdict(headline: str) -> StudyVerdict:
    arm = ArmSummary(
        arm="adam (lr*)",
        n=20,
        n_diverged=1,
        n_failed=0,
        tuning_trials=18,
        steps=200,
        n_parameters=15210,
        chosen={},
        outcomes={"steps_to val/accuracy": {"mean": 120.5, "sd": None}, "final test/loss": {"mean": None}},
        gates=[],
    )
    return StudyVerdict(
        study="optimizers",
        title="",
        says="",
        source="",
        headline=headline,
        scope="",
        hypotheses=[],
        arms=[arm],
        targets={},
        provenance={},
    )


def test_an_execution_carries_verdict_and_report(where: Places) -> None:
    with Store(where.results_root, where.study) as store:
        cut_off = store.start_execution(device="cpu")
        store.append([record(0)])
        last = store.start_execution(device="cpu")
        store.append([record(1)])
        store.end_execution(trials=1)
    sync(where)
    found = {r.data.tags["execution"]: r for r in mlflow_runs(where, "execution")}
    assert {k: r.info.status for k, r in found.items()} == {cut_off: "KILLED", last: "FINISHED"}
    assert {r.data.tags["execution"] for r in mlflow_runs(where)} == {cut_off, last}

    folder = where.reports_root / where.study
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(verdict("Adam wins").model_dump_json())
    (folder / "report.html").write_text("<h1>Adam wins</h1>")
    sync(where)
    (run,) = (r for r in mlflow_runs(where, "execution") if r.data.tags["execution"] == last)
    assert (run.data.tags["verdict"], run.data.tags["device"]) == ("Adam wins", "cpu")
    assert run.data.metrics == {
        "steps_to val/accuracy/adam _lr__": 120.5,
        "trials/adam _lr__": 20,
        "diverged/adam _lr__": 1,
    }
    client = MlflowClient(tracking_uri=where.uri)
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["report.html", "verdict.json"]
    sync(where)
    assert run.info.run_id in {r.info.run_id for r in mlflow_runs(where, "execution")}
    assert len(mlflow_runs(where, "execution")) == 2


def test_the_experiment_explains_itself_and_opens_sorted(where: Places) -> None:
    put(where, record())
    sync(where)
    client = MlflowClient(tracking_uri=where.uri)
    experiment = client.get_experiment_by_name(where.study)
    assert "**Claim.** Adam learns fastest (notes | on optimizers)" in experiment.tags[NOTE_TAG]
    assert "None yet" in experiment.tags[NOTE_TAG]
    view = json.loads(experiment.tags[VIEW_TAG])
    assert view["searchFilter"] == "tags.arm != '' AND tags.phase = 'judge'"
    assert (view["orderByKey"], view["orderByAsc"]) == ("tags.`replicate`", True)  # each arm has all of one
    shown = {
        "tags.`arm`",
        "params.`optimizer.lr`",
        "params.`optimizer.name`",
        "metrics.`final/test/accuracy`",
    }
    assert shown <= set(view["selectedColumns"])
    assert view["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "arm"}]
    found = client.search_runs([experiment.experiment_id], view["searchFilter"])
    assert [r.data.tags["trial"] for r in found] == [record().trial]
    assert view_url("http://host:1/", "7") == (
        "http://host:1/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=harness"
    )


def test_a_deleted_experiment_is_brought_back(where: Places) -> None:
    put(where, record())
    sync(where)
    client = MlflowClient(tracking_uri=where.uri)
    client.delete_experiment(client.get_experiment_by_name(where.study).experiment_id)
    sync(where)
    assert trials(where) == [record().trial]


def test_long_settings_and_long_curves_stay_within_the_limits(where: Places) -> None:
    n = 700
    tree = {**config(), "many": {f"k{i}": i for i in range(230)}, "long": "x" * 9000}
    curves = {"val/accuracy": [0.5] * n, "train/loss": [float("inf"), *[1.0] * (n - 1)]}
    put(where, record(config=tree, steps=list(range(n)), curves=curves, status=Status.DONE))
    assert sync(where).failed == 0
    (run,) = mlflow_runs(where)
    assert run.data.params.keys() == {path for path, _ in flatten(tree)}
    assert len(run.data.params["long"]) == runs.LONGEST_VALUE
    client = MlflowClient(tracking_uri=where.uri)
    assert len(client.get_metric_history(run.info.run_id, "val/accuracy")) == runs.CURVE_VALUES // 2
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == runs.CURVE_VALUES // 2 - 1
    (artifact,) = client.list_artifacts(run.info.run_id)
    text = Path(client.download_artifacts(run.info.run_id, artifact.path)).read_text()
    assert json.loads(text) == tree


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val/accuracy", "val/accuracy"),
        ("relu (a=1)", "relu _a_1_"),
        ("é", "_"),
        ("a/../b", "a/_../b"),
        ("a//b", "a/_/b"),
        ("x" * 300, "x" * 250),
    ],
)
def test_names_are_what_mlflow_allows(name: str, expected: str) -> None:
    assert runs.clean(name) == expected


def test_where_mlflow_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert tracking_uri(tmp_path) == "http://elsewhere"
    assert places(tmp_path / "results", "s").reports_root == tmp_path / "reports"


def wait_for(condition: Any, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_the_process_follows_and_ends(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where.uri)
    put(where, record(0))
    process = MirrorProcess(where.results_root, where.study)
    process.start()
    try:
        wait_for(lambda: process.state().mirrored == 1)
        put(where, record(1), record(2))
        wait_for(lambda: process.state().mirrored == 3)
        assert process.state().running
        put(where, record(3))
    finally:
        finished = process.stop(60)
    assert finished, (where.results_root / where.study / "mirror.log").read_text()
    assert process.state() == (4, "", False)
    assert trials(where) == sorted(record(i).trial for i in range(4))


def test_the_process_says_when_the_server_is_dead_and_sync_catches_up(
    where: Places, dead_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead_server)
    put(where, record(0))
    before = content(where.results_root)
    process = MirrorProcess(where.results_root, where.study)
    process.start()
    try:
        wait_for(lambda: process.state().error)
    finally:
        finished = process.stop(60)
    assert not finished
    assert process.state().mirrored == 0
    assert dead_server in process.state().error
    assert dead_server in (where.results_root / where.study / "mirror.log").read_text()
    assert content(where.results_root) == before
    assert sync(where).created == 1


def test_a_mirror_that_is_late_is_ended(where: Places) -> None:
    put(where, record(0))
    process = MirrorProcess(where.results_root, where.study)
    process.start()
    assert not process.stop(0.0)
    assert process.problem == "it took too long"
    assert not process.state().running
    assert process.stop(0.0) is False


def test_a_mirror_that_dies_says_how_it_ended(where: Places) -> None:
    put(where, record(0))
    process = MirrorProcess(where.results_root, "no such study")
    process.folder.mkdir()
    process._argv = [process._argv[0], "-c", "import sys; sys.exit(3)"]
    process.start()
    assert not process.stop(30.0)
    assert process.problem == f"the mirror ended with exit code 3, see {process.folder / 'mirror.log'}"


def test_a_driver_that_is_missing_is_told_in_a_sentence(where: Places) -> None:
    put(where, record(0))
    with pytest.raises(RunFailed, match=r"MLflow at postgresql://h/x did not do its part .No module named"):
        sync(where._replace(uri="postgresql://u:secret@h/x"))


def own_database(where: Places) -> Places:
    return places(where.results_root, where.study, default_uri(where.results_root))


def test_a_database_that_is_half_made_says_what_to_do(where: Places) -> None:
    put(where, record(0))
    make_database(where.results_root)
    with contextlib.closing(sqlite3.connect(where.results_root / "mlflow.db")) as half:
        half.executescript("DROP TABLE alembic_version; DROP TABLE logged_models")  # as one killed on its way
    with pytest.raises(RunFailed, match=r"lost: move \S+/mlflow\.db, a copy that is damaged, away"):
        sync(own_database(where))


def test_only_the_default_database_is_made_apart(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise RunFailed("another process is making it")

    monkeypatch.setattr(mirror_module, "make_database", refuse)
    put(where, record(0))
    with pytest.raises(RunFailed, match="another process is making it"):
        sync(own_database(where))
    assert sync(where).created == 1  # and the failed one holds no lock


def test_a_long_error_is_cut_at_a_word() -> None:
    told = mirror_module._first_line(MlflowException("background " * 40))
    assert told.endswith("background ...")
    assert len(told) <= 300


@pytest.mark.parametrize("curves", [0, 1, 4, 60])
@pytest.mark.parametrize("evaluations", [0, 1, 2, 10, 31, 1_000])
def test_points_of_long_curves_are_thinned_evenly(evaluations: int, curves: int) -> None:
    shown = runs.points(evaluations, curves)
    most = max(runs.FEWEST_POINTS, runs.CURVE_VALUES // max(curves, 1))
    assert len(shown) == min(evaluations, most)
    assert shown[:1] + shown[-1:] == list(range(evaluations))[:1] + list(range(evaluations))[-1:]
    gaps = [b - a for a, b in pairwise(shown)]
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)


def test_a_long_curve_keeps_its_steps_values_and_times() -> None:
    steps = list(range(0, 10_000, 10))
    long = record(steps=steps, curves={name: [s / 7 for s in steps] for name in ("val/loss", "val/accuracy")})
    shown = [m for m in runs.metrics(Stored(long, "e", 1000.0)) if m.key == "val/loss"]
    assert len(shown) == runs.CURVE_VALUES // 2
    assert (shown[-1].step, shown[0].step) == (0, 9_990)
    assert all(m.value == m.step / 7 for m in shown)
    share = [(m.timestamp - 999_500) / 500 for m in shown]
    assert share == pytest.approx([(m.step + 10) / 10_000 for m in shown], abs=2e-3)


def test_the_plan_is_read_again_only_when_it_changed(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    put(where, record(0))
    with Mirror(where) as mirror:
        assert mirror.catch_up().created == 1
        monkeypatch.setattr(mirror.store, "plan", lambda: pytest.fail("the plan was read again"))
        assert mirror.catch_up().created == 0
        monkeypatch.undo()
        put(where, record(1))
        mirror.catch_up()
    assert {run.data.tags["arm"] for run in mlflow_runs(where)} == {"adam"}


def test_evaluations_are_spread_over_the_trial() -> None:
    times = [m.timestamp for m in runs.metrics(Stored(record(), "e", 1000.0)) if m.key == "val/accuracy"]
    assert len(times) == EVALUATIONS
    assert times == sorted(times, reverse=True)  # so that MLflow writes a run's latest value once
    assert (times[-1], times[0]) == (1_000_000 - 400, 1_000_000)


def test_a_search_opens_with_the_best() -> None:
    searched = design().model_copy(update={"study": design().study.model_copy(update={"kind": "search"})})
    view = json.loads(view_state(searched, judged=False))
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`final/test/accuracy`", False)
