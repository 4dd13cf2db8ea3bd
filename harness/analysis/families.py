"""Arms against one control: tests that are corrected together, by max-T, because they share its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.analysis.estimates import PAIRED_T
from harness.analysis.kinds.base import Answered
from harness.analysis.multiplicity import holm
from harness.analysis.outcomes import Floats
from harness.analysis.question import scores
from harness.analysis.sign_flip import flipped_t
from harness.words.hypothesis import Faster, Superiority


class AgainstControl(NamedTuple):
    """The paired differences of one test against its control, and what a family has in common."""

    control: str  # column
    outcome: str
    replicates: tuple[int, ...]
    differences: Floats  # (n,)

    @property
    def family(self) -> tuple[str, str, tuple[int, ...]]:
        """Tests of one family share all of this."""
        return self.control, self.outcome, self.replicates


class Family(NamedTuple):
    """Tests of arms against one control. `differences` is (n, k), a column a test."""

    control: str
    tests: tuple[int, ...]
    differences: Floats


def against_control(answered: Answered) -> AgainstControl | None:
    """What a test against a control brings to its family; None for any other.

    A superiority, or a `faster` without censored runs, whose mean paired difference is tested by Student's
    t. By ranks, wins or for repeated splits (whose signs can't be flipped) it is no mean of differences
    apart, and one with `for_each` tests several at once. The control is b.
    """
    asked, interval = answered.question, answered.interval
    single = isinstance(asked.hypothesis, (Superiority, Faster)) and not asked.hypothesis.for_each
    if not single or asked.settings > 1 or interval is None or interval.method != PAIRED_T:
        return None
    pair = scores(asked, asked.columns[:2])
    values, replicates = pair.values[:, 0] - pair.values[:, 1], tuple(pair.replicates.tolist())
    return AgainstControl(asked.reference, asked.outcome.model_dump_json(), replicates, values)


def families_of(tests: Mapping[int, AgainstControl]) -> list[Family]:
    """Two or more tests that share control, outcome and replicates make a family."""
    found: dict[tuple[str, str, tuple[int, ...]], list[int]] = {}
    for index, test in tests.items():
        found.setdefault(test.family, []).append(index)
    return [
        Family(key[0], tuple(own), np.column_stack([tests[i].differences for i in own]))
        for key, own in found.items()
        if len(own) > 1
    ]


def corrected_p(p_values: Mapping[int, float], families: Sequence[Family]) -> dict[int, float]:
    """Adjusted p values of all tests: of true ones, any is at most 5 % in at most 5 % of studies.

    Within a family by step-down max-T: a test's p is the share of joint sign flips whose largest absolute
    t, among those of the family that are still open, reaches its own. Between families, each other test
    being one of its own, by Holm's method with weights: a family of k tests may spend k / K of the level,
    K the tests in families with one still open. So without families it is Holm's method, and with one
    alone it is max-T.

    It keeps the familywise error. Were the tests without an effect alone open, each family would close one
    of them with a chance of at most k / K of the level, which adds up to the level (Bonferroni). While
    others are open too, p and K / k are as large or larger, so that fewer close (Romano and Wolf 2005,
    theorem 1). k stays the family's whole size: a family that shrank would lose level that its next test
    counts on. Flips are exact where differences are jointly symmetric about 0. An adjusted p is never below
    the test's own. Sources: Westfall and Young 1993, algorithm 4.1; Holm 1979, weighted tests.
    """
    if not families:
        return dict(zip(p_values, holm(list(p_values.values())).tolist(), strict=True))
    flips = {i: np.abs(f) for family in families for i, f in _columns(family)}
    together = [list(family.tests) for family in families]
    together += [[i] for i in p_values if i not in flips]
    sizes, adjusted, least = [len(tests) for tests in together], dict[int, float](), 0.0
    while any(together):
        left = sum(size for size, tests in zip(sizes, together, strict=True) if tests)
        firsts = [
            (left / size * p, test, tests)
            for size, tests in zip(sizes, together, strict=True)
            if tests
            for p, test in (_first(tests, flips, p_values),)
        ]
        p, test, tests = min(firsts, key=lambda first: first[:2])
        least = max(least, min(p, 1.0))
        adjusted[test] = max(least, p_values[test])
        tests.remove(test)
    return {index: adjusted[index] for index in p_values}


def _columns(family: Family) -> list[tuple[int, Floats]]:
    """Test -> its (draws,) t values under the family's joint flips, the observed one first."""
    return list(zip(family.tests, flipped_t(family.differences).T, strict=True))


def _first(
    tests: Sequence[int], flips: Mapping[int, Floats], p_values: Mapping[int, float]
) -> tuple[float, int]:
    """The test of a family that is the next to be closed, and its p among those still open."""
    if tests[0] not in flips:
        return p_values[tests[0]], tests[0]
    largest = np.max([flips[i] for i in tests], axis=0)
    best = max(tests, key=lambda i: float(flips[i][0]))
    observed = float(flips[best][0])
    return float(np.mean(largest >= observed * (1 - 1e-9))), best
