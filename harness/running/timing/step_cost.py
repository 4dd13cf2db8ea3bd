"""What a training step costs by its batch: a straight line through timed batch sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from harness.running.timing.benchmark import Setting
from harness.running.timing.clock import Times
from harness.words.base import Word


class LinearCost(Word):
    """A step of a batch of B takes step_us + B * example_us, in microseconds: what `train.cost` declares."""

    setting: str  # the net
    step_us: float
    example_us: float
    misfit: float  # the largest error of the line at any batch size, relative to the time taken there


def linear_costs(settings: Sequence[Setting], times: Sequence[Times]) -> list[LinearCost]:
    """The line of every setting, whose arms are batch sizes (their `work`).

    Least squares of relative errors, so that small batches count as much as large ones, neither number
    below 0. Of an arm's rounds the fastest counts: whatever else a machine does only adds to a time.
    """
    fastest = {(t.setting, t.arm): min(t.seconds) for t in times}
    return [_line(s, [1e6 * arm.work * fastest[s.name, arm.name] for arm in s.arms]) for s in settings]


def _line(setting: Setting, steps_us: Sequence[float]) -> LinearCost:
    taken = np.array(steps_us)
    parts = np.stack([1 / taken, [arm.work for arm in setting.arms] / taken], 1)
    (step_us, example_us), _ = nnls(parts, np.ones(len(taken)))
    misfit = np.abs(parts @ [step_us, example_us] - 1).max()
    return LinearCost(setting=setting.name, step_us=step_us, example_us=example_us, misfit=misfit)
