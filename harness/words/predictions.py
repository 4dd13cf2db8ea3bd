"""What a trained net says of every example of a split; ensembles are made from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Predicted(NamedTuple):
    """Log-probabilities (n, C) float32 and labels (n,) integers of one split.

    Logarithms, because a float32 probability of a confident net rounds to 0 and its logarithm does not.
    """

    log_p: NDArray[np.float32]
    labels: NDArray[np.integer[Any]]


Predictions = dict[str, Predicted]  # by split: val, test
