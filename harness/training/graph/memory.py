"""Results written where memory already is, instead of into new memory."""

from __future__ import annotations

from typing import Any

from torch import fx

from harness.training.graph.nodes import aten, is_call, kind

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
    aten.scatter_add.default: aten.scatter_add_.default,
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


def reuse_memory(graph: fx.Graph) -> None:
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
    return fresh and set(source.users) == {node} and kind(source) == kind(node)


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


def write_in_place(graph: fx.Graph) -> None:
    """Let an elementwise result that is only copied into a tensor be written there at once.

    What reads that tensor's old value must come before, or be the operation itself. Other views of the
    same memory are taken to hold other elements of it.
    """
    places = {node: i for i, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        if not is_call(node, aten.copy_.default) or node.users:
            continue
        target, source = node.args
        if not _is_elementwise(source) or kind(source) != kind(target):
            continue
        if places[target] > places[source]:
            continue
        if all(places[user] <= places[source] for user in target.users if user is not node):
            source.target, source.kwargs = INTO[source.target], {**source.kwargs, "out": target}
            graph.erase_node(node)


def _is_elementwise(node: Any) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in INTO
