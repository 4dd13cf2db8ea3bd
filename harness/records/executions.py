"""The runs of a study's executions in MLflow: when each ran, and on the last the verdict and the report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from harness.records import runs
from harness.words.design import Design
from harness.words.verdict import StudyVerdict

REPORT_FILES = ("verdict.json", "report.html", "report.pdf")


class RunFacts(NamedTuple):
    """What is kept in memory of one of MLflow's runs."""

    id: str
    status: str
    tags: dict[str, str]


class Findings(NamedTuple):
    """What a study has found so far. `report_folder` may be empty or missing."""

    design: Design
    verdict: StudyVerdict | None
    report_folder: Path


def find_runs(client: MlflowClient, experiment_id: str, kind: str) -> list[RunFacts]:
    """Every run of the kind, `trial` or `execution`, newest first. Reads page by page."""
    found: list[RunFacts] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.kind = '{kind}'", ViewType.ACTIVE_ONLY, 500, page_token=token
        )
        found += [RunFacts(r.info.run_id, r.info.status, dict(r.data.tags)) for r in page]
        token = page.token
        if not token:
            return found


def mirror_executions(
    client: MlflowClient, experiment_id: str, executions: list[dict[str, Any]], findings: Findings
) -> None:
    """A run an execution, written again where it changed. The last one carries verdict and report."""
    known = {run.tags.get("execution"): run for run in find_runs(client, experiment_id, "execution")}
    for execution in executions:
        is_last = execution is executions[-1]
        current = findings if is_last else findings._replace(verdict=None)
        tags = _tags(execution, current)
        old = known.get(tags["execution"])
        if old is not None and (not is_last or old.tags.get("content") == tags["content"]):
            continue
        _write(client, experiment_id, execution, tags, current)
        if old is not None:
            client.delete_run(old.id)


def _tags(execution: Mapping[str, Any], findings: Findings) -> dict[str, str]:
    stamps = [(f.name, f.stat().st_mtime_ns) for f in _files(findings)]
    facts = {k: str(v) for k, v in execution.items() if k not in ("id", "started", "ended")}
    return {
        **{runs.clean(k): runs.cut(v) for k, v in facts.items()},
        "kind": "execution",
        "execution": str(execution["id"]),
        "study": findings.design.name,
        "study_hash": findings.design.hash,
        "verdict": runs.cut(findings.verdict.headline) if findings.verdict else "none",
        "content": runs.digest([dict(execution), stamps]),
    }


def _files(findings: Findings) -> list[Path]:
    if findings.verdict is None:
        return []
    return [p for p in (findings.report_folder / name for name in REPORT_FILES) if p.exists()]


def _write(
    client: MlflowClient,
    experiment_id: str,
    execution: Mapping[str, Any],
    tags: dict[str, str],
    findings: Findings,
) -> None:
    started, ended = _milliseconds(execution.get("started")), _milliseconds(execution.get("ended"))
    name = f"execution {tags['execution']}"
    run_id = client.create_run(experiment_id, started, tags, name).info.run_id
    if findings.verdict is not None:
        summary = runs.arm_metrics(findings.verdict, ended or round(time.time() * 1000))
        for batch in runs.batches(summary, runs.METRICS_A_CALL):
            client.log_batch(run_id, metrics=batch)
    for path in _files(findings):
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id, "FINISHED" if ended else "KILLED", ended or started)


def _milliseconds(time_text: str | None) -> int | None:
    return round(datetime.fromisoformat(time_text).timestamp() * 1000) if time_text else None
