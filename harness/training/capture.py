"""A stacked function as a flat list of tensor operations: the same arithmetic without vmap's bookkeeping.

`vmap` and `grad` walk Python and wrap tensors at every call, which costs more than the arithmetic of
a small network. Traced once at fixed shapes, the step is a graph of ATen operations that is tidied
and then called directly: bit for bit the same results (a test holds it to that).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

aten = torch.ops.aten

SAME_SHAPE = (aten.expand.default, aten.view.default, aten._unsafe_view.default)


def captured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """The function as a tidied graph, for arguments of exactly these shapes (and no others)."""
    graph = make_fx(function)(*arguments)
    _drop_identities(graph.graph)
    _fuse_bias(graph.graph)
    _reuse_memory(graph.graph)
    graph.recompile()
    return graph


def _drop_identities(graph: fx.Graph) -> None:
    """Remove views that change nothing, pairs of transpositions, and multiplications by 1."""
    for node in list(graph.nodes):
        source = _same_as(node)
        if source is not None:
            node.replace_all_uses_with(source)
            graph.erase_node(node)
    graph.eliminate_dead_code()


def _same_as(node: fx.Node) -> fx.Node | None:
    """The node whose value this one repeats, if it does."""
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    source = node.args[0]
    if node.target in SAME_SHAPE:
        return source if _layout(node) == _layout(source) else None
    if node.target is aten.mul.Scalar:
        return source if node.args[1] == 1 else None
    if node.target is aten.transpose.int and source.target is aten.transpose.int:
        first, second = _dims(source), _dims(node)
        return source.args[0] if first == second else None  # type: ignore[return-value]
    return None


def _layout(node: fx.Node) -> tuple[Any, ...] | None:
    value = node.meta.get("val")
    return (value.shape, value.stride()) if isinstance(value, Tensor) else (node,)


def _dims(node: fx.Node) -> set[int]:
    rank = node.meta["val"].dim()
    return {int(d) % rank for d in node.args[1:]}  # type: ignore[arg-type]


def _fuse_bias(graph: fx.Graph) -> None:
    """bias (M, 1, C) + bmm(x, w) as one baddbmm: one pass over the result instead of two."""
    for node in list(graph.nodes):
        if not _is(node, aten.add.Tensor) or len(node.args) != 2 or node.kwargs:
            continue
        bias, product = node.args
        if _is(product, aten._unsafe_view.default):
            product = product.args[0]
        if _is(product, aten.bmm.default) and _is_row(bias):
            with graph.inserting_before(node):
                fused = graph.call_function(aten.baddbmm.default, (bias, *product.args))
            fused.meta = dict(node.meta)
            node.replace_all_uses_with(fused)
            graph.erase_node(node)
    graph.eliminate_dead_code()


def _is(node: Any, target: Any) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target is target


def _is_row(node: Any) -> bool:
    """Whether a node's value is (M, 1, C)."""
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return isinstance(value, Tensor) and value.dim() == 3 and value.shape[1] == 1


# Elementwise operations that may write into their first argument where nothing else reads it.
IN_PLACE = {
    aten.relu.default: aten.relu_.default,
    aten.tanh.default: aten.tanh_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.neg.default: aten.neg_.default,
}
FRESH = (aten.baddbmm.default, aten.bmm.default, aten.add.Tensor, aten.mul.Tensor)


def _reuse_memory(graph: fx.Graph) -> None:
    """Let elementwise operations overwrite a fresh input that they alone read."""
    for node in graph.nodes:
        if node.op != "call_function" or node.target not in IN_PLACE:
            continue
        source = node.args[0]
        if source.op == "call_function" and source.target in FRESH and len(source.users) == 1:
            node.target = IN_PLACE[node.target]
