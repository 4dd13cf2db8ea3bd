"""The study of batch sizes, shrunk, from its file to its report: equal examples, steps and seconds."""

import pytest

from harness.analysis.judge import judge_study
from harness.cli.reports import evidence
from harness.planning.studies import FOLDER
from harness.reporting.content import build_document
from harness.reporting.html import to_html
from harness.running.run import run_study

SHRUNK = (
    ("n_train: 2048", "n_train: 256, n_val: 100, n_test: 100"),
    ("widths: [50, 50]", "widths: [8]"),
    ("evaluations: 100", "evaluations: 4"),
    ("train.epochs: 40", "train.epochs: 4"),
    ("train.steps: 1000", "train.steps: 8"),
    ("train.seconds: 0.5", "train.seconds: 0.002"),
    ("[1, 8, 32, 128, 512, full]", "[1, 32, full]"),
    ("points: 17, seeds: 2", "points: 3, seeds: 1, extend: 0"),
    ("judge: {replicates: 20}", "judge: {replicates: 9}"),
)
STEPS = {"1": 20, "32": 16, "full": 7}  # in 2 ms, at 98.63, 118.16 and 259.28 us a step


@pytest.fixture
def ran(design, bench):
    shrunk, b = design(*SHRUNK, text=(FOLDER / "batch_size.yaml").read_text()), bench()
    run_study(shrunk, b)
    return shrunk, evidence(b.store.contents())


def test_a_shrunk_study_of_three_budgets_ends_in_a_report(ran):
    design, found = ran
    timed = {a.label: a for a in design.arms if a.levels["budget"] == "time"}
    assert {a.levels["train.batch_size"]: design.steps[label] for label, a in timed.items()} == STEPS
    for planned in found.planned:
        if planned.arm in timed:
            assert found.records[planned.trial].steps[-1] == design.steps[planned.arm]
    verdict = judge_study(found)
    at_time = [h for h in verdict.hypotheses if "modelled seconds" in h.statement]
    assert [h.kind for h in at_time] == ["faster", "faster", "best_of"]
    for hypothesis in at_time:
        budgets = next(g for g in hypothesis.gates if g.name == "G7")
        assert budgets.passed
        assert "modelled seconds" in budgets.detail
    page = to_html(build_document(found, verdict))
    assert "declared to cost (98 µs a step and 0.63 µs an example)" in page
    assert "How long a trial was, counted in every way" in page
    assert ">Modelled seconds</th>" in page
