"""Streams: the same training on the same data with other seeds, for controls."""

from harness.training.stack import stack_key
from harness.training.start import batch_orders, initial_params, noise_key
from harness.training.start import build_module as build
from tests.training.examples import splits_for, train_together, trial_of


def test_no_stream_and_stream_0_leave_seeds_as_they_are():
    plain, zero = trial_of(), trial_of(train__stream=0)
    assert plain.seed_parts() == zero.seed_parts() == ("tests", "judge", 0)
    assert plain.id != zero.id


def test_a_stream_changes_init_order_and_noise_and_leaves_the_data(tmp_path):
    trials = [trial_of(train__stream=stream) for stream in range(3)]
    module = build(trials[0].config, (40,), 10)
    assert len({tuple(initial_params(t, module).tolist()) for t in trials}) == 3
    assert len({tuple(next(batch_orders(t, 300, 30)).flatten().tolist()) for t in trials}) == 3
    assert len({noise_key(t) for t in trials}) == 3
    assert len({splits_for(t, tmp_path).fingerprint for t in trials}) == 1


def test_streams_train_together_as_they_do_alone(tmp_path):
    trials = [trial_of(train__stream=stream, train__steps=20) for stream in range(3)]
    assert len({stack_key(t.config) for t in trials}) == 1
    together = train_together(trials, tmp_path)
    alone = [train_together([t], tmp_path)[0] for t in trials]
    assert [r.curves for r in together] == [r.curves for r in alone]
    assert len({r.final["test/loss"] for r in alone}) == 3
