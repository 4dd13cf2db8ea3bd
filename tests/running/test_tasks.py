"""The study over tasks, shrunk, from its file to its report."""

import numpy as np
import pytest

from harness.analysis.judge import judge_study
from harness.cli.reports import evidence
from harness.planning.detectable import detectable
from harness.planning.studies import FOLDER
from harness.reporting.content import build_document
from harness.reporting.document import Figure, blocks_of
from harness.reporting.html import to_html
from harness.running.run import run_study
from harness.running.sigmas import known_sigmas
from harness.words.tasks import tasks_of

SHRUNK = (
    ("steps: 1000, evaluations: 10", "steps: 20, evaluations: 2"),
    ("judge: {replicates: 10}", "judge: {replicates: 8}"),
    ("data.n_test: 2000", "data.n_test: 200, data.n_train: 200"),
    ("data.n_train: 500, data.n_test: 200, data.n_train: 200", "data.n_test: 200, data.n_train: 100"),
    ("[sgd, momentum, rmsprop, adagrad, adam]", "[sgd, momentum, adam]"),
)
LEFT_OUT = ("digits_noisy", "curves_deep", "teacher_wide")  # nine are the fewest that can support anything


@pytest.fixture
def ran(design, bench):
    lines = (FOLDER / "optimizers_tasks.yaml").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.strip().startswith(LEFT_OUT))
    shrunk, b = design(*SHRUNK, text=text), bench()
    run_study(shrunk, b)
    return shrunk, b


def test_a_shrunk_study_over_tasks_ends_in_a_report(ran, tmp_path):
    design, b = ran
    found = evidence(b.store.contents())
    verdict = judge_study(found)
    table = found.trials[found.trials["phase"] == "judge"].groupby("arm")["test/accuracy"].mean()
    tasks = tasks_of(design, design.study.hypotheses[0])
    means = np.array([[table[arm] for arm in row] for row in tasks.arms])
    for hypothesis in verdict.hypotheses[:2]:
        assert hypothesis.estimate.n == len(tasks.names) == 9
        rows = {row["arm"]: row["mean"] for row in hypothesis.comparisons}
        assert [rows[c] for c in tasks.contenders] == pytest.approx(means.mean(axis=0).tolist())
    assert verdict.hypotheses[0].estimate.extra["subject"] == "adam"
    assert verdict.hypotheses[2].estimate.unit == "% of a task's mean"
    document = build_document(found, verdict)
    figures = [f.name for f in blocks_of(document, Figure)]
    assert {f"{name}-{i}" for name in ("ranks", "profile") for i in range(3)} <= set(figures)
    assert to_html(document).count("<svg") == len(figures)
    b.store.close()
    sigmas = known_sigmas(design, tmp_path / "results")
    assert {s.basis for s in sigmas.values()} == {"sigma from 9 tasks as judged"}
    first, _, relative = detectable(design, sigmas)
    assert relative.unit == "of each task's mean"
    ranks = {row["arm"]: row["mean_rank"] for row in verdict.hypotheses[0].comparisons}
    best, second = (tasks.contenders.index(a) for a in sorted(ranks, key=ranks.__getitem__)[:2])
    assert first.sigma == pytest.approx(np.std(means[:, best] - means[:, second], ddof=1))
