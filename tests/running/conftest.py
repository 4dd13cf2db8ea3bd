import pytest

from harness.planning.design import make_design
from harness.records.store import Store
from harness.running.batch import Bench
from harness.running.here import ThisProcess
from harness.running.observer import Silent
from harness.words.study_file import load_study
from tests.running.executors import Counting

TEXT = """\
base:
  data: {name: mnist1d, n_train: 200, n_val: 60, n_test: 60}
  model: {name: mlp, widths: [8]}
  train: {batch_size: 50, epochs: 2}
arms: {optimizer.name: [sgd, adam]}
tune: {optimizer.lr: own_range, points: 3, seeds: 2, extend: 0}
judge: {replicates: 8}
hypotheses:
  - {kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.01}
"""
TUNED, JUDGED = 2 * 3 * 2, 2 * 8  # trials of the two phases


@pytest.fixture
def design(tmp_path):
    """The tiny study, or another text, with parts of it replaced."""

    def _design(*replacements, name="tiny", text=TEXT):
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return make_design(load_study(path))

    return _design


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def bench(tmp_path, cache_dir):
    """A bench over a store of its own; `inner` runs the jobs, and is counted."""
    stores = []

    def _bench(inner=None, results="results", **options):
        store = Store(tmp_path / results, "tiny")
        stores.append(store)
        executor = inner if isinstance(inner, Counting) else Counting(inner or ThisProcess())
        return Bench(store=store, executor=executor, observer=Silent(), cache_dir=cache_dir, **options)

    yield _bench
    for store in stores:
        store.close()


@pytest.fixture
def store_with():
    """Writes what simulated evidence holds into a store, of the phases given."""

    def _store(root, evidence, phases=("tune", "judge")):
        with Store(root, evidence.design.folder) as store:
            store.save_design(evidence.design)
            store.save_choices(dict(evidence.choices))
            store.save_frozen(evidence.frozen)
            store.save_plan([p for p in evidence.planned if p.phase in phases])
            store.append([r for r in evidence.records.values() if r.phase in phases])

    return _store
