"""Probes of a record: kept by the store, and compared when a trial is run again."""

import math

from harness.records.store import Store
from harness.running.reruns import compare
from tests.records.examples import record

PROBED = {"gradient_norm": {0: [1e-300, 0.1], 8: [0.1 + 0.2, math.nan]}}


def test_the_store_keeps_them_bit_for_bit(tmp_path):
    with Store(tmp_path, "optimizers") as store:
        store.append([record(0, probes=PROBED), record(1)])
        found = {r.replicate: r.probes for r in store.records()}
    assert repr(found[0]) == repr(PROBED)
    assert found[1] == {}


def test_a_rerun_is_held_to_them():
    first = record(probes=PROBED)
    same = compare(first, record(probes=PROBED))
    assert same["same"]
    assert same["compared"] == compare(record(), record())["compared"] + 4
    other = {"gradient_norm": {0: [1e-300, 0.1], 8: [0.3, math.nan]}}
    assert not compare(first, record(probes=other))["same"]
    assert not compare(first, record())["same"]
