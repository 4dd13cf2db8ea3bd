"""YAML 1.2 text to plain values, with the line of every key and item.

Only mappings, lists, text, numbers, booleans and null come out: no tags, no dates, no objects. The
document's nodes are walked here rather than by a constructor, so that lines are kept, duplicate keys
and merge keys refused, and aliases can't blow a small file up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Location = tuple[str | int, ...]

MAX_VALUES = 20_000
MAX_DEPTH = 40
_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = (_TAG + "str", _TAG + "timestamp")  # a date stays the text it was written as


class YamlProblem(Exception):
    """The text is no YAML we take; `line` counts from 1, `message` is one line."""

    def __init__(self, line: int, message: str) -> None:
        self.line, self.message = line, message
        super().__init__(f"line {line}: {message}")


class YamlTree(NamedTuple):
    """Plain values, and the line (from 1) of every key and list item by its location."""

    value: Any
    lines: dict[Location, int]


def read_yaml(text: str) -> YamlTree:
    """The document's values and lines; None for an empty one. Raises YamlProblem."""
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
    except RecursionError:
        raise YamlProblem(1, f"nested deeper than {MAX_DEPTH} levels") from None
    except MarkedYAMLError as error:
        raise YamlProblem(_error_line(error), f"not valid YAML: {_error_text(error)}") from None
    except (YAMLError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise YamlProblem(1, f"not valid YAML: {first}") from None
    walk = _Walk(yaml)
    return YamlTree(walk.value(node, ()) if node is not None else None, walk.lines)


class _Walk:
    """One pass over the nodes of one document."""

    def __init__(self, yaml: YAML) -> None:
        self.lines: dict[Location, int] = {}
        self._yaml = yaml
        self._seen = 0

    def value(self, node: Node, location: Location) -> Any:
        """The node's plain value; notes the line of everything inside."""
        line = node.start_mark.line + 1
        self.lines.setdefault(location, line)
        self._seen += 1
        if self._seen > MAX_VALUES:
            raise YamlProblem(line, f"more than {MAX_VALUES:,} values once its aliases are written out")
        if len(location) > MAX_DEPTH:
            raise YamlProblem(line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, MappingNode):
            return {key: self.value(child, (*location, key)) for key, child in self._items(node, location)}
        if isinstance(node, SequenceNode):
            return [self.value(child, (*location, i)) for i, child in enumerate(node.value)]
        return self._scalar(node)

    def _items(self, node: MappingNode, location: Location) -> Iterator[tuple[str, Node]]:
        first_line: dict[str, int] = {}
        for key_node, child in node.value:
            key, line = _key(key_node), key_node.start_mark.line + 1
            if key in first_line:
                dotted = ".".join(str(p) for p in (*location, key))
                raise YamlProblem(line, f"{dotted}: given twice; first on line {first_line[key]}")
            first_line[key] = line
            self.lines[(*location, key)] = line
            yield key, child

    def _scalar(self, node: Node) -> Any:
        line = node.start_mark.line + 1
        if node.tag in _TEXT_TAGS:
            return node.value
        if node.tag not in {_TAG + kind for kind in ("int", "float", "bool", "null")}:
            raise YamlProblem(
                line, f"the tag {str(node.tag).replace(_TAG, '!!')} is not allowed; write a plain value"
            )
        try:
            value = self._yaml.constructor.construct_object(node)
        except (ValueError, KeyError):
            raise YamlProblem(line, f"{node.value[:60]!r} can't be read; quote it to make it text") from None
        if isinstance(value, float) and not math.isfinite(value):
            raise YamlProblem(line, f"{node.value} is not a finite number")
        return value


def _key(node: Node) -> str:
    line = node.start_mark.line + 1
    if not isinstance(node, ScalarNode):
        raise YamlProblem(line, "a key is a word, not a list or a mapping; quote it if it has brackets")
    if node.tag == _TAG + "merge":
        raise YamlProblem(line, "merge keys (<<) are not part of YAML 1.2; write the keys out")
    if not node.value:
        raise YamlProblem(line, "a key is empty; write a name before the colon")
    return str(node.value)


def _error_line(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return 1 if mark is None else int(mark.line) + 1


def _error_text(error: MarkedYAMLError) -> str:
    problem = (error.problem or "can't be read").strip().splitlines()[0]
    if "\\t" in problem or "\t" in problem:
        return "a tab where spaces belong; indent with spaces"
    context = (error.context or "").strip().splitlines()
    return f"{context[0]}: {problem}" if context else problem
