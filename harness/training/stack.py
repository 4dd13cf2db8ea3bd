"""A stack: trials of equal shapes and code, trained together along a leading axis M."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.catalogue.data import DATASETS
from harness.catalogue.networks import NETWORKS
from harness.catalogue.optimizers import OPTIMIZERS
from harness.training.penalty import SWITCHES
from harness.words.base import canonical
from harness.words.paths import flatten
from harness.words.trial import Trial

VARYING = ("train.augment_strength", "train.lr_multiple", "train.stream")  # of every network and optimizer


class Stack(NamedTuple):
    """M trials that differ only in what may vary inside a stack."""

    key: str
    trials: tuple[Trial, ...]

    @property
    def config(self) -> dict[str, Any]:
        """The config of the first trial: equal for all but the varying paths."""
        return self.trials[0].config


def stack_key(config: dict[str, Any]) -> str:
    """Equal for trials that can train together.

    Learning rate, decay and every other number of the optimizer, the varying options of network and
    data, what `VARYING` names and seeds vary inside a stack; whatever changes shapes or code is
    part of the key.
    """
    varying, switches = varying_paths(config), _switches(config)
    rest = {path: value for path, value in flatten(config) if path not in varying}
    structure = {path: _is_on(value) for path, value in flatten(config) if path in switches}
    return canonical([rest, structure])


def varying_paths(config: dict[str, Any]) -> set[str]:
    """The dotted paths whose values are (M,) tensors inside a stack."""
    numbers = OPTIMIZERS[config["optimizer"]["name"]].options.model_fields
    data = DATASETS[config["data"]["name"]].varying
    varying = {f"optimizer.{name}" for name in numbers} | {f"data.{name}" for name in data}
    return varying | _switches(config) | set(VARYING)


def _switches(config: dict[str, Any]) -> set[str]:
    """Varying options of network and penalties; at 0 the part they belong to isn't there at all."""
    if "class" in config["model"]:
        return set(SWITCHES)
    return {f"model.{name}" for name in NETWORKS[config["model"]["name"]].varying} | set(SWITCHES)


def _is_on(value: object) -> bool:
    return value != 0


def stacks_of(trials: Iterable[Trial], largest: int) -> list[Stack]:
    """Group trials by key and phase, in order, into stacks of at most `largest` trials of about equal size.

    Phases stay apart because only judged trials may see the test split.
    """
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[stack_key(trial.config), trial.phase].append(trial)
    return [Stack(key, part) for (key, _), group in groups.items() for part in _parts(group, largest)]


def _parts(group: Sequence[Trial], largest: int) -> list[tuple[Trial, ...]]:
    count = -(-len(group) // largest)
    bounds = [len(group) * i // count for i in range(count + 1)]
    return [tuple(group[a:b]) for a, b in pairwise(bounds)]
