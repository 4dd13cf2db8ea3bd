"""The settings of a universal claim: one hypothesis at every combination of the levels of some factors."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.errors import UnknownName
from harness.words.hypothesis import Hypothesis


class Setting(NamedTuple):
    """One combination of levels, and the hypothesis as it is asked there, with its `at` in place."""

    levels: dict[str, str]  # factor -> level's label; empty where the hypothesis is asked once
    hypothesis: Hypothesis

    @property
    def label(self) -> str:
        """The setting in words: "depth 3", "relu × depth 3"."""
        return setting_label(self.levels)


def settings_of(hypothesis: Hypothesis, levels: Mapping[str, Sequence[str]]) -> list[Setting]:
    """The settings of a hypothesis, the last factor varying fastest; itself where it has no `for_each`.

    `levels`: factor -> the labels of its levels. Raises UnknownName for a factor that is not there.
    """
    factors = hypothesis.for_each
    if not factors:
        return [Setting({}, hypothesis)]
    for factor in factors:
        if factor not in levels:
            raise UnknownName("factor", factor, levels)
    crossed = (dict(zip(factors, c, strict=True)) for c in itertools.product(*(levels[f] for f in factors)))
    return [Setting(at, _at(hypothesis, at)) for at in crossed]


def setting_label(levels: Mapping[str, str]) -> str:
    """Levels by their labels, after the short names of their factors where the labels say too little."""
    named = (f"{factor_label(f)} {level}" if says_little(level) else level for f, level in levels.items())
    return " × ".join(named)


def says_little(level: str) -> bool:
    """Whether a level's label, a number or yes or no, needs its factor's name beside it."""
    return level in ("true", "false", "none") or not any(c.isalpha() for c in level.replace("e", ""))


def factor_label(factor: str) -> str:
    """A factor's short name: "depth" of `model.depth`, "optimizer" of `optimizer.name`."""
    return factor.removesuffix(".name").rpartition(".")[2].replace("_", " ")


def _at(hypothesis: Hypothesis, levels: Mapping[str, str]) -> Hypothesis:
    return hypothesis.model_copy(update={"at": {**hypothesis.at, **levels}, "for_each": ()})
