"""The space of a search: its parameters, its default configs, and the config that a choice stands for.

Some parameters depend on others: which optimizer is tried decides what its own range is, and whether
there is a momentum to choose. So a config is put together section names first (`assign`), and what the
config so far has no place for is not asked.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.catalogue.resolve import ConfigError, resolve
from harness.errors import unknown
from harness.planning.arms import spaced
from harness.planning.options import is_whole, option_names, own_range, own_ranges
from harness.words.config import SECTIONS, RunConfig
from harness.words.form_errors import Problem, shown
from harness.words.paths import set_paths
from harness.words.ranges import LinearRange, LogRange
from harness.words.search import Parameter
from harness.words.study import Study

Params = Mapping[str, Any]
Config = Mapping[str, Any]
SCALARS = (str, int, float, bool, type(None))  # what Optuna takes as a choice


def parameters(study: Study) -> tuple[list[Parameter], list[Problem]]:
    """The space's parameters, section names first, and what is wrong with it."""
    found: list[Parameter] = []
    problems: list[Problem] = []
    configs = [config for config in default_configs(study) if isinstance(config, RunConfig)]
    for path, wanted in sorted(study.space.items(), key=lambda item: not _names_a_section(item[0])):
        made = _parameter(path, wanted, configs)
        problems.extend([made] if isinstance(made, Problem) else _refused(made, study))
        found.extend([made] if isinstance(made, Parameter) else [])
    return found, problems


def default_params(study: Study) -> list[dict[str, Any]]:
    """Every combination of the section names that the space lists; nothing else is set."""
    listed = {p: v for p, v in study.space.items() if _names_a_section(p) and isinstance(v, list)}
    return [dict(zip(listed, names, strict=True)) for names in itertools.product(*listed.values())]


def default_configs(study: Study) -> Iterator[RunConfig | ConfigError]:
    """The configs that nobody tuned: the base with each combination of names, all else at its default."""
    for names in default_params(study):
        try:
            yield resolve(set_paths(study.base, names))
        except ConfigError as error:
            yield error


def assign(
    space: list[Parameter], base: Config, choose: Callable[[Parameter], Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is asked of the space and the params it stands for; `choose` gives a parameter's own coordinate.

    A coordinate is a value; the index of an ordered list's; or, in an optimizer's own range, a place from
    0 to 1. Parameters that the config so far doesn't take are not asked.
    """
    asked: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for parameter in space:
        tree = set_paths(base, params)
        if parameter.always or _takes(tree, parameter.path):
            asked[parameter.path] = choose(parameter)
            params[parameter.path] = value_of(parameter, asked[parameter.path], tree)
    return asked, params


def value_of(parameter: Parameter, asked: Any, tree: Config) -> Any:
    """The value that a coordinate stands for in a config tree, rounded to six digits in an own range."""
    if parameter.ordered:
        assert parameter.values is not None
        return parameter.values[asked]
    if not parameter.own:
        return asked
    own = own_range(resolve(tree), parameter.path)
    assert own is not None
    if own.log:
        value = math.exp(math.log(own.low) + asked * math.log(own.high / own.low))
    else:
        value = own.low + asked * (own.high - own.low)
    return round(value) if is_whole(tree, parameter.path) else float(f"{value:.6g}")


def _names_a_section(path: str) -> bool:
    return path.partition(".")[2] == "name"


def _takes(tree: Config, path: str) -> bool:
    section, _, option = path.partition(".")
    names = option_names(tree, section)
    return names is None or option in names or option == "name"


def _parameter(path: str, wanted: Any, configs: list[RunConfig]) -> Parameter | Problem:
    """The parameter, or what is wrong with it in every config of the space."""
    place = ("space", path)
    section, _, option = path.partition(".")
    if section not in SECTIONS or section == "data":
        sections = [name for name in SECTIONS if name != "data"]
        return Problem(place, unknown("section that a search may vary", section, sections))
    taking = [config for config in configs if _takes(config.tree(), path)]
    if configs and not taking:
        names = {n for config in configs for n in option_names(config.tree(), section) or []}
        return Problem(place, unknown("option", option, names))
    always = len(taking) == len(configs)
    if wanted == "own_range":
        without = [config.optimizer.name for config in taking if own_range(config, path) is None]
        if without:
            known = ", ".join(own_ranges(taking[0]))
            message = f"has no own_range with {without[0]}; give a range or a list (have one: {known})"
            return Problem(place, message)
        return Parameter(path=path, low=0.0, high=1.0, own=True, always=always)
    if isinstance(wanted, list):
        return _listed(path, wanted, always)
    whole = bool(taking) and is_whole(taking[0].tree(), path)
    return _ranged(path, wanted, whole).model_copy(update={"always": always})


def _listed(path: str, values: list[Any], always: bool) -> Parameter | Problem:
    wrong = next((i for i, v in enumerate(values) if not isinstance(v, SCALARS)), None)
    if wrong is not None:
        message = f"found {shown(values[wrong])}; allowed in a space: numbers, text, true, false or null"
        return Problem(("space", path, wrong), message)
    if any(a in values[:i] for i, a in enumerate(values)):
        return Problem(("space", path), f"found {shown(values)}; each value may be listed once")
    return Parameter(path=path, values=values, ordered=_ascend(values), always=always)


def _ranged(path: str, wanted: LogRange | LinearRange, whole: bool) -> Parameter:
    """A range, or, where it says how many points, their list."""
    log = isinstance(wanted, LogRange)
    low, high = wanted.log_range if isinstance(wanted, LogRange) else wanted.range
    if wanted.points is None:
        return Parameter(path=path, low=low, high=high, log=log, whole=whole)
    values = [round(v) if whole else v for v in spaced(wanted, wanted.points)]
    distinct = list(dict.fromkeys(values))
    return Parameter(path=path, values=distinct, ordered=_ascend(distinct))


def _ascend(values: list[Any]) -> bool:
    """Whether the values are three or more numbers, the least first: then their order means something."""
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    return numbers and len(values) > 2 and values == sorted(values)


def _refused(parameter: Parameter, study: Study) -> Iterator[Problem]:
    """A problem where a config refuses a listed value or an end of the range."""
    if parameter.own:
        return
    ends = [round(e) if parameter.whole else e for e in (parameter.low, parameter.high) if e is not None]
    for index, value in enumerate(ends if parameter.values is None else parameter.values):
        place = ("space", parameter.path, *(() if parameter.values is None else (index,)))
        for names in default_params(study):
            tree = set_paths(study.base, {**names, parameter.path: value})
            if not _takes(tree, parameter.path):
                continue
            try:
                resolve(tree)
            except ConfigError as error:
                yield Problem(place, str(error))
                return
