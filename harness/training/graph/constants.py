"""Computed once instead of at every step: what depends on no argument of a graph."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from harness.training.graph.nodes import aten, drop_dead, writes

FILLED = (  # whose values depend on the shapes of their arguments alone
    aten.ones_like.default,
    aten.zeros_like.default,
    aten.full_like.default,
    aten.new_zeros.default,
    aten.new_ones.default,
)


def fold_constants(graph: fx.Graph, constants: nn.Module) -> None:
    """Compute once what depends on no argument: the chain from a sum's gradient, 1, to a mean's, 1/n.

    A filled node's `value` is used up. A graph that writes into such a value stays as it is.
    """
    values = _constant_values(graph)
    if any(writes(node) and values.keys() & set(node.all_input_nodes) for node in graph.nodes):
        return
    for node, value in values.items():
        if all(user in values for user in node.users):
            continue
        name = f"folded_{len(list(constants.buffers()))}"
        constants.register_buffer(name, value)
        with graph.inserting_before(node):
            constant = graph.get_attr(name)
        constant.meta = dict(node.meta)
        node.replace_all_uses_with(constant)
    drop_dead(graph)


def _constant_values(graph: fx.Graph) -> dict[fx.Node, Tensor]:
    """The nodes whose value is one tensor, the same whatever the arguments, and that value."""
    values: dict[fx.Node, Tensor] = {}
    for node in graph.nodes:
        value = node.meta.pop("value", None)
        if value is None and _is_derived(node, values):
            args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            value = node.target(*args, **kwargs)
        if isinstance(value, Tensor):
            values[node] = value
    return values


def _is_derived(node: fx.Node, values: dict[fx.Node, Tensor]) -> bool:
    """Whether an operation computes one tensor from constants alone, and neither draws nor writes."""
    sources = node.all_input_nodes
    if node.op != "call_function" or not sources or not all(source in values for source in sources):
        return False
    random = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return "val" in node.meta and not random and not writes(node)
