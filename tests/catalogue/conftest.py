import pytest


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """Where the tests' data are drawn once and kept."""
    return tmp_path_factory.mktemp("data")
