"""A stacked function as a flat list of tensor operations: the same arithmetic without vmap's bookkeeping.

`vmap` and `grad` walk Python and wrap tensors at every call, which costs more than the arithmetic of
a small network. Recorded once at fixed shapes, the step is a graph of ATen operations that is tidied
and then called directly: bit for bit the same results (a test holds it to that). torch's own tracer,
`make_fx`, gives the same graph but takes two seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten


def captured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """The function as a tidied graph, called with the `leaves` of arguments of exactly these shapes.

    Arguments and results may be nested in tuples and dicts. The function must be pure but for writing
    into its arguments, and its operations must not depend on values. It is run twice, on copies.
    """
    recorder = Recorder()
    flat, structure = tree_flatten(arguments)
    inputs = [recorder.input(_copy(leaf)) for leaf in flat]
    with recorder:
        result = function(*tree_unflatten(inputs, structure))
    graph = recorder.graph
    graph.output(tree_map(recorder.node, result))
    for tidy in (
        _drop_identities,
        _turn_products,
        _drop_identities,
        _fuse_bias,
        _pair_vectors,
        _reuse_memory,
        _write_in_place,
    ):
        tidy(graph)
    module = fx.GraphModule(recorder.constants, graph)
    Rehearsal(module).run(*inputs)
    module.recompile()
    run: Callable[..., Any] = module.forward
    return run


def leaves(value: Any) -> list[Tensor]:
    """The tensors of nested tuples and dicts, in order: pytree's flattening, at a fifth of its cost."""
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [leaf for part in parts for leaf in ([part] if isinstance(part, Tensor) else leaves(part))]


def _copy(leaf: Tensor) -> Tensor:
    """A copy with the same strides: what all models of a stack share stays shared."""
    if leaf.dim() and leaf.stride(0) == 0:
        return leaf[:1].clone().expand(leaf.shape)
    return leaf.clone()


def by_shape(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, captured anew for every shape of its arguments (some 20 ms each)."""
    known: dict[tuple[tuple[torch.Size, tuple[int, ...]], ...], Callable[..., Any]] = {}

    def call(*arguments: Any) -> Any:
        given = leaves(arguments)
        shapes = tuple((leaf.shape, leaf.stride()) for leaf in given)
        if shapes not in known:
            known[shapes] = captured(function, arguments)
        return known[shapes](*given)

    return call


class Facts(NamedTuple):
    """What the tidying needs to know of a value."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes every ATen operation that runs, below vmap and autograd, into a graph."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self.constants = torch.nn.Module()
        self._nodes = WeakTensorKeyDictionary()  # of values still alive: as little memory as a step takes
        self._inputs = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Never compiled: keeps torch from importing its compiler (1.5 s) to wrap this class."""
        return False

    def input(self, value: Tensor) -> Tensor:
        """Make the tensor an argument of the graph."""
        self._bind(value, self.graph.placeholder(f"input_{self._inputs}"))
        self._inputs += 1
        return value

    def node(self, value: Any) -> Any:
        """The node of a tensor; a tensor from elsewhere becomes a constant, anything else stays."""
        if not isinstance(value, Tensor):
            return value
        if value not in self._nodes:
            name = f"constant_{len(list(self.constants.buffers()))}"
            self.constants.register_buffer(name, value)
            self._bind(value, self.graph.get_attr(name))
        return self._nodes[value]

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and note it."""
        result = func(*args, **(kwargs or {}))
        node = self.graph.call_function(func, tree_map(self.node, args), tree_map(self.node, kwargs or {}))
        if isinstance(result, Tensor):
            self._bind(result, node)
        else:
            for index, part in enumerate(result):
                if part is None:  # a gradient nobody asked for
                    continue
                self._bind(part, self.graph.call_function(_part, (node, index)))
        return result

    def _bind(self, value: Tensor, node: fx.Node) -> None:
        node.meta["val"] = Facts(value.shape, value.stride(), value.dtype)
        self._nodes[value] = node


class Rehearsal(fx.Interpreter):
    """Runs a tidied graph once; a view of a value that now has another order in memory becomes a copy."""

    def run_node(self, n: fx.Node) -> Any:
        """Run one operation."""
        if n.target is not aten.view.default:
            return super().run_node(n)
        try:
            return super().run_node(n)
        except RuntimeError:
            n.target = aten.reshape.default
            return super().run_node(n)


def _part(values: Sequence[Tensor], index: int) -> Tensor:
    return values[index]


SAME_SHAPE = (
    aten.expand.default,
    aten.view.default,
    aten._unsafe_view.default,
    aten.alias.default,
    aten.detach.default,
)


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
        return source if node.meta.get("val") == source.meta.get("val") else None
    if node.target is aten.mul.Scalar:
        return source if node.args[1] == 1 else None
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
        turned.meta["val"] = Facts(shape, (shape[1] * shape[2], shape[2], 1), dtype)
        node.replace_all_uses_with(turned)
        graph.erase_node(node)
    graph.eliminate_dead_code()


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
    graph.eliminate_dead_code()


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


# Elementwise operations that may write into their first argument where nothing else reads it.
IN_PLACE = {
    aten.relu.default: aten.relu_.default,
    aten.tanh.default: aten.tanh_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.neg.default: aten.neg_.default,
    aten.exp.default: aten.exp_.default,
    aten.sqrt.default: aten.sqrt_.default,
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
    """Let elementwise operations overwrite a fresh first argument that they alone read."""
    for node in graph.nodes:
        if node.op != "call_function" or not node.args or not _only_reader(node, node.args[0]):
            continue
        if node.target in IN_PLACE:
            node.target = IN_PLACE[node.target]
        elif node.target in INTO_GRADIENT:
            node.target = INTO_GRADIENT[node.target]
            node.kwargs = {"grad_input": node.args[0]}


def _only_reader(node: fx.Node, source: Any) -> bool:
    """Whether the node alone reads a fresh value, of its own shape and dtype."""
    fresh = isinstance(source, fx.Node) and source.op == "call_function" and source.target in FRESH
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
