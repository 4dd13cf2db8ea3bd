"""Dotted paths into nested dicts: `optimizer.lr` names config["optimizer"]["lr"]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def get_path(tree: Mapping[str, Any], path: str) -> Any:
    """The value at `path`. Raises KeyError where a part is missing."""
    value: Any = tree
    for part in path.split("."):
        value = value[part]
    return value


def set_paths(tree: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `tree` with each dotted path set to its value; missing levels are created."""
    result = merged(tree, {})
    for path, value in values.items():
        *parents, last = path.split(".")
        node = result
        for part in parents:
            child = node.get(part)
            node[part] = dict(child) if isinstance(child, Mapping) else {}
            node = node[part]
        node[last] = value
    return result


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees in one, `over` winning; mappings merge, anything else is replaced."""
    result = {k: merged(v, {}) if isinstance(v, Mapping) else v for k, v in base.items()}
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def flatten(
    tree: Mapping[str, Any] | list[Any], prefix: str = "", lists: bool = False
) -> Iterator[tuple[str, Any]]:
    """Every leaf as (dotted path, value), in the tree's order. An empty mapping is a leaf.

    A list is one too, or with `lists` a level of its own: `arms.0.label`.
    """
    inner = (Mapping, list) if lists else Mapping
    for key, value in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
        if value and isinstance(value, inner):
            yield from flatten(value, f"{prefix}{key}.", lists)
        else:
            yield f"{prefix}{key}", value
