"""One session of MLflow's database for all that is written of a trial.

MLflow opens one for every part of every call, six a trial, and tells SQLite the same three settings in
each: a tenth of a mirror's time. An error takes back what came before MLflow's own commit. Its stores
make sessions by an attribute, `ManagedSessionMaker`; where a store has none, a server's say, or MLflow
names it otherwise one day, everything goes as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, final

from mlflow.tracking import MlflowClient

MAKER = "ManagedSessionMaker"
Make = Callable[..., AbstractContextManager[Any]]  # of a session, `read_only` or not


@final
class OneSession:
    """Within it the client's calls share a session, which is committed at its end and where they commit."""

    def __init__(self, client: MlflowClient) -> None:
        store = getattr(getattr(client, "_tracking_client", None), "store", None)
        self._make: Make | None = getattr(store, MAKER, None)
        self._session: Any = None
        if self._make is not None:
            setattr(store, MAKER, self._shared)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Share one from here on. Raises what MLflow does where its database can't."""
        if self._make is None:
            yield
            return
        with self._make(read_only=False) as self._session:
            self._session.expire_on_commit = False  # nobody else writes to the run: nothing to read again
            try:
                yield
            finally:
                self._session = None

    @contextmanager
    def _shared(self, read_only: bool = True) -> Iterator[Any]:
        """What MLflow gets where it asks for a session: the one that is open, or its own."""
        if self._session is not None:
            yield self._session
        elif self._make is not None:
            with self._make(read_only=read_only) as own:
                yield own
