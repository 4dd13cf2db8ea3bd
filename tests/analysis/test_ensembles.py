"""Ensembles: by hand, against independent references, and properties that always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from harness.analysis.ensembles import (
    METRICS,
    Nets,
    brier,
    disagreement,
    ensemble_value,
    mean_probability,
    nll,
    stacking,
    vote,
)
from harness.errors import BadInput

HAND = np.log(
    np.array(
        [  # members x examples x classes
            [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]],
            [[0.5, 0.4, 0.1], [0.1, 0.8, 0.1]],
            [[0.1, 0.8, 0.1], [0.2, 0.2, 0.6]],
        ]
    )
)


def drawn(seed, k=4, n=60, classes=3, sharpness=1.0):
    """Members that know something of the labels: logits (k, n, classes) with a bonus for the label."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    logits = generator.normal(size=(k, n, classes)) * sharpness + np.eye(classes)[labels]
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True)), labels


def nets(seed, **options):
    (val, val_labels), (test, test_labels) = drawn(2 * seed, **options), drawn(2 * seed + 1, **options)
    return Nets(val, val_labels, test, test_labels)


def test_votes_and_means_by_hand():
    # Two of three say 0; then all differ, and class 1 has the largest mean probability (1.4 / 3).
    assert vote(HAND).argmax(-1).tolist() == [0, 1]
    np.testing.assert_allclose(
        np.exp(mean_probability(HAND)), [[0.4, 0.5, 0.1], [0.8 / 3, 1.4 / 3, 0.8 / 3]], rtol=1e-12
    )
    assert mean_probability(HAND).argmax(-1).tolist() == [1, 1]  # the mean overrules the majority
    assert disagreement(HAND) == pytest.approx((1 / 2 + 1 + 1) / 3)  # of pairs 01, 02, 12
    assert np.isnan(disagreement(HAND[:1]))


def test_a_member_that_diverged_has_no_say_in_a_vote_and_the_worst_metrics():
    flat = np.full((1, 2, 3), -np.log(3))
    np.testing.assert_array_equal(vote(np.concatenate([HAND, flat])), vote(HAND))
    labels = np.array([0, 2])
    assert METRICS["accuracy"](flat[0], labels) == pytest.approx(1 / 3)
    assert METRICS["error"](flat[0], labels) == pytest.approx(2 / 3)
    assert nll(flat[0], labels) == pytest.approx(np.log(3))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_metrics_are_those_of_scikit_learn(seed):
    log_p, labels = drawn(seed, k=1)
    p = np.exp(log_p[0])
    assert METRICS["accuracy"](log_p[0], labels) == pytest.approx(accuracy_score(labels, p.argmax(-1)))
    assert nll(log_p[0], labels) == pytest.approx(log_loss(labels, p, labels=[0, 1, 2]))
    expected = brier_score_loss(labels, p, labels=[0, 1, 2], scale_by_half=False)
    assert brier(log_p[0], labels) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0.1, 20))
def test_the_mean_probability_is_never_worse_than_the_mean_member(seed, k, sharpness):
    """Jensen: -log and the square are convex, so NLL and Brier of the mean are at most their means."""
    log_p, labels = drawn(seed, k=k, sharpness=sharpness)
    for metric in (nll, brier):
        own = np.mean([metric(member, labels) for member in log_p])
        assert metric(mean_probability(log_p), labels) <= own + 1e-12


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(5)))
def test_the_order_of_members_does_not_matter(seed, order):
    log_p, _ = drawn(seed, k=5)
    np.testing.assert_array_equal(vote(log_p), vote(log_p[order]))
    np.testing.assert_allclose(mean_probability(log_p), mean_probability(log_p[order]), atol=1e-12)
    assert disagreement(log_p) == pytest.approx(disagreement(log_p[order]))


@pytest.mark.parametrize("method", ["vote", "mean", "member_mean", "best_by_validation"])
def test_one_member_is_itself(method):
    alone = nets(3, k=1)
    assert ensemble_value(method, alone, "error") == METRICS["error"](alone.test[0], alone.test_labels)


def test_the_best_by_validation_is_not_the_best_by_test():
    found = nets(5, k=6, n=30)
    for name, pick in (("accuracy", np.argmax), ("nll", np.argmin)):
        on_val = [METRICS[name](m, found.val_labels) for m in found.val]
        on_test = [METRICS[name](m, found.test_labels) for m in found.test]
        assert ensemble_value("best_by_validation", found, name) == on_test[pick(on_val)]
        assert ensemble_value("member_mean", found, name) == pytest.approx(np.mean(on_test))


def test_stacking_learns_whom_to_trust():
    """Two members know the labels but for a swap of classes, which only a learned layer can undo."""
    known = nets(1, k=3, n=400)
    swap = [1, 2, 0]
    swapped = known._replace(
        val=np.concatenate([known.val[:1], known.val[1:, :, swap]]),
        test=np.concatenate([known.test[:1], known.test[1:, :, swap]]),
    )
    learned, plain = (ensemble_value(m, swapped, "accuracy") for m in ("stacking", "mean"))
    assert learned > plain + 0.2
    assert learned == pytest.approx(ensemble_value("stacking", known, "accuracy"), abs=0.02)


def test_stacking_minimises_what_it_says():
    """The gradient of summed NLL + |W|^2 / 2 vanishes: X'(P - Y) + W = 0, and the bias's is sum(P - Y)."""
    found = nets(2, k=2, n=200)
    on_val = stacking(found._replace(test=found.val, test_labels=found.val_labels))
    residual = np.exp(on_val) - np.eye(3)[found.val_labels]
    x = np.exp(found.val).transpose(1, 0, 2).reshape(200, -1)
    # W is known up to the gradient itself; logits rebuilt from it give the same probabilities.
    logits = x @ -(x.T @ residual)
    gap = (logits - logits[:, :1]) - (on_val - on_val[:, :1])
    np.testing.assert_allclose(gap, np.broadcast_to(gap.mean(0), gap.shape), atol=1e-3)
    np.testing.assert_allclose(residual.sum(0), 0, atol=1e-4)


def test_a_class_that_validation_lacks_is_never_predicted_by_stacking():
    found = nets(4, k=2)
    kept = found.val_labels != 2
    combined = stacking(found._replace(val=found.val[:, kept], val_labels=found.val_labels[kept]))
    assert np.isneginf(combined[:, 2]).all()
    np.testing.assert_allclose(np.exp(combined).sum(-1), 1)


def test_what_an_ensemble_lacks_is_refused():
    with pytest.raises(BadInput, match="vote of an ensemble has no 'nll'; allowed: accuracy, error"):
        ensemble_value("vote", nets(0), "nll")
    with pytest.raises(BadInput, match="'mse'; allowed: accuracy, error, nll, brier"):
        ensemble_value("mean", nets(0), "mse")
    with pytest.raises(BadInput, match="fewer than two classes"):
        stacking(nets(0)._replace(val_labels=np.zeros(60, dtype=np.int64)))
