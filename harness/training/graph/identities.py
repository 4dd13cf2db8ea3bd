"""Left out: operations that do nothing, or do again what was done."""

from __future__ import annotations

from typing import Any

from torch import fx

from harness.training.graph.nodes import aten, dims, drop_dead, is_call, is_changed, kind, may_change

SAME_SHAPE = (
    aten.expand.default,
    aten.view.default,
    aten._unsafe_view.default,
    aten.alias.default,
    aten.detach.default,
)
BY_ONE = (aten.mul.Scalar, aten.div.Scalar, aten.pow.Tensor_Scalar)  # do nothing where the number is 1


def drop_identities(graph: fx.Graph) -> None:
    """Remove views that change nothing, pairs of transpositions, and products and powers by 1."""
    for node in list(graph.nodes):
        source = _same_as(node)
        if source is not None:
            node.replace_all_uses_with(source)
            graph.erase_node(node)
    drop_dead(graph)


def _same_as(node: fx.Node) -> fx.Node | None:
    """The node whose value this one repeats, if it does."""
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    source = node.args[0]
    if node.target in SAME_SHAPE:
        return source if node.meta.get("val") == source.meta.get("val") else None
    if node.target in BY_ONE:
        return source if node.args[1] == 1 and kind(node) == kind(source) and _stays(node, source) else None
    if node.target is aten.clone.default:  # a copy for the order's sake, of what has that order by now
        return source if _is_own_copy(node, source) else None
    if node.target is aten.transpose.int and source.target is aten.transpose.int:
        first, second = dims(source), dims(node)
        return source.args[0] if first == second else None  # type: ignore[return-value]
    return None


def _stays(node: fx.Node, source: fx.Node) -> bool:
    """Whether what is computed of a source stays equal to it: neither of them is changed in place."""
    return not is_changed(node) and not may_change(source)


def _is_own_copy(node: fx.Node, source: fx.Node) -> bool:
    same = node.meta["val"] == source.meta.get("val")
    return same and is_call(source, aten.bmm.default) and set(source.users) == {node}


def drop_empty_sums(graph: fx.Graph) -> None:
    """A sum or mean over axes of size 1 is its argument without them."""
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target not in (aten.sum.dim_IntList, aten.mean.dim):
            continue
        source, axes, *keep = node.args
        shape = source.meta["val"].shape
        if node.kwargs or not axes or any(shape[axis] != 1 for axis in axes):
            continue
        if not _stays(node, source):
            continue
        if keep == [True]:
            node.replace_all_uses_with(source)
            graph.erase_node(node)
        else:
            node.target, node.args = aten.squeeze.dims, (source, axes)


def drop_kept_axes(graph: fx.Graph) -> None:
    """A sum over one axis that keeps it at size 1, and a view that drops it: a sum that doesn't keep it."""
    for node in list(graph.nodes):
        total: Any = node.args[0] if is_call(node, aten.view.default) else None
        if not is_call(total, aten.sum.dim_IntList) or set(total.users) != {node} or total.kwargs:
            continue
        source, axes, *keep = total.args
        shape = list(source.meta["val"].shape)
        if keep != [True] or len(axes) != 1:
            continue
        del shape[axes[0]]
        if shape == list(node.args[1]):
            total.args, total.meta = (source, axes), dict(node.meta)
            node.replace_all_uses_with(total)
            graph.erase_node(node)


def share_views(graph: fx.Graph) -> None:
    """Transpose a value once, whoever reads it."""
    known: dict[tuple[Any, ...], fx.Node] = {}
    for node in list(graph.nodes):
        if is_call(node, aten.transpose.int):
            first = known.setdefault((node.args[0], *sorted(dims(node))), node)
            if first is not node:
                node.replace_all_uses_with(first)
                graph.erase_node(node)


def scatter_into_sums(graph: fx.Graph) -> None:
    """x plus zeros with one value put into every row, a picked value's gradient: these values added to x."""
    for node in list(graph.nodes):
        if not is_call(node, aten.add.Tensor) or len(node.args) != 2 or node.kwargs:
            continue
        for x, scattered in (node.args, node.args[::-1]):
            alike = isinstance(x, fx.Node) and kind(x) == kind(node)
            if alike and _is_one_a_row(scattered, node):
                node.target, node.args = aten.scatter_add.default, (x, *scattered.args[1:])
                break
    drop_dead(graph)


def _is_one_a_row(node: Any, reader: fx.Node) -> bool:
    """Whether a value is zeros but for one element a row, and only the reader reads it."""
    if not is_call(node, aten.scatter_add.default) or set(node.users) != {reader}:
        return False
    zeros, axis, index, _ = node.args
    one = is_call(zeros, aten.new_zeros.default) and index.meta["val"].shape[axis] == 1
    return one and kind(node) == kind(reader)
