"""What the catalogue command shows is what stands in the tables."""

import json

import pytest

from harness.catalogue.families import FAMILIES
from tests.cli.conftest import Harness


def test_every_entry_is_shown(harness: Harness) -> None:
    shown = harness("catalogue")
    assert shown.code == 0
    for _, table in FAMILIES.values():
        for name, entry in table.items():
            assert f"  {name} " in shown.out
            assert f"{entry.formula}  ({entry.source})" in shown.out


@pytest.mark.parametrize("family", FAMILIES)
def test_one_family_as_json(family: str, harness: Harness) -> None:
    found = json.loads(harness("catalogue", family, "--json").out)
    assert list(found) == [family]
    assert [entry["name"] for entry in found[family]] == list(FAMILIES[family].table)


def test_ranges_are_those_of_own_range(harness: Harness) -> None:
    assert "optimizer.momentum 0.5 to 0.99" in harness("catalogue", "optimizers").out
    dropout = {"low": 0.1, "high": 0.8, "log": False}
    (found,) = [
        entry
        for entry in json.loads(harness("catalogue", "regularisers", "--json").out)["regularisers"]
        if entry["name"] == "dropout"
    ]
    assert found["ranges"] == {"model.dropout": dropout}


def test_an_unknown_family_names_those_there_are(harness: Harness) -> None:
    shown = harness("catalogue", "optimisers")
    assert shown.code == 2
    assert "Did you mean 'optimizers'" in shown.err
