"""The families of the catalogue: where a study names an entry, and the ranges its numbers are searched in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.catalogue.activations import ACTIVATIONS
from harness.catalogue.augmentation import AUGMENTATIONS, Augmentation
from harness.catalogue.inits import INITS
from harness.catalogue.losses import LOSSES
from harness.catalogue.networks import NETWORKS, Network
from harness.catalogue.normalisation import NORMALISATIONS
from harness.catalogue.optimizers import OPTIMIZERS, Optimizer
from harness.catalogue.regularisers import REGULARISERS, Regulariser
from harness.catalogue.schedules import SCHEDULES, Schedule
from harness.words.ranges import OwnRange, annotated_ranges


class Family(NamedTuple):
    """Entries of one kind, each with a formula and a source, and the option that names one."""

    option: str
    table: Mapping[str, Any]


FAMILIES: dict[str, Family] = {
    "networks": Family("model.name", NETWORKS),
    "activations": Family("model.activation", ACTIVATIONS),
    "inits": Family("model.init", INITS),
    "normalisations": Family("model.normalisation", NORMALISATIONS),
    "optimizers": Family("optimizer.name", OPTIMIZERS),
    "schedules": Family("schedule.name", SCHEDULES),
    "losses": Family("train.loss", LOSSES),
    "regularisers": Family("a strength each", REGULARISERS),
    "augmentations": Family("train.augment", AUGMENTATIONS),
}


def ranges_of(entry: Any) -> dict[str, OwnRange]:
    """The ranges that `own_range` in a study stands for, by dotted path, of an entry of any family."""
    match entry:
        case Optimizer():
            return {"optimizer.lr": entry.lr_range} | _of_section("optimizer", entry)
        case Schedule():
            return _of_section("schedule", entry)
        case Network():
            return _of_section("model", entry)
        case Regulariser():
            return {entry.option: entry.range}
        case Augmentation():
            return {"train.augment_strength": entry.range}
    return {}


def _of_section(section: str, entry: Optimizer | Schedule | Network) -> dict[str, OwnRange]:
    return {f"{section}.{option}": own for option, own in annotated_ranges(entry.options).items()}
