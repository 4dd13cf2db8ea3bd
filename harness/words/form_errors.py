"""What is wrong with a study's form, in words: one problem a place, with what is allowed there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.words.ranges import LinearRange, LogRange
from harness.words.study import Study
from harness.words.yaml_tree import Location

_FORMS = "{log_range: [low, high]}, {range: [low, high]}, a list of values"


class Problem(NamedTuple):
    """One thing wrong, at a location of the file."""

    location: Location
    message: str


def form_problems(error: ValidationError, tree: Any, root: type[BaseModel] = Study) -> list[Problem]:
    """What validation found wrong, in its order: `tree` is what was given, `root` the model it was for."""
    grouped: dict[Location, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        grouped.setdefault(_place(detail, tree), []).append(detail)
    return [Problem(place, _message(place, details, root)) for place, details in grouped.items()]


def shown(value: Any, limit: int = 60) -> str:
    """A value as an error quotes it: short, on one line."""
    plain = {None: "nothing", True: "true", False: "false"}
    text = plain[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def allowed_names(name: object, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'? Allowed: ...`: the closest allowed name if there is one, then all."""
    names = list(allowed)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    return (f"; did you mean {near[0]!r}? Allowed: " if near else "; allowed: ") + ", ".join(names)


def _place(detail: ErrorDetails, tree: Any) -> Location:
    """Where the file itself has the problem: what the models add on the way is left out."""
    place: list[str | int] = []
    here = tree
    for part in detail["loc"]:
        if _has(here, part):
            place.append(part)
            here = here[part]
    last = detail["loc"][-1:]
    if detail["type"] == "missing" and isinstance(here, dict):
        place.extend(last)
    if detail["type"].startswith("union_tag") and detail["ctx"]["discriminator"] == "'kind'":
        place.append("kind")
    return tuple(place)


def _has(here: Any, part: str | int) -> bool:
    if isinstance(here, dict):
        return part in here
    return isinstance(here, list) and isinstance(part, int) and part < len(here)


def _message(place: Location, details: list[ErrorDetails], root: type[BaseModel]) -> str:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return _unknown_key(first, root)
    if len(details) > 1:  # the branches of a union
        return f"found {shown(first['input'])}; allowed: {' or '.join(dict.fromkeys(map(_allowed, details)))}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
        return _wrong_choice(place, first)
    if first["type"] == "missing":
        return _missing(first)
    return f"found {shown(first['input'])}; allowed: {_allowed(first)}"


def _unknown_key(detail: ErrorDetails, root: type[BaseModel]) -> str:
    *parents, key = detail["loc"]
    models = _models_at(tuple(parents), root)
    allowed = sorted({name for model in models for name in _keys(model)})
    text = f"unknown key{allowed_names(key, allowed)}"
    if parents == ["tune"]:
        return f"{text}, and the dotted path of what is tuned, such as optimizer.lr."
    return f"{text}."


def _wrong_choice(place: Location, detail: ErrorDetails) -> str:
    context = detail["ctx"]
    if "discriminator" in context and place[-1:] != ("kind",):
        return f"found {shown(detail['input'])}; allowed: {_forms(place)}"
    choices = re.findall(r"'([^']+)'", str(context.get("expected_tags", context.get("expected", ""))))
    if detail["type"] == "union_tag_not_found":
        return f"missing; allowed: {', '.join(choices or _kinds())}"
    found = context.get("tag", detail["input"])
    if choices == ["own_range"]:
        return f"found {shown(found)}; allowed: {_forms(place)}"
    return f"found {shown(found)}{allowed_names(found, choices)}"


def _forms(place: Location) -> str:
    last = "a mapping of label to level" if place[0] == "arms" else "own_range"
    return f"{_FORMS}, {last}"


def _missing(detail: ErrorDetails) -> str:
    if isinstance(detail["loc"][-1], int):
        return f"found {shown(detail['input'])}; allowed: a list of two values"
    return "missing; write it here"


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


# pydantic's error type -> what is allowed, given the error's context
_ALLOWED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "int": lambda _: "a whole number",
    "float": lambda _: "a number",
    "finite": lambda _: "a finite number",
    "string": lambda _: "text",
    "bool": lambda _: "true or false",
    "list": lambda _: "a list",
    "tuple": lambda _: "a list",
    "dict": lambda _: "a mapping (key: value)",
    "model": lambda _: "a mapping (key: value)",
    "greater_than": lambda c: f"a number above {_number(c['gt'])}",
    "greater_than_equal": lambda c: f"a number of at least {_number(c['ge'])}",
    "less_than": lambda c: f"a number below {_number(c['lt'])}",
    "less_than_equal": lambda c: f"a number of at most {_number(c['le'])}",
    "literal": lambda c: str(c["expected"]).replace("'", '"'),
    "too_long": lambda c: (
        f"a list of {'at most ' if c['field_type'] == 'List' else ''}{c['max_length']:,} values"
    ),
}


def _allowed(detail: ErrorDetails) -> str:
    if "Delta" in str(detail.get("ctx", {}).get("class_name", "")):
        return "a number above 0, or a percentage such as 5%"
    if "Outcome" in str(detail.get("ctx", {}).get("class_name", "")):
        return "an outcome such as {final: test/accuracy}, or a name"
    rule = _ALLOWED.get(detail["type"]) or _ALLOWED.get(detail["type"].split("_")[0])
    return rule(detail.get("ctx", {})) if rule else detail["msg"]


def _kinds() -> list[str]:
    return [
        kind for model in _models_in(Study.model_fields["hypotheses"].annotation) for kind in _kind(model)
    ]


def _kind(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def _keys(model: type[BaseModel]) -> list[str]:
    names = [field.alias or name for name, field in model.model_fields.items()]
    return [n for n in names if n != "parameters"]  # of `tune`; written as dotted paths in a file


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _models_at(location: Location, root: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that may stand at an error's location."""
    forms: dict[str | int, type[BaseModel]] = {"<log_range>": LogRange, "<range>": LinearRange}
    models: list[type[BaseModel]] = [root]
    for part in location:
        fields = [m.model_fields[part] for m in models if isinstance(part, str) and part in m.model_fields]
        if fields:
            models = [m for f in fields for m in _models_in(f.annotation)]
        elif part in forms:
            models = [forms[part]]
        elif tagged := [m for m in models if part in _kind(m)]:
            models = tagged
    return models
