"""The probes a study asks for: collected from its outcomes into the arms' configs, and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pydantic import ValidationError

from harness.catalogue.layers import HiddenLayer, hidden_layers
from harness.catalogue.resolve import build_network
from harness.errors import BadInput, unknown
from harness.planning.outcomes import outcomes_of
from harness.words.config import RunConfig
from harness.words.design import Arm, Design
from harness.words.form_errors import Problem, form_problems
from harness.words.outcome import Outcome
from harness.words.probes import PROBES, ProbeOptions
from harness.words.study import Study
from harness.words.yaml_tree import Location

EXAMPLES = 2  # of zeros, to find a network's layers


def with_probes(config: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """The config with every probe that the study's outcomes need, beside those it has.

    What is wrong with an outcome is passed over here: `probe_problems` speaks of it.
    """
    asked = {name: list(whens) for name, whens in (config.get("probes") or {}).items()}
    for _, outcome in outcomes_of(study):
        if outcome.function == "probe" and _message(outcome) is None:
            when = ProbeOptions.model_validate(outcome.options).when
            asked.setdefault(outcome.metric, []).append(when)
    return {**config, "probes": asked} if asked else dict(config)


def probe_problems(study: Study, design: Design) -> Iterator[Problem]:
    """What is wrong with the study's probes: names, options, networks with too few layers to see."""
    found = [(place, o) for place, o in outcomes_of(study) if o.function == "probe"]
    for place, outcome in found:
        message = _message(outcome)
        if message is None and place[:1] == ("tune",):
            message = "tuned trials are not probed; select on a metric, such as {final: val/loss}"
        if message is not None:
            yield Problem(place, message)
    if any(arm.config.get("probes") for arm in design.arms):
        yield from _layer_problems(found, design)


def _message(outcome: Outcome) -> str | None:
    """What is wrong with the outcome itself, or None."""
    facts = PROBES.get(outcome.metric)
    if facts is None:
        return unknown("probe", outcome.metric, PROBES)
    if facts.values > 1:
        return f"{outcome.metric} is no single number; put it into base.probes to have it in the report"
    try:
        options = ProbeOptions.model_validate(outcome.options)
    except ValidationError as error:
        first = form_problems(error, dict(outcome.options), ProbeOptions)[0]
        where = ".".join(map(str, first.location))
        return f"{where}: {first.message}" if where else first.message
    if facts.moves and options.when == "start":
        return f"{outcome.metric} says nothing before the first step; allowed: end, all"
    return None


def _layer_problems(found: list[tuple[Location, Outcome]], design: Design) -> Iterator[Problem]:
    """A network whose layers can't be seen; a layer that no arm has; a state that isn't kept."""
    try:
        layers = [_layers(arm, design) for arm in design.arms]
    except BadInput as error:
        yield Problem(found[0][0] if found else ("base", "probes"), str(error))
        return
    for place, outcome in found:
        if _message(outcome) is not None:
            continue
        options = ProbeOptions.model_validate(outcome.options)
        most = max(map(len, layers))
        if options.furthest > most:
            yield Problem(place, f"needs {options.furthest} hidden layers; the arms have at most {most}")
        if PROBES[outcome.metric].bounded and all(None in layer.limits for own in layers for layer in own):
            message = (
                f"{outcome.metric} needs activations of a bounded range, such as those of sigmoid or tanh; "
                "no arm has any"
            )
            yield Problem(place, message)
        stopping = any(arm.config["train"].get("patience") for arm in design.arms)
        if options.when == "end" and PROBES[outcome.metric].state and stopping:
            message = f"{outcome.metric} at the end needs the optimizer's state, which early stopping drops"
            yield Problem(place, message)


def _layers(arm: Arm, design: Design) -> list[HiddenLayer]:
    """The hidden layers of the arm's network. Raises BadInput, naming the arm, where none is seen."""
    facts = design.data[arm.label]
    module = build_network(RunConfig.model_validate(arm.config), facts.input_shape, facts.n_classes)
    try:
        return hidden_layers(module, torch.zeros(EXAMPLES, *facts.input_shape))
    except BadInput as error:
        raise BadInput(f"{error} (in arm {arm.label!r})") from None
