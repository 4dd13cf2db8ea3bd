"""Settings of a run that would silently do nothing: a study that gives one asks for something else.

A setting that no arm's run heeds is refused; one that some arms heed is not, since arms without the part
it belongs to are natural baselines. Label smoothing is refused wherever the loss doesn't take it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn

from harness.catalogue.dropout import Dropout
from harness.catalogue.losses import SMOOTHED
from harness.catalogue.networks import Layer
from harness.catalogue.normalisation import BatchNorm
from harness.catalogue.resolve import build_network
from harness.words.config import RunConfig, TrainSection
from harness.words.design import Arm, DataFacts, Design
from harness.words.form_errors import Problem, shown
from harness.words.paths import flatten, get_path, set_paths
from harness.words.study import Study
from harness.words.yaml_tree import Location

Config = Mapping[str, Any]
SMOOTHING, LOSS = "train.label_smoothing", "train.loss"


class Given(NamedTuple):
    """A setting of an arm as the study gives it, and where."""

    arm: Arm
    value: Any  # None where it is tuned
    place: Location


class Rule(NamedTuple):
    """What has to be so for a setting to do anything, and the remedy."""

    heeded: Callable[[Config, DataFacts], bool]
    needs: str
    off: Any = None  # the value that asks for nothing
    on: Any = None  # a value that asks for something, where it takes one to see
    switch: str = ""  # a path that may give what it needs where it is tuned


def no_effect_problems(study: Study, design: Design) -> Iterator[Problem]:
    """Every setting of the study's base, arms and tuning that no run would heed."""
    yield from _smoothing(study, design)
    if study.kind == "search":  # which varies what the others depend on
        return
    for path, rule in RULES.items():
        given = [g for g in _given(study, design, path) if g.value is None or g.value != rule.off]
        switched = any(d.path == rule.switch for g in given for d in g.arm.tuned)
        if given and not switched and not any(_heeded(rule, path, g, design) for g in given):
            found = "a tuned value" if given[0].value is None else shown(given[0].value)
            message = (
                f"found {found}, without effect in any arm: it needs {rule.needs}; add that or leave it out"
            )
            yield Problem(given[0].place, message)


def _heeded(rule: Rule, path: str, given: Given, design: Design) -> bool:
    """Whether the arm's run heeds the setting; of a tuned one, whether it would where it is on."""
    on = {path: rule.on} if given.value is None and rule.on is not None else {}
    return rule.heeded(set_paths(given.arm.config, on), design.data[given.arm.label])


def _smoothing(study: Study, design: Design) -> Iterator[Problem]:
    """A loss that takes no smoothing, in any arm that asks for some."""
    asking = [g for g in _given(study, design, SMOOTHING) if g.value is None or g.value > 0]
    listed = study.space.get(LOSS)
    for given in asking:
        losses = listed if isinstance(listed, list) else [given.arm.config["train"]["loss"]]
        losses = [*losses, *(v for d in given.arm.tuned if d.path == LOSS for v in d.values or ())]
        wrong = next((loss for loss in losses if loss not in SMOOTHED), None)
        if wrong is not None:
            message = (
                f"has no effect where train.loss is {wrong}, as in arm {given.arm.label!r}; allowed with "
                f"{', '.join(SMOOTHED)}. Choose one of these, or leave the smoothing out of that arm"
            )
            yield Problem(given.place, message)
            return


def _given(study: Study, design: Design, path: str) -> list[Given]:
    """The arms in which the study itself gives a setting."""
    in_base = path in dict(flatten(study.base))
    if path in study.space:
        return [Given(design.arms[0], None, ("space", path))]
    found = []
    for arm in design.arms:
        place = _place(arm, path)
        if path in study.tune.parameters or any(d.path == path for d in arm.tuned):
            found.append(Given(arm, None, place or ("tune", path)))
        elif in_base or place is not None:
            found.append(Given(arm, _value(arm, path), place or ("base", *path.split("."))))
    return found


def _place(arm: Arm, path: str) -> Location | None:
    """Where the factor stands that sets a path in an arm, if one does."""
    for factor, value in arm.values.items():
        if factor == path:
            return ("arms", factor)
        if isinstance(value, Mapping) and path in value and "." not in factor:
            return ("arms", factor, arm.levels[factor], path)
    return None


def _value(arm: Arm, path: str) -> Any:
    try:
        return get_path(arm.config, path)
    except KeyError:
        return TrainSection.model_fields[path.partition(".")[2]].default  # left out where it is None


def _has(*kinds: type[nn.Module]) -> Callable[[Config, DataFacts], bool]:
    """Whether the config's network has a part of one of these kinds."""
    return lambda config, facts: any(isinstance(part, kinds) for part in _parts(config, facts))


def _parts(config: Config, facts: DataFacts) -> list[nn.Module]:
    run = RunConfig.model_validate(config)
    return list(build_network(run, facts.input_shape, facts.n_classes, n_targets=facts.n_targets).modules())


def _skips(config: Config, facts: DataFacts) -> bool:
    return any(isinstance(part, Layer) and part.skip for part in _parts(config, facts))


RULES: dict[str, Rule] = {
    "train.augment_strength": Rule(
        lambda config, _: config["train"]["augment"] != "none", "train.augment", switch="train.augment"
    ),
    "train.monitor": Rule(
        lambda config, _: config["train"].get("patience") is not None,
        "train.patience",
        switch="train.patience",
    ),
    "train.cost.step_us": Rule(
        lambda config, _: config["train"].get("seconds") is not None, "train.seconds, a length by that cost"
    ),
    "train.test_mode": Rule(
        _has(Dropout, BatchNorm),
        "a network with dropout or batch normalisation",
        off="eval",
        switch="model.dropout",
    ),
    "model.dropout": Rule(_has(Dropout), "hidden layers", off=0.0, on=0.5),
    "model.skip": Rule(_skips, "two neighbouring layers of equal width", off=False, on=True),
    "model.init_gain": Rule(
        lambda config, _: config["model"]["init"] != "zeros",
        "an init other than zeros",
        off=1.0,
        switch="model.init",
    ),
}
