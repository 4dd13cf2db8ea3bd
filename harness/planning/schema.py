"""The JSON Schema of study files, for editors: completion and errors while a study is written.

Made from the models, so that it can't go another way than the loader; widened where the loader takes
short forms, and with the catalogue's names and options.
"""

from __future__ import annotations

import copy
from typing import Any, get_args

from harness.catalogue.metrics import NAMES as MEASURED
from harness.catalogue.resolve import NAMES, TABLES
from harness.planning.tiers import OWN_SECTIONS
from harness.words.config import SECTIONS, RunConfig, TrainSection
from harness.words.metrics import SPLITS
from harness.words.outcome import OUTCOMES, UNITS
from harness.words.probes import PROBES, When
from harness.words.study import Study

Schema = dict[str, Any]
_DEFS = "$defs"
_REF = "$ref"


def study_schema() -> Schema:
    """The schema; every study file that the loader reads is valid by it."""
    schema = Study.model_json_schema(by_alias=True)
    defs = schema[_DEFS]
    defs["Outcome"] = _outcome()
    defs["Delta"] = _delta()
    defs["Tune"] = _tune(defs["Tune"])
    sections = {section: _section(section) for section in TABLES} | {"train": _train()}
    for section in sections.values():
        defs |= section.pop(_DEFS, {})
    defs |= {name.capitalize(): section for name, section in sections.items()}
    schema["properties"]["base"] = _base()
    schema["properties"]["tiers"] = _tiers()
    schema["properties"]["arms"] |= {
        "additionalProperties": _factor(),
        "propertyNames": {"examples": _paths()},
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A harness study"
    return schema


def _factor() -> Schema:
    """A range with points, a list of levels, or label -> level."""
    ranges = [{_REF: f"#/{_DEFS}/LogRange"}, {_REF: f"#/{_DEFS}/LinearRange"}]
    is_range = {"anyOf": [{"required": ["log_range"]}, {"required": ["range"]}]}
    levels = {"type": "object", "minProperties": 1, "not": is_range}
    return {"anyOf": [*ranges, {"type": "array", "minItems": 1}, levels]}


def _outcome() -> Schema:
    """A name, a metric's full name, `{function: metric, options...}`, or the model's own long form."""
    metric = {"type": "string", "examples": _metrics()}
    long = {
        "type": "object",
        "required": ["function"],
        "properties": {
            "function": {"enum": list(OUTCOMES)},
            "metric": metric,
            "options": {"type": "object"},
        },
        "additionalProperties": False,
    }
    short = {
        "type": "object",
        "oneOf": [{"required": [name]} for name in OUTCOMES],
        "properties": {**dict.fromkeys(OUTCOMES, metric), "unit": {"enum": list(UNITS)}},
        "not": {"required": ["function"]},
    }
    named = {"enum": [*OUTCOMES, *_metrics()]}
    other = {"type": "string", "pattern": "/"}
    return {
        "title": "Outcome",
        "anyOf": [named, other, short, long],
        "examples": [{"final": "test/accuracy"}],
    }


def _delta() -> Schema:
    above = {"type": "number", "exclusiveMinimum": 0}
    long = {
        "type": "object",
        "required": ["value"],
        "properties": {"value": above, "relative": {"type": "boolean"}},
        "additionalProperties": False,
    }
    percent = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$"}
    return {"title": "Delta", "anyOf": [above, percent, long], "examples": [0.01, "5%"]}


def _tune(model: Schema) -> Schema:
    """The tuned paths stand beside the other keys."""
    tune = copy.deepcopy(model)
    ranges = tune["properties"]["parameters"]["additionalProperties"]
    tune["patternProperties"] = {r"\.": ranges}
    return tune


def _base() -> Schema:
    sections = {name: {_REF: f"#/{_DEFS}/{name.capitalize()}"} for name in SECTIONS}
    return {
        "type": "object",
        "description": "one run's whole config",
        "properties": {**sections, "probes": _probes()},
        "additionalProperties": False,
    }


def _probes() -> Schema:
    """Probe -> when it is measured."""
    whens = {"type": "array", "items": {"enum": list(get_args(When))}}
    return {
        "type": "object",
        "description": RunConfig.model_fields["probes"].description,
        "properties": dict.fromkeys(PROBES, whens),
        "additionalProperties": False,
    }


def _train() -> Schema:
    train = TrainSection.model_json_schema(by_alias=True)
    train["properties"] = _with_names("train", train["properties"])
    return train


def _section(section: str) -> Schema:
    """The entries of a table by name, each with the options it takes.

    Nothing is required, as a base may leave to the arms what they set. Without a name any entry's
    options may stand.
    """
    _, table = TABLES[section]
    own: Schema = {"class": {"type": "string", "examples": ["nets.py:Tower"]}} if section == "model" else {}
    entries: dict[str, Schema] = {name: _options(section, entry) for name, entry in table.items()}
    rules = [
        {
            "if": _is_named(name),
            "then": {"properties": {"name": True, **options}, "additionalProperties": False},
        }
        for name, options in entries.items()
    ]
    any_entry = dict.fromkeys(own, True) | {"name": True, **_either(list(entries.values()))}
    nameless = {"not": {"anyOf": [{"required": ["name"]}, {"required": ["class"]}]}}
    rules.append({"if": nameless, "then": {"properties": any_entry, "additionalProperties": False}})
    definitions = {k: v for entry in table.values() for k, v in _schema_of(entry).get(_DEFS, {}).items()}
    properties = {"name": {"enum": sorted(table)}, **own}
    return {"type": "object", "properties": properties, "allOf": rules, _DEFS: definitions}


def _schema_of(entry: Any) -> Schema:
    schema: Schema = entry.options.model_json_schema(by_alias=True)
    return schema


def _is_named(name: str) -> Schema:
    return {"properties": {"name": {"const": name}}, "required": ["name"]}


def _options(section: str, entry: Any) -> Schema:
    """An entry's options as properties."""
    return _with_names(section, _schema_of(entry).get("properties", {}))


def _with_names(section: str, properties: Schema) -> Schema:
    """The options with the names allowed, where their values are names of a table."""
    tables = {path: table for path, (_, table) in NAMES.items()}
    return {
        option: {**own, "enum": sorted(tables[path])} if (path := f"{section}.{option}") in tables else own
        for option, own in properties.items()
    }


def _either(entries: list[Schema]) -> Schema:
    """Options of several entries in one: any entry's form of an option is allowed."""
    names = dict.fromkeys(name for properties in entries for name in properties)
    forms = {name: [p[name] for p in entries if name in p] for name in names}
    return {name: {"anyOf": own} if len(own) > 1 else own[0] for name, own in forms.items()}


def _tiers() -> Schema:
    roots = "|".join([*SECTIONS, *OWN_SECTIONS])
    values = {"type": "object", "patternProperties": {rf"^({roots})\.": True}, "additionalProperties": False}
    return {"type": "object", "description": "values for a bigger machine", "additionalProperties": values}


def _metrics() -> list[str]:
    return [f"{split}/{name}" for split in SPLITS for name in MEASURED]


def _paths() -> list[str]:
    """Dotted paths an editor may offer."""
    named = [f"{section}.name" for section in TABLES]
    options = {
        f"{section}.{option}"
        for section, (_, table) in TABLES.items()
        for entry in table.values()
        for option in entry.options.model_fields
    }
    train = [f"train.{option}" for option in TrainSection.model_fields]
    return sorted({*named, *options, *train})
