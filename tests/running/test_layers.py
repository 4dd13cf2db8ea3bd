"""Equality as a user sees it: every kind of layer, across executors, stack sizes and an interruption."""

import pytest

from harness.planning.design import make_design
from harness.planning.trials import judge_trials
from harness.running.batch import run_batch
from harness.running.executors import WorkerProcesses
from harness.running.here import ThisProcess
from harness.words.record import Status
from harness.words.study_file import load_study
from tests.running.executors import Counting

LAYERS = """\
base:
  data: {name: digits, n_train: 120}
  optimizer: {name: adam, lr: 0.003}
  train: {batch_size: 30, steps: 4, evaluations: 2}
arms:
  layer:
    linear: {model.name: mlp, model.widths: [12]}
    layer_norm: {model.name: mlp, model.widths: [12], model.normalisation: layer_norm}
    batch_norm: {model.name: mlp, model.widths: [12], model.normalisation: batch_norm}
    dropout: {model.name: mlp, model.widths: [12, 12], model.dropout: 0.3, model.skip: true}
    convolution: {model.name: cnn2d, model.channels: [4, 4]}
    rnn: {model.name: rnn, model.cell: rnn, model.hidden: 6}
    lstm: {model.name: rnn, model.cell: lstm, model.hidden: 6}
    wide_lstm: {model.name: rnn, model.cell: lstm, model.hidden: 32, model.readout: mean}
    gru: {model.name: rnn, model.cell: gru, model.hidden: 6, model.bidirectional: true}
    attention: {model.name: attention, model.width: 8, model.heads: 2}
judge: {replicates: 8}
hypotheses:
  - {kind: superiority, a: dropout, b: linear, outcome: {final: test/accuracy}, delta: 0.01}
"""


def numbers(store):
    return {r.trial: (r.status, repr(r.curves), repr(r.final)) for r in store.records()}


@pytest.fixture
def layers(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(LAYERS)
    return make_design(load_study(path))


@pytest.mark.slow
def test_every_layer_in_this_process_and_in_interrupted_workers(layers, bench):
    """Pairs in this process; one by one in two workers, interrupted halfway and taken up again."""
    trials = [t for arm in layers.arms for t, _ in judge_trials(layers, arm, {}, (0, 1))]
    here = bench(ThisProcess(), results="here")
    run_batch(here, "judging", trials)
    pool = WorkerProcesses(2)
    try:
        cut = bench(Counting(pool, breaks_after=10), results="cut", largest_stack=1)
        with pytest.raises(KeyboardInterrupt):
            run_batch(cut, "judging", trials)
        cut.store.close()
        on = bench(pool, results="cut", largest_stack=1)
        run_batch(on, "judging", trials)
    finally:
        pool.close()
    assert numbers(on.store) == numbers(here.store)
    assert len(numbers(on.store)) == len(trials) == 10 * 2
    assert {r.status for r in on.store.records()} == {Status.DONE}
