"""Bad input: one clear message, exit code 2, no traceback, and nothing is created."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Harness, Result, files

pytestmark = pytest.mark.usefixtures("no_workers")


def refused(result: Result, *said: str) -> None:
    """Exit code 2 and one message that says all of this."""
    assert result.code == 2, result
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert result.err.count("error: ") == 1
    assert "Traceback" not in result.err
    for part in said:
        assert part in result.err


STUDIES = {
    "unknown key": ("judge: {replicates", "judge: {replicate", ["replicate", "replicates"]),
    "unknown section": ("base:", "bse:", ["bse", "base"]),
    "misspelt optimizer": ("[sgd, adam]", "[sgd, adma]", ["'adma'", "'adam'"]),
    "level of the wrong type": ("optimizer.name: [sgd, adam]", "model.dropout: [0.1, much]", ["'much'"]),
    "empty factor": ("optimizer.name: [sgd, adam]", "optimizer.name: []", ["optimizer.name"]),
    "rule that can't fire": ("replicates: 8", "replicates: 3", ["2^-3", "at least 8"]),
    "hypothesis without an arm": ("a: adam", "a: adamw", ["'adamw'", "sgd, adam"]),
    "nothing asked": (TINY[TINY.index("hypotheses:") : TINY.index("tiers:")], "", ["hypotheses: missing"]),
    "no YAML": ("arms:", "arms: [", ["not valid YAML"]),
}


@pytest.mark.parametrize("case", STUDIES)
@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_a_study_that_is_wrong(case: str, command: str, harness: Harness, project: Path) -> None:
    old, new, said = STUDIES[case]
    assert old in TINY
    text = TINY.replace(old, new)
    if "model.dropout" in new:
        text = text.replace("a: adam, b: sgd", "a: '0.1', b: '0.1'")
    (project / "studies/tiny.yaml").write_text(text)
    before = files(project)
    refused(harness(command, "tiny"), "studies/tiny.yaml:", *said)
    assert files(project) == before


@pytest.mark.parametrize("command", ["show", "validate", "plan", "run", "report", "sync"])
def test_an_unknown_study(command: str, harness: Harness, project: Path) -> None:
    before = files(project)
    refused(harness(command, "tinny"), "unknown study 'tinny'", "Did you mean 'tiny'?")
    assert files(project) == before


@pytest.mark.parametrize(
    "name", ["../x; touch pwned", "$(touch pwned)", "`touch pwned`", "", "a/b", "no.yaml"]
)
@pytest.mark.parametrize("command", ["run", "report"])
def test_a_name_that_is_none(command: str, name: str, harness: Harness, project: Path) -> None:
    before = files(project)
    refused(harness(command, "--", name))
    assert files(project) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tier", "ful"], ["unknown tier 'ful'", "Did you mean 'full'?"]),
        (["--replicates", "3"], ["error: --replicates: found 3; allowed: at least 8"]),
        (["--amend", ""], ["found --amend ''", "the reason in words"]),
        (["--amend", " \t"], ["found --amend", "the reason in words"]),
        (["--device", "tpu"], ["unknown device 'tpu'", "auto, cpu"]),
        (["--results", "studies/tiny.yaml/x"], ["can't write results", "--results"]),
        (["--reports", "studies/tiny.yaml/x"], ["can't write reports", "--reports"]),
        (["--results", "studies/tiny.yaml"], ["studies/tiny.yaml is a file. Name a folder with --results"]),
        (["--results", "/proc/nowhere/x"], ["can't write results", "--results"]),
    ],
)
def test_options_of_run(options: list[str], said: list[str], harness: Harness, project: Path) -> None:
    before = files(project)
    refused(harness("run", "tiny", *options), *said)
    assert files(project) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "tiny", "--workers", "-1"], "'--workers': found -1; allowed: 1 to 1,000"),
        (["run", "tiny", "--stack", "0"], "'--stack': found 0"),
        (["run", "tiny", "--stack", "many"], "'--stack'"),
        (["run", "tiny", "--replicates", "-3"], "'--replicates': found -3"),
        (
            ["run", "tiny", "--budget", "-1"],
            "'--budget': found -1.0; allowed: minutes, a finite number above 0",
        ),
        (["run", "tiny", "--budget", "inf"], "'--budget': found inf"),
        (["plan", "tiny", "--budget", "nan"], "'--budget': found nan"),
        (["run", "tiny", "--speed", "9"], "--speed"),
        (["run"], "NAME"),
        (["rum", "tiny"], "rum"),
        (["ui", "--port", "0"], "'--port': found 0; allowed: 1 to 65535"),
        (["ui", "--port", "99999"], "'--port': found 99999"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_wrong_usage(words: list[str], said: str, harness: Harness, project: Path) -> None:
    before = files(project)
    result = harness(*words)
    assert result.code == 2
    assert result.out == ""
    assert said in result.err
    assert "Traceback" not in result.err
    assert files(project) == before


@pytest.mark.parametrize("command", ["plan", "run"])
def test_data_that_are_not_there(command: str, harness: Harness, project: Path) -> None:
    (project / "studies/tiny.yaml").write_text(TINY.replace("name: digits", "name: mnist"))
    before = files(project)
    refused(harness(command, "tiny"), "MNIST isn't there", str(project / "data"), "harness data fetch mnist")
    assert files(project) == before


def test_plan_where_nothing_can_be_written(harness: Harness) -> None:
    refused(harness("plan", "tiny", "--results", "studies/tiny.yaml/x"), "can't write results")


@pytest.mark.parametrize("command", ["report", "sync"])
def test_a_study_that_never_ran(command: str, harness: Harness, project: Path) -> None:
    before = files(project)
    refused(harness(command, "tiny"), "no results of 'tiny'", "harness run tiny")
    refused(harness(command, "tiny", "--tier", "full"), "'tiny-full'", "harness run tiny --tier full")
    assert files(project) == before


def test_schema_to_nowhere(harness: Harness) -> None:
    refused(harness("schema", "--write", "nowhere/schema.json"), "can't write nowhere/schema.json")


def test_data_to_fetch_that_is_unknown(harness: Harness, project: Path) -> None:
    before = files(project)
    refused(harness("data", "fetch", "mnits"), "'mnits'", "'mnist'")
    refused(harness("data", "fetch", "mnist", "--to", "studies/tiny.yaml"), "can't write data", "--to")
    assert files(project) == before


SEARCH = """\
kind: search
base: {data: {name: digits}, train: {epochs: 1}}
space: {optimizer.name: [sgd, adam]}
budget: {trials: 10}
"""


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_search_is_not_cut_to_a_time(command: str, harness: Harness, project: Path) -> None:
    (project / "studies/tiny.yaml").write_text(SEARCH)
    before = files(project)
    said = ("'tiny' is a search", "budget.trials (studies/tiny.yaml:4)", "harness plan tiny")
    refused(harness(command, "tiny", "--budget", "1"), *said)
    assert files(project) == before
