"""`harness bench`: a table to read, JSON for a program, and a file with every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.cli import bench as command
from harness.running.timing.clock import Times
from harness.running.timing.judge import Timed, headline, judge
from harness.running.timing.step_cost import LinearCost
from harness.running.timing.table import BENCHMARKS
from harness.words.config import StepCost, TrainSection
from tests.cli.conftest import Harness

ROUNDS = 8


def timed(name: str, rounds: int, delta: float) -> Timed:
    """What a run finds where every arm takes a microsecond more than the one before it."""
    benchmark = BENCHMARKS[name]
    times = [
        Times(
            setting=s.name, arm=arm.name, calls=1, seconds=[1e-6 * (i + 1 + r / 100) for r in range(rounds)]
        )
        for s in benchmark.settings()
        for i, arm in enumerate(s.arms)
    ]
    told = {"benchmark": name, "says": benchmark.says, "source": benchmark.source, "work": benchmark.work}
    found = judge(benchmark, times, delta)
    return Timed(
        **told, rounds=rounds, delta=delta, headline=headline(found[0]), comparisons=found, times=times
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process and no clock: times as `timed` has them."""
    monkeypatch.setattr(command, "run_alone", timed)


@pytest.mark.usefixtures("project", "quick")
def test_the_terminal_gets_a_table_and_the_file_every_time(harness: Harness) -> None:
    shown = harness("bench", "cost_activations", "--rounds", str(ROUNDS))
    assert shown.code == 0
    assert "leaky_relu" in shown.out
    assert "SUPPORTED" in shown.out or "REFUTED" in shown.out
    kept = json.loads(Path("results/bench/cost_activations.json").read_text())
    assert {len(t["seconds"]) for t in kept["times"]} == {ROUNDS}
    assert Timed.model_validate(kept) == timed("cost_activations", ROUNDS, 1.25)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("share", "warned"), [(0.4, True), (0.99, False)])
def test_a_busy_machine_is_told(
    share: float, warned: bool, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        command, "run_alone", lambda *asked: timed(*asked).model_copy(update={"processor_share": share})
    )
    assert ("40% of a core" in harness("bench", "cost_batch").err) is warned


@pytest.mark.usefixtures("project")
def test_the_cost_of_a_step_is_printed_as_a_study_declares_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = LinearCost(setting="40-50-50-10", step_us=97.71, example_us=0.6262, misfit=0.021)
    monkeypatch.setattr(
        command, "run_alone", lambda *asked: timed(*asked).model_copy(update={"costs": [cost]})
    )
    (line,) = [x for x in harness("bench", "cost_batch").out.splitlines() if x.startswith("train.cost")]
    assert line.startswith("train.cost: {step_us: 97.7, example_us: 0.626}  # 40-50-50-10, within 2%")
    declared = TrainSection.model_validate(
        {"seconds": 1, **YAML(typ="safe").load(line.removeprefix("train."))}
    )
    assert declared.cost == StepCost(step_us=97.7, example_us=0.626)


@pytest.mark.usefixtures("project", "quick")
def test_json_is_a_list_of_what_was_asked_for(harness: Harness) -> None:
    found = harness("bench", "cost_batch", "--json", "--delta", "1.5").json
    assert [f["benchmark"] for f in found] == ["cost_batch"]
    assert found[0]["delta"] == 1.5
    assert found[0]["comparisons"][0]["primary"] is True


@pytest.mark.usefixtures("project", "quick")
def test_without_a_name_all_of_them_run(harness: Harness) -> None:
    assert [f["benchmark"] for f in harness("bench", "--json").json] == list(BENCHMARKS)
    assert {path.stem for path in Path("results/bench").iterdir()} == set(BENCHMARKS)


@pytest.mark.usefixtures("project")
def test_an_unknown_name_and_too_few_rounds_are_bad_input(harness: Harness) -> None:
    unknown = harness("bench", "cost_activation")
    assert (unknown.code, unknown.out) == (2, "")
    assert "rounds, alone" not in unknown.err
    assert "Did you mean 'cost_activations'" in unknown.err
    few = harness("bench", "cost_batch", "--rounds", "2")
    assert few.code == 2
    assert "--rounds 8" in few.err
    assert not Path("results").exists(), "what is wrong is found before a folder is made"


@pytest.mark.usefixtures("project")
def test_one_that_cannot_run_here_is_skipped_and_leaves_no_file(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = BENCHMARKS["cost_device"]._replace(refusal=lambda: "torch sees no GPU here")
    monkeypatch.setitem(BENCHMARKS, "cost_device", refusing)
    shown = harness("bench", "cost_device")
    assert shown.code == 0
    assert "skipped: torch sees no GPU here" in shown.out
    assert not Path("results/bench").exists()
