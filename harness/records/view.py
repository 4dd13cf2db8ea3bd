"""What people see of a study in MLflow's pages: the experiment's note, a table sorted and grouped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from harness.words.design import Design
from harness.words.outcome import Outcome
from harness.words.verdict import StudyVerdict

VIEW = "harness"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"  # undocumented; without it the pages open unsorted
NOTE_TAG = "mlflow.note.content"


def view_url(base_url: str, experiment_id: str) -> str:
    """The link to a study's runs, sorted and grouped by arm."""
    return (
        f"{base_url.rstrip('/')}/#/experiments/{experiment_id}/runs"
        f"?workflowType=machine_learning&viewStateShareKey={VIEW}"
    )


def note(design: Design, verdict: StudyVerdict | None) -> str:
    """The experiment's description in Markdown: the claim, the verdict if there is one, how to read."""
    study = design.study
    says = study.claim.says or "no claim; see the report"
    source = f" ({study.claim.source})" if study.claim.source else ""
    answer = (
        f"**Verdict.** {verdict.headline}" if verdict else "**Verdict.** None yet: the study is under way."
    )
    return "\n\n".join(
        [
            f"## {study.title or design.name}",
            f"**Claim.** {says}{source}",
            answer,
            "**How to read.** Each run is one trial, except the runs tagged `kind = execution`, which carry "
            "the report, the verdict and a summary of every arm. `tags.phase = 'tune'` are the trials that "
            "chose each arm's settings, `tags.phase = 'judge'` those that decide. Group by the tag `arm` to "
            "see the mean of each arm; the same `replicate` means the same data and seeds in every arm. "
            "Long curves are thinned: the records keep every value. Intervals and tests stand in the report, "
            "not here.",
        ]
    )


def view_state(design: Design, judged: bool) -> str:
    """The shared view: the columns of the question, a row an arm, judged trials if any.

    By replicate, of which each arm has all: the pages load a hundred runs and take an arm's mean over
    those, which would be of its best if they came best first. A search's do. The keys are those the pages
    write themselves.
    """
    metrics = _metrics(design)
    best_first = design.study.kind == "search" and bool(metrics)
    state: dict[str, Any] = {
        "searchFilter": "tags.arm != ''" + (" AND tags.phase = 'judge'" if judged else ""),
        "orderByKey": f"metrics.`{metrics[0]}`" if best_first else "tags.`replicate`",
        "orderByAsc": not best_first,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"tags.`{t}`" for t in ("arm", "replicate", "status")),
            *(f"params.`{p}`" for p in _parameters(design)),
            *(f"metrics.`{m}`" for m in metrics),
        ],
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOWALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "arm"}]},
        "groupsExpanded": {f"tag.arm.{arm.label}": False for arm in design.arms},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    return json.dumps(state)


def _parameters(design: Design) -> list[str]:
    """The paths that differ between arms or are tuned: what tells trials apart."""
    swept = [path for path in design.study.arms if "." in path]
    tuned = [dimension.path for arm in design.arms for dimension in arm.tuned]
    return _unique([*swept, *tuned, *design.study.space])[:8]


def _metrics(design: Design) -> list[str]:
    """The final metrics that the hypotheses speak of, test before validation."""
    spoken: list[str] = []
    for hypothesis in design.study.hypotheses:
        outcome = getattr(hypothesis, "outcome", None)
        if isinstance(outcome, Outcome) and "/" in outcome.metric:
            spoken.append(outcome.metric)
    if design.study.objective is not None:
        spoken.append(design.study.objective.metric)
    named = [m.partition("/")[2] for m in spoken]
    return [f"final/{m}" for m in _unique([*(f"test/{n}" for n in named), *spoken])][:6]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
