"""What an arm's nets of one replicate make together: votes, mean probabilities, a learned last layer.

K members, n examples, C classes; predictions are log-probabilities (K, n, C), of an ensemble (n, C).
A member that diverged says that all classes are equally likely, whatever the example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from harness.analysis.evidence import Evidence
from harness.analysis.outcome_table import COLUMNS
from harness.analysis.outcomes import Floats
from harness.errors import BadInput
from harness.words.ensemble import Ensemble, Method
from harness.words.metrics import split_metric
from harness.words.named import Column
from harness.words.outcome import Outcome
from harness.words.predictions import Predicted, Predictions
from harness.words.trial import Planned

Labels = NDArray[np.int64]


class Nets(NamedTuple):
    """The nets of one arm and one replicate, on the data they share."""

    val: Floats  # (K, n_val, C) log-probabilities
    val_labels: Labels
    test: Floats  # (K, n_test, C)
    test_labels: Labels

    def first(self, k: int) -> Nets:
        """The first k of them."""
        return self._replace(val=self.val[:k], test=self.test[:k])


# Metrics of log-probabilities (n, C) against labels (n,)


def accuracy(log_p: Floats, labels: Labels) -> float:
    """The share of examples whose likeliest class is the label's; equally likely ones share it."""
    top = log_p == log_p.max(-1, keepdims=True)
    return float(np.mean(top[np.arange(len(labels)), labels] / top.sum(-1)))


def error(log_p: Floats, labels: Labels) -> float:
    """1 - accuracy."""
    return 1 - accuracy(log_p, labels)


def nll(log_p: Floats, labels: Labels) -> float:
    """The mean of -log p(label), in nats."""
    return float(-np.mean(log_p[np.arange(len(labels)), labels]))


def brier(log_p: Floats, labels: Labels) -> float:
    """The mean over examples of the sum over classes of (p - one-hot)^2 (Brier 1950)."""
    return float(np.mean(np.sum((np.exp(log_p) - np.eye(log_p.shape[-1])[labels]) ** 2, -1)))


METRICS: dict[str, Callable[[Floats, Labels], float]] = {
    "accuracy": accuracy,
    "error": error,
    "nll": nll,
    "brier": brier,
}


def disagreement(log_p: Floats) -> float:
    """The share of examples two members label differently, mean over pairs; NaN where there is no pair."""
    labels = log_p.argmax(-1)
    differing = [np.mean(labels[i] != labels[j]) for i, j in combinations(range(len(labels)), 2)]
    return float(np.mean(differing)) if differing else float("nan")


# Ensembles: of log-probabilities (K, n, C) those of the ensemble (n, C)


def vote(log_p: Floats) -> Floats:
    """The class most members find likeliest, ties by mean probability: log 1 for it, log 0 for the others.

    A member that finds several classes equally likely shares its vote among them.
    """
    top = log_p == log_p.max(-1, keepdims=True)
    votes = np.sum(top / top.sum(-1, keepdims=True), 0)
    leading = votes > votes.max(-1, keepdims=True) - 1e-9
    winner = np.where(leading, mean_probability(log_p), -np.inf).argmax(-1)
    return np.where(np.arange(log_p.shape[-1]) == winner[:, None], 0.0, -np.inf)


def mean_probability(log_p: Floats) -> Floats:
    """log of the mean over members of p (Lakshminarayanan et al. 2017)."""
    combined: Floats = logsumexp(log_p, axis=0) - np.log(len(log_p))
    return combined


def stacking(nets: Nets) -> Floats:
    """A last layer on all members' probabilities, learned on the validation split (Wolpert 1992).

    Multinomial logistic regression with an L2 penalty of |W|^2 / 2 beside the summed NLL. A class that
    the validation split lacks gets probability 0.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import, and seldom asked for

    layer = LogisticRegression(C=1.0, tol=1e-7, solver="newton-cg", max_iter=1_000)
    if len(np.unique(nets.val_labels)) < 2:
        raise BadInput("stacking learns from the validation split, which has fewer than two classes")
    with threadpool_limits(1):  # for so small matrices threads wait for each other ten times as long
        layer.fit(_features(nets.val), nets.val_labels)
    combined = np.full(nets.test.shape[1:], -np.inf)
    combined[:, layer.classes_] = layer.predict_log_proba(_features(nets.test))
    return combined


def _features(log_p: Floats) -> Floats:
    """Log-probabilities (K, n, C) as probabilities (n, K C)."""
    return np.exp(log_p).transpose(1, 0, 2).reshape(log_p.shape[1], -1)


# Outcomes of one replicate


def ensemble_value(method: Method, nets: Nets, metric: str) -> float:
    """The metric on the test split of what the nets make together, or of a member picked or averaged.

    Raises BadInput for a metric that is none of `METRICS`, or that a vote does not have.
    """
    measure = METRICS.get(metric)
    if measure is None or (method == "vote" and metric not in ("accuracy", "error")):
        allowed = "accuracy, error" if method == "vote" else ", ".join(METRICS)
        raise BadInput(f"{method} of an ensemble has no {metric!r}; allowed: {allowed}")
    if method == "vote":
        return measure(vote(nets.test), nets.test_labels)
    if method == "mean":
        return measure(mean_probability(nets.test), nets.test_labels)
    if method == "stacking":
        return measure(stacking(nets), nets.test_labels)
    own = [measure(log_p, nets.test_labels) for log_p in nets.test]
    if method == "member_mean":
        return float(np.mean(own))
    return own[_best_on_validation(nets, metric)]


def _best_on_validation(nets: Nets, metric: str) -> int:
    """The member with the best metric on the validation split, the first of equals."""
    sign = 1 if split_metric(f"val/{metric}")[1].better == "higher" else -1
    return int(np.argmax([sign * METRICS[metric](log_p, nets.val_labels) for log_p in nets.val]))


# Outcomes of a study


def ensemble_values(evidence: Evidence, column: Column, outcome: Outcome) -> pd.DataFrame:
    """One row a replicate, as `outcome_table`: the outcome of an ensemble, `arm` being the column's label.

    `diverged` where any of its members did; where all did, the value is the metric's worst. Raises
    BadInput for an outcome other than a final test metric, or where predictions are missing.
    """
    ensemble = column.ensemble
    split, metric = split_metric(outcome.metric)
    if ensemble is None or outcome.function != "final" or split != "test":
        raise BadInput(f"{column.label} has no outcome {str(outcome)!r}; allowed: a final test metric")
    worst = metric.worst(evidence.design.data[column.arm].n_classes)
    rows = [
        (
            column.label,
            replicate,
            worst if nets is None else ensemble_value(ensemble.ensemble, nets, metric.name),
            False,
            lost,
        )
        for replicate, nets, lost in _by_replicate(evidence, column.arm, ensemble)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def ensemble_curve(evidence: Evidence, arm: str, method: Method, metric: str) -> pd.DataFrame:
    """The test metric by the number of members: one row a replicate and M, `replicate`, `members`, `value`.

    Replicates of which every member diverged are left out.
    """
    rows = [
        (replicate, k, ensemble_value(method, nets.first(k), metric))
        for replicate, nets, _ in _by_replicate(evidence, arm, Ensemble(ensemble=method))
        if nets is not None
        for k in range(1, len(nets.test) + 1)
    ]
    return pd.DataFrame(rows, columns=["replicate", "members", "value"])


def disagreements(evidence: Evidence, arm: str) -> list[float]:
    """The disagreement of all of an arm's nets on the test split, a value a replicate."""
    every = _by_replicate(evidence, arm, Ensemble(ensemble="mean"))
    return [disagreement(nets.test) for _, nets, _ in every if nets is not None]


def _by_replicate(
    evidence: Evidence, arm: str, ensemble: Ensemble
) -> Iterator[tuple[int, Nets | None, bool]]:
    """Replicate, its nets (None where all diverged), and whether any diverged."""
    count = ensemble.members or evidence.design.members(arm)
    judged = [p for p in (*evidence.planned, *evidence.members) if p.arm == arm and p.phase == "judge"]
    for replicate in sorted({p.replicate for p in judged}):
        own = sorted((p for p in judged if p.replicate == replicate), key=lambda p: p.member)[:count]
        if len(own) < count:
            raise BadInput(f"an ensemble of {count} needs as many nets; {arm!r} has {len(own)}: run again")
        said = [_predictions(evidence, planned) for planned in own]
        yield replicate, _nets(said), None in said


def _predictions(evidence: Evidence, planned: Planned) -> Predictions | None:
    """What a net predicted, None where it diverged."""
    if planned.trial in evidence.predictions:
        return evidence.predictions[planned.trial]
    if not evidence.records[planned.trial].final:
        return None
    raise BadInput(
        f"the predictions of trial {planned.trial} ({planned.arm}) are missing: run the study again, "
        "only the trials without predictions run anew"
    )


def _nets(said: list[Predictions | None]) -> Nets | None:
    known = next((s for s in said if s is not None), None)
    if known is None:
        return None
    stacked = {
        split: np.stack([_log_p(None if s is None else s[split], known[split]) for s in said])
        for split in ("val", "test")
    }
    labels = {split: known[split].labels.astype(np.int64) for split in ("val", "test")}
    return Nets(stacked["val"], labels["val"], stacked["test"], labels["test"])


def _log_p(said: Predicted | None, like: Predicted) -> Floats:
    if said is None:
        return np.full(like.log_p.shape, -np.log(like.log_p.shape[1]))
    return said.log_p.astype(np.float64)
