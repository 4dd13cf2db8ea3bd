"""Certificates of impossibility: what no amount of training can reach, shown by a linear program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from harness.analysis.outcomes import Floats
from harness.errors import BadInput
from harness.words.certificates import not_about

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
TRUTH = {  # gate -> its outputs for INPUTS
    "and": (0, 0, 0, 1),
    "or": (0, 1, 1, 1),
    "xor": (0, 1, 1, 0),
    "nand": (1, 1, 1, 0),
    "nor": (1, 0, 0, 0),
    "xnor": (1, 0, 0, 1),
}
SLACK = 1e-9  # of the witness, which the program finds to rounding


class Found(NamedTuple):
    """Whether success is impossible, and why or why not."""

    impossible: bool
    detail: str


def linear_separability(config: Mapping[str, Any]) -> Found:
    """No linear threshold separates a gate's outputs: the convex hulls of its two classes share a point.

    The shared point, found by a linear program and checked, is the certificate: a linear function
    would have to be above and below the threshold there. Separability doesn't change with the
    coding of the inputs (0 and 1, or -1 and 1). Raises BadInput for data other than a gate, or a
    network with hidden layers, of which it says nothing.
    """
    message = not_about(config)
    if message is not None:
        raise BadInput(message)
    gate = config["data"]["gate"]
    point = shared_point(INPUTS, np.array(TRUTH[gate]))
    if point is None:
        return Found(False, f"a line separates the two classes of {gate}, so a linear threshold can learn it")
    place = ", ".join(f"{x:.3g}" for x in point)
    return Found(True, f"the convex hulls of {gate}'s two classes meet at ({place}): no line separates them")


def shared_point(inputs: Floats, labels: np.ndarray) -> Floats | None:
    """A point in the convex hulls of both classes, or None: then, and only then, a hyperplane separates them.

    `inputs` (n, d), `labels` (n,) of 0 and 1. Weights u, v >= 0 with sum 1 each and X1' u = X0' v.
    """
    ones, zeros = inputs[labels == 1], inputs[labels == 0]
    if not len(ones) or not len(zeros):
        return None
    meet = np.hstack([ones.T, -zeros.T])
    sums = np.zeros((2, len(inputs)))
    sums[0, : len(ones)] = sums[1, len(ones) :] = 1
    found = optimize.linprog(
        np.zeros(len(inputs)),
        A_eq=np.vstack([meet, sums]),
        b_eq=np.concatenate([np.zeros(inputs.shape[1]), [1.0, 1.0]]),
        bounds=(0, None),
    )
    if not found.success:
        return None
    weights = np.asarray(found.x, dtype=float)
    of_ones: Floats = weights[: len(ones)] @ ones
    of_zeros: Floats = weights[len(ones) :] @ zeros
    if not np.allclose(of_ones, of_zeros, rtol=0, atol=SLACK * max(1.0, float(np.abs(inputs).max()))):
        raise AssertionError("the linear program's witness does not lie in both hulls")
    return of_ones


CERTIFICATES: dict[str, Callable[[Mapping[str, Any]], Found]] = {"linear_separability": linear_separability}
