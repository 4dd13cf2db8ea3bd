"""What the changes to a graph ask of its nodes."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import torch
from torch import fx

aten = torch.ops.aten


class Facts(NamedTuple):
    """What the changes to a graph need to know of a value."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


def is_call(node: Any, target: Any) -> bool:
    """Whether this is a node that calls the operation."""
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target is target


def kind(node: fx.Node) -> tuple[torch.Size, torch.dtype] | None:
    """The shape and dtype of a node's value; None where it isn't one tensor."""
    facts = node.meta.get("val")
    return (facts.shape, facts.dtype) if isinstance(facts, Facts) else None


def dims(node: fx.Node) -> set[int]:
    """The axes that a transposition swaps, counted from the front."""
    rank = len(node.meta["val"].shape)
    return {int(d) % rank for d in node.args[1:]}  # type: ignore[arg-type]


def writes(node: fx.Node) -> bool:
    """Whether the operation changes one of its arguments."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def is_view(node: fx.Node) -> bool:
    """Whether a call gives views of its first argument, or one of several values of a call."""
    if node.op != "call_function":
        return False
    if not isinstance(node.target, torch._ops.OpOverload):  # NumPy's functions compute
        return node.target is operator.getitem
    returned = node.target._schema.returns
    return bool(returned) and all(value.alias_info is not None for value in returned)


def written(node: fx.Node) -> list[fx.Node]:
    """The arguments that an operation changes."""
    if not writes(node):
        return []
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    given = [*zip(schema, node.args, strict=False), *((a, node.kwargs.get(a.name)) for a in schema)]
    changed = (v for a, v in given if a.alias_info is not None and a.alias_info.is_write)
    return [value for value in changed if isinstance(value, fx.Node)]


def is_changed(node: fx.Node) -> bool:
    """Whether an operation changes the node's value in place."""
    return any(node in written(user) for user in node.users)


def may_change(node: fx.Node) -> bool:
    """Whether an operation changes memory that the node's value lies in, itself or by a view of it."""
    while is_view(node):
        node = node.all_input_nodes[0]
    aliases = [node]
    for alias in aliases:  # which grows
        aliases += [user for user in alias.users if is_view(user) and user.all_input_nodes[0] is alias]
    return any(is_changed(alias) for alias in aliases)


def drop_dead(graph: fx.Graph) -> None:
    """Remove operations whose results nobody reads: fx's own takes five times as long."""
    for node in reversed(graph.nodes):
        if not node.users and node.op in ("call_function", "get_attr") and not writes(node):
            graph.erase_node(node)
