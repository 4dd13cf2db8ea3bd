"""A stack: trials of equal shapes and code, trained together along a leading axis M."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from harness.catalogue.data import DATASETS
from harness.catalogue.networks import NETWORKS
from harness.training.penalty import SWITCHES
from harness.words.base import canonical
from harness.words.paths import flatten
from harness.words.trial import Trial

VARYING = ("train.augment_strength", "train.lr_multiple", "train.stream")  # of every network
DRAWN = ("model.init", "model.init_gain", "model.init_bias")  # of the catalogue's: what weights start from


class Stack(NamedTuple):
    """M trials that differ only in what may vary inside a stack."""

    key: str
    trials: tuple[Trial, ...]

    @property
    def config(self) -> dict[str, Any]:
        """The config of the first trial: equal for all but the varying paths."""
        return self.trials[0].config

    def parts(self, largest: int) -> list[Stack]:
        """The stack as several of at most `largest` trials and about equal size, in order."""
        count = -(-len(self.trials) // largest)
        bounds = [len(self.trials) * i // count for i in range(count + 1)]
        return [self._replace(trials=self.trials[a:b]) for a, b in pairwise(bounds)]


def stack_key(config: dict[str, Any]) -> str:
    """Equal for trials that can train together.

    The optimizer with all its numbers, inits, the varying options of network and data, what `VARYING`
    names and seeds vary inside a stack; what changes shapes or the code of a gradient is in the key.
    """
    varying, switches = _varying(config), _switches(config)
    rest = {path: value for path, value in flatten(config) if path not in varying | switches}
    structure = {path: _is_on(value) for path, value in flatten(config) if path in switches}
    return canonical([rest, structure])


def _varying(config: dict[str, Any]) -> set[str]:
    """The dotted paths that change values alone."""
    optimizer = {f"optimizer.{name}" for name in config["optimizer"]}
    data = {f"data.{name}" for name in DATASETS[config["data"]["name"]].varying}
    return optimizer | data | set(VARYING) | set(() if _is_own(config) else DRAWN)


def _switches(config: dict[str, Any]) -> set[str]:
    """Varying options of network and penalties; at 0 the part they belong to isn't there at all."""
    own = () if _is_own(config) else NETWORKS[config["model"]["name"]].varying
    return {f"model.{name}" for name in own} | set(SWITCHES)


def _is_own(config: dict[str, Any]) -> bool:
    """Whether the network is the user's own."""
    return "class" in config["model"]


def _is_on(value: object) -> bool:
    return value != 0


def stacks_of(trials: Iterable[Trial], largest: int) -> list[Stack]:
    """Group trials by key and phase into stacks of at most `largest` trials of about equal size.

    Phases stay apart because only judged trials may see the test split. Trials of one optimizer stand
    together, in their own order.
    """
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[stack_key(trial.config), trial.phase].append(trial)
    stacks = [Stack(key, tuple(sorted(group, key=optimizer_of))) for (key, _), group in groups.items()]
    return [part for stack in stacks for part in stack.parts(largest)]


def spread_evenly(count: int, n: int) -> list[int]:
    """`count` of n places in a stack: of any neighbours, such as an optimizer's trials, their share."""
    return [i * n // count for i in range(count)]


def optimizer_of(trial: Trial) -> str:
    """The name of the trial's optimizer: a stack's neighbours of one name are a group."""
    return str(trial.config["optimizer"]["name"])
