"""A run's config made whole: every section checked against its table and every default filled in.

What comes out is what a trial is identified by, so nothing about a run is left to a default that
may change later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from harness.catalogue import own_class, own_network
from harness.catalogue.activations import ACTIVATIONS
from harness.catalogue.augmentation import AUGMENTATIONS
from harness.catalogue.config_error import ConfigError as ConfigError
from harness.catalogue.data import DATASETS
from harness.catalogue.data.files import FILE, FileOptions
from harness.catalogue.inits import INITS
from harness.catalogue.losses import LOSSES, n_outputs, two_logits
from harness.catalogue.networks import NETWORKS
from harness.catalogue.optimizers import OPTIMIZERS
from harness.catalogue.schedules import SCHEDULES
from harness.errors import BadInput, unknown
from harness.words.base import Word
from harness.words.config import RunConfig, Section
from harness.words.design import DataFacts
from harness.words.form_errors import form_problems
from harness.words.paths import get_path, set_paths

Tables = Mapping[str, Any]


# Options whose values are names of a table, by dotted path.
NAMES: dict[str, tuple[str, Tables]] = {
    "model.activation": ("activation", ACTIVATIONS),
    "model.output_activation": ("activation", ACTIVATIONS),
    "model.init": ("init", INITS),
    "train.loss": ("loss", LOSSES),
    "train.augment": ("augmentation", AUGMENTATIONS),
}
TABLES: dict[str, tuple[str, Tables]] = {
    "data": ("data set", DATASETS),
    "model": ("network", NETWORKS),
    "optimizer": ("optimizer", OPTIMIZERS),
    "schedule": ("schedule", SCHEDULES),
}


def resolve(tree: Mapping[str, Any]) -> RunConfig:
    """The whole config of `tree`, with every option of every section explicit.

    Raises ConfigError naming the dotted path, what was found and what is allowed.
    """
    config = _validated(RunConfig, tree, "")
    sections = {name: _resolved_section(name, getattr(config, name)) for name in TABLES}
    whole = {**config.tree(), **sections}
    for path, (kind, table) in NAMES.items():
        _check_name(whole, path, kind, table)
    return RunConfig.model_validate(whole)


def beside(tree: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The config with the user's own files, of a table or a network, found in the study's folder first.

    Their paths come out relative to the working directory. Raises ConfigError where a network's file
    is in neither; a table's is looked for when it is read.
    """
    found = set_paths(tree, {})
    file, reference = (_option(found, *path) for path in (("data", "file"), ("model", "class")))
    if file is not None:
        places = [folder / file, Path(file).expanduser()]
        path = next((p for is_there in (Path.is_file, Path.exists) for p in places if is_there(p)), places[1])
        found = set_paths(found, {"data.file": own_class.relative(path)})
    if reference is not None:
        found = set_paths(found, {"model.class": own_class.beside(reference, folder)})
    return found


def _option(tree: Mapping[str, Any], section: str, option: str) -> str | None:
    part = tree.get(section)
    value = part.get(option) if isinstance(part, Mapping) else None
    return value if isinstance(value, str) else None


def resolved_with(tree: Mapping[str, Any], params: Mapping[str, Any]) -> RunConfig:
    """`resolve` after setting dotted paths."""
    return resolve(set_paths(tree, params))


def options_of(config: RunConfig, section: str) -> Any:
    """The typed options of a resolved section (an instance of the entry's options class)."""
    value: Section = getattr(config, section)
    return TABLES[section][1][value.name].options.model_validate(value.options)


def data_facts(config: RunConfig) -> DataFacts:
    """Sizes and scope of the config's data, known without loading where the set allows it.

    Raises ConfigError where a table of the user's own can't be used.
    """
    with _blamed_on_data(config.data.name):
        facts: DataFacts = DATASETS[config.data.name].facts(options_of(config, "data"))
    return facts


@contextmanager
def _blamed_on_data(name: str) -> Iterator[None]:
    """What is wrong with the data themselves is a wrong value of the option that names them."""
    try:
        yield
    except ConfigError:
        raise
    except BadInput as error:
        raise ConfigError("data.file" if name == FILE.name else "data.name", str(error)) from None


def build_network(
    config: RunConfig, input_shape: Sequence[int], n_classes: int | None, seed: int = 0, n_targets: int = 1
) -> nn.Module:
    """The config's network for inputs (B, *input_shape); as many outputs as its loss takes for the targets.

    One logit is given as those of both classes: whatever reads outputs finds one a class. Layers draw their
    first weights from the global generator, which is put back. An own network keeps what it drew from
    `seed`; the draws of the catalogue's are unused. Raises ConfigError.
    """
    outputs = _n_outputs(config, n_classes, n_targets)
    module = _built(config, tuple(input_shape), n_classes, seed, outputs)
    if LOSSES[config.train.loss].one_logit:
        module.register_forward_hook(_give_two_logits)
    return module


def n_parameters(config: RunConfig, facts: DataFacts) -> int:
    """How many numbers the config's network learns. Raises ConfigError where it doesn't fit the data.

    Nothing is allocated, but for an own network, which is tried on two examples.
    """
    outputs = _n_outputs(config, facts.n_classes, facts.n_targets)
    if config.model.class_:
        module = _built(config, facts.input_shape, facts.n_classes, 0, outputs)
        section = config.model.model_dump(mode="json", by_alias=True)
        own_network.check(module, section, facts.input_shape, facts.n_classes, outputs)
    else:
        with torch.device("meta"):
            module = _built(config, facts.input_shape, facts.n_classes, 0, outputs)
    return sum(p.numel() for p in module.parameters())


def _built(
    config: RunConfig, input_shape: tuple[int, ...], n_classes: int | None, seed: int, outputs: int
) -> nn.Module:
    """The network itself: inputs (B, *input_shape) -> (B, outputs)."""
    if config.model.class_:
        section = config.model.model_dump(mode="json", by_alias=True)
        return own_network.build(section, input_shape, n_classes, seed, outputs)
    network = NETWORKS[config.model.name]
    try:
        with torch.random.fork_rng(devices=[]):
            return network.build(options_of(config, "model"), input_shape, outputs)
    except BadInput as error:
        raise ConfigError("model", str(error)) from None


def _give_two_logits(module: nn.Module, inputs: object, z: Tensor) -> Tensor:
    del module, inputs  # as a forward hook is called
    return two_logits(z)


def _n_outputs(config: RunConfig, n_classes: int | None, n_targets: int) -> int:
    try:
        return n_outputs(config.train.loss, n_classes, n_targets)
    except BadInput as error:
        raise ConfigError("train.loss", str(error)) from None


def _resolved_section(name: str, section: Section) -> dict[str, Any]:
    kind, table = TABLES[name]
    if name == "model" and getattr(section, "class_", None):
        return own_class.resolved(section.model_dump(mode="json", by_alias=True))
    if section.name not in table:
        raise ConfigError(f"{name}.name", unknown(kind, section.name, table))
    entry = table[section.name].options
    options = _validated(entry, section.options, f"{name}.")
    if isinstance(options, FileOptions):  # the content, not the file's name, is part of what a trial is
        with _blamed_on_data(FILE.name):
            options = options.model_copy(update={"sha256": FILE.content(options)})
    return {"name": section.name, **options.model_dump(mode="json", exclude_none=True)}


def _check_name(tree: Mapping[str, Any], path: str, kind: str, table: Tables) -> None:
    try:
        value = get_path(tree, path)
    except KeyError:
        return
    if value not in table:
        raise ConfigError(path, unknown(kind, value, table))


def _validated(kind: type[Word], value: Mapping[str, Any], prefix: str) -> Any:
    try:
        return kind.model_validate(dict(value))
    except ValidationError as error:
        first = form_problems(error, dict(value), kind)[0]
        path = prefix + ".".join(map(str, first.location))
        raise ConfigError(path.rstrip("."), first.message) from None
