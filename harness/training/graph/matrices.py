"""Products of matrices in the form that takes the least time, and the same alone as in a stack."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from harness.training.graph.nodes import Facts, aten, drop_dead, is_call

NARROW = 16  # columns, a CPU's vector of floats: a product of fewer takes two to four times as long


def turn_products(graph: fx.Graph) -> None:
    """(a b)^T as b^T a^T: the gradient of a transposed weight comes out in the weight's own order."""
    for node in list(graph.nodes):
        if not is_call(node, aten.transpose.int) or not is_call(node.args[0], aten.bmm.default):
            continue
        product = node.args[0]
        if set(product.users) != {node}:
            continue
        with graph.inserting_before(node):
            a, b = (_transposed(graph, factor) for factor in product.args)
            turned = graph.call_function(aten.bmm.default, (b, a))
        shape, _, dtype = node.meta["val"]
        turned.meta["val"] = _facts(shape, dtype)
        node.replace_all_uses_with(turned)
        graph.erase_node(node)
    drop_dead(graph)


def spell_out_outer(graph: fx.Graph) -> None:
    """A column by a row, (M, n, 1) by (M, 1, k), as an elementwise product: a fifth of the time."""
    for node in list(graph.nodes):
        if is_call(node, aten.bmm.default) and node.args[0].meta["val"].shape[2] == 1:
            node.target = aten.mul.Tensor


def fuse_bias(graph: fx.Graph) -> None:
    """bias + bmm(x, w) as one baddbmm, the bias of the product's shape or (M, 1, C): a pass saved.

    A row (M, 1, C) of many columns is added to the product instead, where that lies: baddbmm would copy
    it to every row beforehand, which takes longer.
    """
    for node in list(graph.nodes):
        if not is_call(node, aten.add.Tensor) or len(node.args) != 2 or node.kwargs:
            continue
        bias, product = node.args
        if is_call(product, aten._unsafe_view.default):
            product = product.args[0]
        if not is_call(product, aten.bmm.default) or not _is_added(bias, product):
            continue
        if bias.meta["val"].shape != product.meta["val"].shape and product.meta["val"].shape[2] >= NARROW:
            node.args = (product, bias)
            continue
        with graph.inserting_before(node):
            fused = graph.call_function(aten.baddbmm.default, (bias, *product.args))
        fused.meta = dict(node.meta)
        node.replace_all_uses_with(fused)
        graph.erase_node(node)
    drop_dead(graph)


def _is_added(bias: Any, product: fx.Node) -> bool:
    """Whether a node's value is a row (M, 1, C) or of the product's shape, and of its dtype."""
    value = bias.meta.get("val") if isinstance(bias, fx.Node) else None
    if not isinstance(value, Facts) or len(value.shape) != 3:
        return False
    shape, _, dtype = product.meta["val"]
    return value.dtype == dtype and value.shape in (shape, (shape[0], 1, shape[2]))


def turn_narrow(graph: fx.Graph) -> None:
    """Compute a product of few columns as (b^T a^T)^T, whose rows are long."""
    for node in list(graph.nodes):
        if not (is_call(node, aten.bmm.default) or is_call(node, aten.baddbmm.default)):
            continue
        shape, _, dtype = node.meta["val"]
        if not shape[2] < NARROW <= shape[1]:
            continue
        *bias, a, b = node.args
        with graph.inserting_before(node):
            turned = graph.call_function(
                node.target, tuple(_transposed(graph, part) for part in (*bias, b, a))
            )
            turned.meta["val"] = _facts(torch.Size((shape[0], shape[2], shape[1])), dtype)
            result = _transposed(graph, turned)
        node.replace_all_uses_with(result)
        graph.erase_node(node)


def _transposed(graph: fx.Graph, factor: fx.Node) -> fx.Node:
    node = graph.call_function(aten.transpose.int, (factor, 1, 2))
    (m, rows, columns), stride, dtype = factor.meta["val"]
    node.meta["val"] = Facts(torch.Size((m, columns, rows)), (stride[0], stride[2], stride[1]), dtype)
    return node


def _facts(shape: torch.Size, dtype: torch.dtype) -> Facts:
    """Of a fresh three-dimensional value."""
    return Facts(shape, (shape[1] * shape[2], shape[2], 1), dtype)


def pair_vectors(graph: fx.Graph) -> None:
    """Compute the matrix-vector products of a model alone twice over, as those of two models.

    A CPU multiplies one matrix and one vector by another routine, which sums in another order than
    that for several: a trial alone would differ from itself in a stack.
    """
    for node in list(graph.nodes):
        if not (is_call(node, aten.bmm.default) or is_call(node, aten.baddbmm.default)):
            continue
        (m, rows, inner), columns = node.args[-2].meta["val"].shape, node.args[-1].meta["val"].shape[2]
        if m != 1 or min(rows, inner, columns) > 1:
            continue
        with graph.inserting_before(node):
            twice = [graph.call_function(aten.expand.default, (factor, [2, -1, -1])) for factor in node.args]
        node.args = tuple(twice)
        with graph.inserting_after(node):
            first = graph.call_function(aten.slice.Tensor, (node, 0, 0, 1))
        node.replace_all_uses_with(first, lambda user, first=first: user is not first)
        first.meta = dict(node.meta)
