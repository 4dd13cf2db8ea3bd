"""One session of MLflow's database for all that is written of a trial.

MLflow opens one for every part of every call, six a trial, and tells SQLite the same three settings in
each: a tenth of a mirror's time. An error takes back what came before MLflow's own commit. Its stores
make sessions by an attribute, `ManagedSessionMaker`; where a store has none, a server's say, or MLflow
names it otherwise one day, everything goes as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from mlflow.tracking import MlflowClient

MAKER = "ManagedSessionMaker"


@contextmanager
def one_session(client: MlflowClient) -> Iterator[None]:
    """Within it the client's calls share a session, which is committed at its end and where they commit.

    Raises what MLflow does where its database can't.
    """
    store = getattr(getattr(client, "_tracking_client", None), "store", None)
    make = getattr(store, MAKER, None)
    if make is None:
        yield
        return
    with make(read_only=False) as session:
        session.expire_on_commit = False  # nobody else writes to the run: nothing to read again
        setattr(store, MAKER, lambda read_only=True: nullcontext(session))
        try:
            yield
        finally:
            setattr(store, MAKER, make)
