"""A stacked function as a flat list of tensor operations: the same arithmetic without vmap's bookkeeping.

`vmap` and `grad` walk Python and wrap tensors at every call, which costs more than the arithmetic of
a small network. Recorded once at fixed shapes, the step is a graph of ATen operations that is tidied
and then called directly: bit for bit the same results (a test holds it to that). torch's own tracer,
`make_fx`, gives the same graph but takes two seconds to import.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.weak import WeakTensorKeyDictionary

from harness.training import elementwise, products
from harness.training.graph.constants import FILLED
from harness.training.graph.nodes import Facts
from harness.training.graph.tidying import call_directly, tidy
from harness.training.graph.views import take_out_views

aten = torch.ops.aten

# Operations that several libraries compute, and what says which is the fastest for given values.
FASTEST = {operation: module.fastest for module in (products, elementwise) for operation in module.BY_NUMPY}


class Captured(NamedTuple):
    """A function as a tidied graph, for arguments of the shapes it was recorded with.

    `body(*views(*first), *first, *rest)` with the leaves of the first argument, and of the others.
    """

    views: Callable[..., tuple[Tensor, ...]]
    body: Callable[..., Any]
    n_first: int

    def __call__(self, *flat: Tensor) -> Any:
        """What the function gives for arguments of these leaves."""
        return self.body(*self.views(*flat[: self.n_first]), *flat)


def captured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Captured:
    """The function as a tidied graph.

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
    tidy(graph, recorder.constants)
    Rehearsal(recorder.constants, graph=graph).run(*inputs)
    n_first = len(leaves(arguments[0]))
    views = take_out_views(graph, n_first)
    for part in (views, graph):
        call_directly(part)
    forward, of_views = (fx.GraphModule(recorder.constants, part).forward for part in (graph, views))
    return Captured(of_views, forward, n_first)


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


def shapes_of(*arguments: Any) -> Hashable:
    """The shapes and strides of all tensors in the arguments."""
    return tuple((leaf.shape, leaf.stride()) for leaf in leaves(arguments))


class ByShape:
    """A function, captured anew for every shape of its first argument and key of the others (some 20 ms).

    Arguments of the same key must have the same shapes, and the same strides where they are viewed.
    """

    def __init__(self, function: Callable[..., Any], key: Callable[..., Hashable] = shapes_of) -> None:
        self._function, self._key = function, key
        self._known: dict[Hashable, Captured] = {}

    def __call__(self, first: Any, *rest: Any) -> Any:
        """What the function gives."""
        return self._captured(first, rest)(*leaves(first), *leaves(rest))

    def bound(self, first: Any) -> Callable[..., Any]:
        """The function of the arguments after `first`, which may change in place: its views are kept."""
        own = leaves(first)
        bodies: dict[Hashable, Callable[..., Any]] = {}

        def call(*rest: Any) -> Any:
            key = self._key(*rest)
            if key not in bodies:
                found = self._captured(first, rest)
                bodies[key] = partial(found.body, *found.views(*own), *own)
            return bodies[key](*leaves(rest))

        return call

    def _captured(self, first: Any, rest: tuple[Any, ...]) -> Captured:
        key = shapes_of(first), self._key(*rest)
        if key not in self._known:
            self._known[key] = captured(self._function, (first, *rest))
        return self._known[key]


def bound(function: Callable[..., Any], first: Any) -> Callable[..., Any]:
    """A function of the arguments after `first`, whose tensors may change in place."""
    return function.bound(first) if isinstance(function, ByShape) else partial(function, first)


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
            if func in FILLED:
                node.meta["value"] = result
        else:
            for index, part in enumerate(result):
                if part is None:  # a gradient nobody asked for
                    continue
                self._bind(part, self.graph.call_function(operator.getitem, (node, index)))
        return result

    def _bind(self, value: Tensor, node: fx.Node) -> None:
        node.meta["val"] = Facts(value.shape, value.stride(), value.dtype)
        self._nodes[value] = node


class Rehearsal(fx.Interpreter):
    """Runs a tidied graph once and settles what depends on the order of values in memory.

    A view of a value that now has another order becomes a copy; some operations go to the fastest library.
    """

    def run_node(self, n: fx.Node) -> Any:
        """Run one operation."""
        if n.target in FASTEST:
            n.target = FASTEST[n.target](n.target, self.fetch_args_kwargs_from_env(n)[0])
        if n.target not in (aten.view.default, aten._unsafe_view.default):
            return super().run_node(n)
        try:
            return super().run_node(n)
        except (RuntimeError, ValueError):  # the latter of torch's fake tensors
            n.target = aten.reshape.default
            return super().run_node(n)
