"""Every error raised on purpose survives the way from a worker to its driver."""

import pickle
from importlib import import_module
from pkgutil import walk_packages

import pytest

import harness
from harness.catalogue.config_error import ConfigError
from harness.errors import BadInput, DataMissing, HarnessError, RunFailed, StudyError, UnknownName

MADE = {
    HarnessError: HarnessError("text"),
    BadInput: BadInput("text"),
    StudyError: StudyError("a.yaml:3: text"),
    UnknownName: UnknownName("activation", "rely", {"relu": 1, "tanh": 2}),
    DataMissing: DataMissing("text"),
    RunFailed: RunFailed("text"),
    ConfigError: ConfigError("model.class", "text"),
}


def classes(error=HarnessError):
    return {error, *(found for below in error.__subclasses__() for found in classes(below))}


def test_every_class_is_among_them():
    for module in walk_packages(harness.__path__, "harness."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    assert {c for c in classes() if c.__module__.startswith("harness")} == MADE.keys()


@pytest.mark.parametrize("error", MADE.values(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_loses_nothing(error, protocol):
    found = pickle.loads(pickle.dumps(error, protocol))
    assert type(found) is type(error)
    assert (str(found), found.args, vars(found)) == (str(error), error.args, vars(error))
    assert found.exit_code == error.exit_code
