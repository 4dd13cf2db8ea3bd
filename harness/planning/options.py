"""What the catalogue says of a config's dotted paths: do they exist, their type, their own search range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from harness.catalogue import own_class
from harness.catalogue.augmentation import AUGMENTATIONS
from harness.catalogue.families import ranges_of
from harness.catalogue.networks import NETWORKS
from harness.catalogue.optimizers import OPTIMIZERS
from harness.catalogue.regularisers import REGULARISERS
from harness.catalogue.resolve import TABLES
from harness.catalogue.schedules import SCHEDULES
from harness.words.config import RunConfig, TrainSection
from harness.words.ranges import OwnRange

# Sections left out of a config have these names.
_DEFAULT_NAMES = {"model": "mlp", "optimizer": "sgd", "schedule": "constant", "data": "file"}


def options_class(tree: Mapping[str, Any], section: str) -> type[BaseModel] | None:
    """The class of a section's options in a config tree; None where it isn't known (an own network)."""
    if section == "train":
        return TrainSection
    part = tree.get(section, {})
    if section not in TABLES or not isinstance(part, Mapping) or part.get("class"):
        return None
    entry = TABLES[section][1].get(part.get("name", _DEFAULT_NAMES[section]))
    return None if entry is None else entry.options


def own_network(tree: Mapping[str, Any]) -> own_class.OwnClass | None:
    """The user's own network class of a config tree, where it names one. Raises ConfigError."""
    part = tree.get("model")
    reference = part.get("class") if isinstance(part, Mapping) else None
    return None if reference is None else own_class.own_class(reference)


def option_names(tree: Mapping[str, Any], section: str) -> list[str] | None:
    """The options a section of a config tree takes; None where any may stand."""
    own = own_network(tree) if section == "model" else None
    if own is not None:
        return None if own.takes_any else own.keywords
    options = options_class(tree, section)
    return None if options is None else list(options.model_fields)


def is_whole(tree: Mapping[str, Any], path: str) -> bool:
    """Whether the option at a dotted path takes whole numbers only."""
    section, _, option = path.partition(".")
    own = own_network(tree) if section == "model" else None
    if own is not None:
        return own_class.is_whole(own, option)
    options = options_class(tree, section)
    if options is None or option not in options.model_fields:
        return False
    annotation = options.model_fields[option].annotation
    kinds = {annotation, *get_args(annotation)}
    kinds |= {k for kind in kinds for k in get_args(kind)}
    return int in kinds and float not in kinds


def own_range(config: RunConfig, path: str) -> OwnRange | None:
    """The catalogue's own search range for an option of the config, or None where it has none."""
    return _own_ranges(config).get(path)


def own_ranges(config: RunConfig) -> list[str]:
    """The paths of a config that have a search range of their own."""
    return list(_own_ranges(config))


def _own_ranges(config: RunConfig) -> dict[str, OwnRange]:
    """By path: those of the entries that the config names, and of regularisers that it has an option for."""
    named = [
        OPTIMIZERS[config.optimizer.name],
        SCHEDULES[config.schedule.name],
        AUGMENTATIONS[config.train.augment],
        *([NETWORKS[config.model.name]] if config.model.class_ is None else []),
    ]
    taken = [own for own in REGULARISERS.values() if _has_option(config.tree(), own.option)]
    return {path: own for entry in (*named, *taken) for path, own in ranges_of(entry).items()}


def _has_option(tree: Mapping[str, Any], path: str) -> bool:
    section, _, option = path.partition(".")
    options = options_class(tree, section)
    return options is not None and option in options.model_fields
