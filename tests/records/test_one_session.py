"""All that is written of a trial goes through one session of MLflow's database, and stays if it ends well."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine, event

from harness.records.mlflow_database import make_database
from harness.records.one_session import MAKER, one_session
from harness.records.tracking import default_uri

SETTING = "PRAGMA foreign_keys = ON;"  # which MLflow sends in every session that it opens


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    """Of a new database."""
    make_database(tmp_path)
    return MlflowClient(default_uri(tmp_path))


def write(client: MlflowClient) -> str:
    """A run with a metric of two points and a param."""
    run: str = client.create_run("0", 1, {"kind": "trial"}, "one").info.run_id
    client.log_batch(run, [Metric("loss", 2.0, 2, 1), Metric("loss", 1.0, 3, 2)], [Param("lr", "0.1")])
    client.set_terminated(run, "FINISHED", 4)
    return run


def test_a_trial_takes_one_session(client: MlflowClient) -> None:
    statements: list[str] = []

    def hear(*given: object) -> None:
        statements.append(str(given[2]))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        with one_session(client):
            run = write(client)
        assert statements.count(SETTING) == 1
        statements.clear()
        write(client)
        assert statements.count(SETTING) > 3  # outside it MLflow opens its own
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    found = client.get_run(run)
    assert (found.info.status, found.info.start_time, found.info.end_time) == ("FINISHED", 1, 4)
    assert (found.data.metrics, found.data.params) == ({"loss": 1.0}, {"lr": "0.1"})
    assert found.data.tags == {"kind": "trial", "mlflow.runName": "one"}
    assert [(m.step, m.value) for m in client.get_metric_history(run, "loss")] == [(1, 2.0), (2, 1.0)]


def test_after_an_error_the_next_trial_is_written(client: MlflowClient) -> None:
    with pytest.raises(MlflowException, match="not found"), one_session(client):
        client.log_batch("0" * 32, [], [Param("lr", "0.1")])
    with one_session(client):
        run = write(client)
    assert client.get_run(run).info.status == "FINISHED"


@pytest.mark.parametrize("tracking", [None, SimpleNamespace(), SimpleNamespace(store=SimpleNamespace())])
def test_a_store_without_sessions_goes_as_ever(tracking: object) -> None:
    """A server's, or one of another version of MLflow's."""
    with one_session(SimpleNamespace(_tracking_client=tracking)):  # type: ignore[arg-type]
        pass
    assert not hasattr(getattr(tracking, "store", None), MAKER)
