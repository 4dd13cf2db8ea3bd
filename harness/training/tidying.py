"""A recorded graph of ATen operations made cheaper to run, its results the same to the last bit."""

from __future__ import annotations

from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

aten = torch.ops.aten


class Facts(NamedTuple):
    """What the tidying needs to know of a value."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


def tidy(graph: fx.Graph, constants: nn.Module) -> None:
    """Remove what does nothing, join what one operation can do, and write where memory already is.

    `constants` holds the graph's own tensors; those found here are added.
    """
    _fold_constants(graph, constants)
    for change in (
        _drop_identities,
        _turn_products,
        _drop_identities,
        _fuse_bias,
        _turn_narrow,
        _share_views,
        _drop_identities,
        _pair_vectors,
        _reuse_memory,
        _write_in_place,
    ):
        change(graph)


def call_directly(graph: fx.Graph) -> None:
    """Call operations by torch's own Python functions and methods where it has them.

    They take the same arguments as the operation and reach it by half the way: a microsecond saved of
    each, which is as long as a small network's arithmetic takes.
    """
    for node in graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        name = node.target._schema.name.removeprefix("aten::")
        if isinstance(getattr(torch, name, None), BuiltinFunctionType):
            node.target = getattr(torch, name)
        elif isinstance(getattr(Tensor, name, None), MethodDescriptorType):
            node.op, node.target = "call_method", name


FILLED = (  # whose values depend on the shapes of their arguments alone
    aten.ones_like.default,
    aten.zeros_like.default,
    aten.full_like.default,
    aten.new_zeros.default,
    aten.new_ones.default,
)


def _fold_constants(graph: fx.Graph, constants: nn.Module) -> None:
    """Compute once what depends on no argument: the chain from a sum's gradient, 1, to a mean's, 1/n.

    A filled node's `value` is used up. A graph that writes into such a value stays as it is.
    """
    values = _constant_values(graph)
    if any(_writes(node) and values.keys() & set(node.all_input_nodes) for node in graph.nodes):
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
    _drop_dead(graph)


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
    return "val" in node.meta and not random and not _writes(node)


def _drop_dead(graph: fx.Graph) -> None:
    """Remove operations whose results nobody reads: fx's own takes five times as long."""
    for node in reversed(graph.nodes):
        if not node.users and node.op in ("call_function", "get_attr") and not _writes(node):
            graph.erase_node(node)


def _writes(node: fx.Node) -> bool:
    """Whether the operation changes one of its arguments."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


SAME_SHAPE = (
    aten.expand.default,
    aten.view.default,
    aten._unsafe_view.default,
    aten.alias.default,
    aten.detach.default,
)
BY_ONE = (aten.mul.Scalar, aten.div.Scalar, aten.pow.Tensor_Scalar)  # do nothing where the number is 1


def _drop_identities(graph: fx.Graph) -> None:
    """Remove views that change nothing, pairs of transpositions, and products and powers by 1."""
    for node in list(graph.nodes):
        source = _same_as(node)
        if source is not None:
            node.replace_all_uses_with(source)
            graph.erase_node(node)
    _drop_dead(graph)


def _same_as(node: fx.Node) -> fx.Node | None:
    """The node whose value this one repeats, if it does."""
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    source = node.args[0]
    if node.target in SAME_SHAPE:
        return source if node.meta.get("val") == source.meta.get("val") else None
    if node.target in BY_ONE:
        return source if node.args[1] == 1 and _kind(node) == _kind(source) else None
    if node.target is aten.clone.default:  # a copy for the order's sake, of what has that order by now
        return source if _is_own_copy(node, source) else None
    if node.target is aten.transpose.int and source.target is aten.transpose.int:
        first, second = _dims(source), _dims(node)
        return source.args[0] if first == second else None  # type: ignore[return-value]
    return None


def _is_own_copy(node: fx.Node, source: fx.Node) -> bool:
    same = node.meta["val"] == source.meta.get("val")
    return same and _is(source, aten.bmm.default) and set(source.users) == {node}


def _dims(node: fx.Node) -> set[int]:
    rank = len(node.meta["val"].shape)
    return {int(d) % rank for d in node.args[1:]}  # type: ignore[arg-type]


def _turn_products(graph: fx.Graph) -> None:
    """(a b)^T as b^T a^T: the gradient of a transposed weight comes out in the weight's own order."""
    for node in list(graph.nodes):
        if not _is(node, aten.transpose.int) or not _is(node.args[0], aten.bmm.default):
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
    _drop_dead(graph)


def _transposed(graph: fx.Graph, factor: fx.Node) -> fx.Node:
    node = graph.call_function(aten.transpose.int, (factor, 1, 2))
    (m, rows, columns), stride, dtype = factor.meta["val"]
    node.meta["val"] = Facts(torch.Size((m, columns, rows)), (stride[0], stride[2], stride[1]), dtype)
    return node


def _fuse_bias(graph: fx.Graph) -> None:
    """bias + bmm(x, w) as one baddbmm, the bias (M, 1, C) or of the product's shape: a pass saved."""
    for node in list(graph.nodes):
        if not _is(node, aten.add.Tensor) or len(node.args) != 2 or node.kwargs:
            continue
        bias, product = node.args
        if _is(product, aten._unsafe_view.default):
            product = product.args[0]
        if _is(product, aten.bmm.default) and _is_added(bias, product):
            with graph.inserting_before(node):
                fused = graph.call_function(aten.baddbmm.default, (bias, *product.args))
            fused.meta = dict(node.meta)
            node.replace_all_uses_with(fused)
            graph.erase_node(node)
    _drop_dead(graph)


def _share_views(graph: fx.Graph) -> None:
    """Transpose a value once, whoever reads it."""
    known: dict[tuple[Any, ...], fx.Node] = {}
    for node in list(graph.nodes):
        if _is(node, aten.transpose.int):
            first = known.setdefault((node.args[0], *sorted(_dims(node))), node)
            if first is not node:
                node.replace_all_uses_with(first)
                graph.erase_node(node)


NARROW = 16  # columns, a CPU's vector of floats: a product of fewer takes two to four times as long


def _turn_narrow(graph: fx.Graph) -> None:
    """Compute a product of few columns as (b^T a^T)^T, whose rows are long."""
    for node in list(graph.nodes):
        if not (_is(node, aten.bmm.default) or _is(node, aten.baddbmm.default)):
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


def _facts(shape: torch.Size, dtype: torch.dtype) -> Facts:
    """Of a fresh three-dimensional value."""
    return Facts(shape, (shape[1] * shape[2], shape[2], 1), dtype)


def _pair_vectors(graph: fx.Graph) -> None:
    """Compute the matrix-vector products of a model alone twice over, as those of two models.

    A CPU multiplies one matrix and one vector by another routine, which sums in another order than
    that for several: a trial alone would differ from itself in a stack.
    """
    for node in list(graph.nodes):
        if not (_is(node, aten.bmm.default) or _is(node, aten.baddbmm.default)):
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


def _is(node: Any, target: Any) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target is target


def _is_added(bias: Any, product: fx.Node) -> bool:
    """Whether a node's value is a row (M, 1, C) or of the product's shape, and of its dtype."""
    value = bias.meta.get("val") if isinstance(bias, fx.Node) else None
    if not isinstance(value, Facts) or len(value.shape) != 3:
        return False
    shape, _, dtype = product.meta["val"]
    return value.dtype == dtype and value.shape in (shape, (shape[0], 1, shape[2]))


# Operations that may write into their first argument where nothing else reads it.
IN_PLACE = {
    aten.relu.default: aten.relu_.default,
    aten.tanh.default: aten.tanh_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.neg.default: aten.neg_.default,
    aten.exp.default: aten.exp_.default,
    aten.sqrt.default: aten.sqrt_.default,
    aten.baddbmm.default: aten.baddbmm_.default,
    aten.add.Tensor: aten.add_.Tensor,
    aten.sub.Tensor: aten.sub_.Tensor,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.div.Tensor: aten.div_.Tensor,
}
INTO_GRADIENT = {
    aten.threshold_backward.default: aten.threshold_backward.grad_input,
    aten.tanh_backward.default: aten.tanh_backward.grad_input,
    aten.sigmoid_backward.default: aten.sigmoid_backward.grad_input,
}
FRESH = (
    aten.baddbmm.default,
    aten.bmm.default,
    aten.add.Tensor,
    aten.sub.Tensor,
    aten.mul.Tensor,
    aten.div.Tensor,
    aten.sqrt.default,
    aten.exp.default,
    aten.lerp.Tensor,
    aten.addcmul.default,
)


def _reuse_memory(graph: fx.Graph) -> None:
    """Let operations overwrite a fresh first argument that they alone read; the result is as fresh."""
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        node.meta["fresh"] = node.target in FRESH
        if not node.args or not _only_reader(node, node.args[0]):
            continue
        if node.target in IN_PLACE:
            node.target = IN_PLACE[node.target]
        elif node.target in INTO_GRADIENT:
            node.target = INTO_GRADIENT[node.target]
            node.kwargs = {"grad_input": node.args[0]}
        else:
            continue
        node.meta["fresh"] = True


def _only_reader(node: fx.Node, source: Any) -> bool:
    """Whether the node alone reads a fresh value, of its own shape and dtype."""
    fresh = isinstance(source, fx.Node) and source.meta.get("fresh", False)
    return fresh and set(source.users) == {node} and _kind(source) == _kind(node)


def _kind(node: fx.Node) -> tuple[torch.Size, torch.dtype] | None:
    """The shape and dtype of a node's value; None where it isn't one tensor."""
    facts = node.meta.get("val")
    return (facts.shape, facts.dtype) if isinstance(facts, Facts) else None


# Elementwise operations by their forms that write into a given tensor.
INTO = {
    aten.add.Tensor: aten.add.out,
    aten.sub.Tensor: aten.sub.out,
    aten.mul.Tensor: aten.mul.out,
    aten.div.Tensor: aten.div.out,
    aten.lerp.Tensor: aten.lerp.Tensor_out,
    aten.addcmul.default: aten.addcmul.out,
    aten.addcdiv.default: aten.addcdiv.out,
    aten.maximum.default: aten.maximum.out,
}


def _write_in_place(graph: fx.Graph) -> None:
    """Let an elementwise result that is only copied into a tensor be written there at once.

    What reads that tensor's old value must come before, or be the operation itself. Other views of the
    same memory are taken to hold other elements of it.
    """
    places = {node: i for i, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        if not _is(node, aten.copy_.default) or node.users:
            continue
        target, source = node.args
        if not _is_elementwise(source) or _kind(source) != _kind(target):
            continue
        if all(places[user] <= places[source] for user in target.users if user is not node):
            source.target, source.kwargs = INTO[source.target], {**source.kwargs, "out": target}
            graph.erase_node(node)


def _is_elementwise(node: Any) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in INTO
