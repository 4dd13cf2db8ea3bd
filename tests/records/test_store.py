"""The store keeps what it was given, whatever happens to the writer."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import files
from harness.errors import BadInput, HarnessError, RunFailed
from harness.records.parts import SCHEMA
from harness.records.store import Store
from harness.words.design import Frozen
from harness.words.record import Provenance, Record, Status
from tests.records.examples import choice, design, planned, record

SOME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

floats = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(max_size=12)
counts = st.integers(0, 2**62)
plain = st.none() | st.booleans() | st.integers() | floats | texts
trees = st.dictionaries(
    texts, st.recursive(plain, lambda c: st.lists(c, max_size=3), max_leaves=5), max_size=4
)
provenances = st.builds(
    Provenance,
    device=texts,
    stack_size=counts,
    versions=st.dictionaries(texts, texts, max_size=3),
    data_fingerprint=texts,
    fallback=st.none() | texts,
)
fields = {
    "trial": texts,
    "study": texts,
    "phase": texts,
    "replicate": counts,
    "config": trees,
    "member": counts,
    "status": st.sampled_from([Status.DONE, Status.DIVERGED]),
    "reason": texts,
    "diverged_at_step": st.none() | counts,
    "best_step": st.none() | counts,
    "steps": st.lists(counts, max_size=4),
    "curves": st.integers(0, 4).flatmap(  # one value an evaluation each
        lambda n: st.dictionaries(texts, st.lists(floats, min_size=n, max_size=n), max_size=3)
    ),
    "final": st.dictionaries(texts, floats, max_size=3),
    "probes": st.dictionaries(
        texts, st.dictionaries(counts, st.lists(floats, max_size=2), max_size=2), max_size=2
    ),
    "n_parameters": counts,
    "time_s": floats,
    "provenance": provenances,
}
records = st.builds(Record, **fields)


def same(a: Any, b: Any) -> bool:
    """Equality in which NaN equals NaN and types count."""
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)


def test_every_field_of_a_record_is_among_those_that_come_back() -> None:
    assert fields.keys() == Record.model_fields.keys()


@SOME
@given(batch=st.lists(records, min_size=1, max_size=4))
def test_records_come_back_as_they_went_in(
    batch: list[Record], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Store(tmp_path_factory.mktemp("results"), "study") as store:
        store.append(batch)
        loaded = store.load()
    latest = {r.trial: r for r in batch}
    assert loaded.keys() == latest.keys()
    for trial, expected in latest.items():
        assert same(loaded[trial].model_dump(), expected.model_dump())


def test_a_reason_that_is_not_text_is_kept_readably(tmp_path: Path) -> None:
    failed = record(status=Status.FAILED, reason="no file caf\udce9")
    with Store(tmp_path, "optimizers") as store:
        store.append([failed])
        assert store.load()[failed.trial].reason == "no file caf\\udce9"


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [
        (Status.FAILED, Status.DONE, Status.DONE),
        (Status.FAILED, Status.DIVERGED, Status.DIVERGED),
        (Status.DONE, Status.FAILED, Status.DONE),
        (Status.DIVERGED, Status.DONE, Status.DONE),
        (Status.FAILED, Status.FAILED, Status.FAILED),
    ],
)
def test_the_latest_finished_record_stands(
    tmp_path: Path, first: Status, second: Status, stands: Status
) -> None:
    with Store(tmp_path, "optimizers") as store:
        store.append([record(status=first, time_s=1.0)])
        store.append([record(status=second, time_s=2.0)])
        (only,) = store.load().values()
        assert only.status is stands
        assert store.finished() == ({only.trial} if stands is not Status.FAILED else set())
        assert only.time_s == (1.0 if (first, second) == (Status.DONE, Status.FAILED) else 2.0)


def test_a_crash_before_the_rename_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with Store(tmp_path, "optimizers") as store:
        store.append([record(0)])
        monkeypatch.setattr(Path, "replace", power_cut)
        with pytest.raises(KeyboardInterrupt):
            store.append([record(1)])
        monkeypatch.undo()
        assert not list(store.path.glob("records/*.tmp"))
        assert store.finished() == {record(0).trial}
        (store.path / "records" / "part-00000002.parquet.7.tmp").write_bytes(b"of a writer that was killed")
        assert store.finished() == {record(0).trial}
    with Store(tmp_path, "optimizers") as store:
        store.append([record(1)])
        assert store.finished() == {record(0).trial, record(1).trial}
        assert not list(store.path.glob("records/*.tmp"))


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with Store(tmp_path, "optimizers") as store:
        store.append([record(0)])
        monkeypatch.setattr(files.os, "fsync", no_space)
        with pytest.raises(RunFailed, match=r"part-00000002\.parquet: No space left .* is kept"):
            store.append([record(1)])
        monkeypatch.undo()
        assert store.finished() == {record(0).trial}
        assert not list(store.path.glob("records/*.tmp"))


WRITER = """
    import sys
    from harness.records.store import Store
    from tests.records.examples import record
    store = Store(sys.argv[1], "optimizers")
    for i in range(100_000):
        batch = [record(i * 20 + j) for j in range(20)]
        store.append(batch)
        print(i, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_had_reported(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= 5:
                break
        with pytest.raises(RunFailed, match=rf"another run of 'optimizers' is going on \(pid {writer.pid}\)"):
            Store(tmp_path, "optimizers").lock()
        writer.send_signal(signal.SIGKILL)
        reported = [int(x) for x in writer.stdout.read().split()]
    parts = max([5, *reported]) + 1
    with Store(tmp_path, "optimizers") as store:
        store.lock()  # the dead writer's lock is gone with it
        loaded = store.load()
        assert {record(i).trial for i in range(parts * 20)} <= loaded.keys()
        assert len(loaded) in (parts * 20, (parts + 1) * 20)  # whole parts only
        store.append([record(10**6)])
        assert len(store.load()) == len(loaded) + 1


def test_one_writer_at_a_time_and_readers_beside_it(tmp_path: Path) -> None:
    with Store(tmp_path, "optimizers") as first:
        first.append([record()])
        second = Store(tmp_path, "optimizers")
        assert second.finished() == {record().trial}
        with pytest.raises(RunFailed, match=rf"going on \(pid {os.getpid()}\)"):
            second.append([record(1)])
        with Store(tmp_path, "other") as other:
            other.lock()
    with second:
        second.append([record(1)])
        assert len(second.load()) == 2


@pytest.mark.parametrize("damage", ["cut", "overwritten", "empty"])
def test_a_damaged_part_is_named_and_the_rest_is_kept(tmp_path: Path, damage: str) -> None:
    with Store(tmp_path, "optimizers") as store:
        store.append([record(0)])
        part = store.append([record(1)])
        content = part.read_bytes()
        part.write_bytes({"cut": content[:-20], "overwritten": b"x" * len(content), "empty": b""}[damage])
        for read in (store.finished, store.load):
            with pytest.raises(HarnessError, match=rf"{part} is damaged .*rename it to {part.name}\.bad"):
                read()
        part.rename(part.with_name(part.name + ".bad"))
        assert store.finished() == {record(0).trial}
        assert list(store.load()) == [record(0).trial]


def test_a_part_from_before_there_were_members_is_read(tmp_path: Path) -> None:
    with Store(tmp_path, "optimizers") as store:
        part = store.append([record(0), record(1)])
        pq.write_table(pq.read_table(part).drop_columns(["member"]), part)
        assert list(store.load().values()) == [record(0), record(1)]


def test_damage_inside_the_columns_is_found_when_they_are_read(tmp_path: Path) -> None:
    with Store(tmp_path, "optimizers") as store:
        part = store.append([record(0, reason="a long reason " * 500)])
        content = bytearray(part.read_bytes())
        column = pq.ParquetFile(part).metadata.row_group(0).column(SCHEMA.get_field_index("reason"))
        start, size = column.data_page_offset, column.total_compressed_size
        content[start : start + size] = b"\xff" * size
        part.write_bytes(content)
        with pytest.raises(HarnessError, match=r"part-00000001\.parquet is damaged"):
            store.load()


def test_parts_are_merged_and_nothing_changes(tmp_path: Path) -> None:
    with Store(tmp_path, "optimizers") as store:
        for i in range(12):
            store.append([record(i, status=Status.FAILED), record(100 + i)])
        store.append([record(0)])
        before = store.load()
        assert not store.compact()
        assert store.compact(more_than=10)
        assert len(list(store.path.glob("records/*.parquet"))) == 1
        assert {k: v.model_dump_json() for k, v in store.load().items()} == {
            k: v.model_dump_json() for k, v in before.items()
        }
        store.append([record(1)])
        assert store.load()[record(1).trial].status is Status.DONE


def test_a_crash_while_merging_leaves_every_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with Store(tmp_path, "optimizers") as store:
        for i in range(4):
            store.append([record(i)])
        monkeypatch.setattr(Path, "unlink", crash)
        with pytest.raises(KeyboardInterrupt):
            store.compact(more_than=2)
        monkeypatch.undo()
        assert len(list(store.path.glob("records/*.parquet"))) == 5
        assert sorted(r.replicate for r in store.records()) == [0, 1, 2, 3]


def test_a_reader_goes_on_through_a_merge(tmp_path: Path) -> None:
    with Store(tmp_path, "optimizers") as store:
        for i in range(6):
            store.append([record(i)])
        reading = Store(tmp_path, "optimizers", read_only=True).records()
        seen = [next(reading).replicate]
        store.compact(more_than=2)
        seen += [r.replicate for r in reading]
        assert sorted(seen) == [0, 1, 2, 3, 4, 5]


def test_documents_come_back(tmp_path: Path) -> None:
    frozen = Frozen(
        design_hash=design().hash, targets={"val/accuracy": 0.9}, choices={"adam": {}}, time="2026-11-05"
    )
    with Store(tmp_path, "optimizers") as store:
        assert (store.design(), store.frozen(), store.choices(), store.plan(), store.checks()) == (
            None, None, {}, [], [],
        )  # fmt: skip
        with pytest.raises(BadInput, match=r"no results of 'optimizers' under .*harness run optimizers"):
            store.contents()
        store.save_design(design())
        store.save_choices({"adam": choice()})
        store.save_frozen(frozen)
        store.save_plan([planned(record(0)), planned(record(1), point=3)])
        store.save_checks([{"trial": "é", "same": True, "max_difference": 0.0}])
        execution = store.start_execution(device="cpu")
        store.append([record(0)])
        store.end_execution(trials=1)
        contents = Store(tmp_path, "optimizers", read_only=True).contents()
        (stored,) = store.stored()
    assert contents.design == design()
    assert contents.design.hash == design().hash
    assert contents.choices == {"adam": choice()}
    assert contents.frozen == frozen
    assert contents.planned == [planned(record(0)), planned(record(1), point=3)]
    assert contents.checks == [{"trial": "é", "same": True, "max_difference": 0.0}]
    assert contents.records == {record(0).trial: record(0)}
    (entry,) = contents.executions
    assert entry["id"] == execution == stored.execution
    assert (entry["device"], entry["trials"]) == ("cpu", 1)
    assert entry["started"] <= entry["ended"]


@pytest.mark.parametrize("text", ["{", '{"name": 3}', "\udce9"])
def test_a_damaged_document_is_named(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path, "optimizers")
    (store.path / "design.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(HarnessError, match=r"design\.json is damaged .*records are kept"):
        store.design()


def test_an_unwritable_folder_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"can't write results to .*/file/optimizers.* folder writable"):
        Store(tmp_path / "file", "optimizers")


def test_reading_touches_nothing(tmp_path: Path) -> None:
    assert Store(tmp_path / "results", "optimizers", read_only=True).load() == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", ".hidden"])
def test_a_study_name_cant_leave_the_results(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="can't name a folder"):
        Store(tmp_path, name)


def test_nothing_to_append_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no records"):
        Store(tmp_path, "optimizers").append([])


def test_the_store_needs_no_heavy_library() -> None:
    code = (
        "import sys, harness.records.store, harness.records.mirror_process, harness.records.ui;"
        "heavy = {'mlflow', 'torch', 'optuna', 'pandas', 'sqlalchemy'} & sys.modules.keys();"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
