"""A recorded graph of ATen operations made cheaper to run, its results the same to the last bit."""

from __future__ import annotations

from types import BuiltinFunctionType, MethodDescriptorType

import torch
from torch import Tensor, fx, nn

from harness.training.graph.constants import fold_constants
from harness.training.graph.identities import (
    drop_empty_sums,
    drop_identities,
    drop_kept_axes,
    scatter_into_sums,
    share_views,
)
from harness.training.graph.matrices import (
    fuse_bias,
    pair_vectors,
    spell_out_outer,
    turn_narrow,
    turn_products,
)
from harness.training.graph.memory import reuse_memory, write_in_place
from harness.training.graph.nodes import aten, is_view, writes, written


def tidy(graph: fx.Graph, constants: nn.Module) -> None:
    """Remove what does nothing, join what one operation can do, and write where memory already is.

    `constants` holds the graph's own tensors; those found here are added. A graph that changes what it
    reads is only made the same alone as in a stack: in another order it would read other values.
    """
    if changes_what_it_reads(graph):
        pair_vectors(graph)
        return
    scatter_into_sums(graph)
    fold_constants(graph, constants)
    for change in (
        drop_identities,
        drop_empty_sums,
        drop_kept_axes,
        turn_products,
        drop_identities,
        spell_out_outer,
        fuse_bias,
        turn_narrow,
        share_views,
        drop_identities,
        pair_vectors,
        reuse_memory,
        write_in_place,
    ):
        change(graph)


MOVED = (aten.bmm.default, aten.baddbmm.default)  # computed elsewhere than where they were recorded


def changes_what_it_reads(graph: fx.Graph) -> bool:
    """Whether an operation changes a value that has views, or that a product has read by then.

    Changed as a whole a value is a new one to whatever comes after; an argument keeps its place.
    """
    origin: dict[fx.Node, fx.Node] = {}  # of a view, or of a value changed in place
    last_change: dict[fx.Node, int] = {}  # of an origin
    viewed, read = set[fx.Node](), dict[fx.Node, int]()  # origins; those that products read, and when first
    for place, node in enumerate(graph.nodes):
        sources = node.all_input_nodes
        origin[node] = origin[sources[0]] if sources and is_view(node) else node
        last_change |= {origin[value]: place for value in written(node)}
        if origin[node] is not node and not writes(node):
            viewed.add(origin[node])
        if node.target in MOVED:
            read = {origin[value]: place for value in sources} | read
    return any(
        (value in viewed and value.op != "placeholder") or read.get(value, place) < place
        for value, place in last_change.items()
    )


METHODS = {"_unsafe_view": "view"}  # by which Python does the same


def call_directly(graph: fx.Graph) -> None:
    """Call operations by torch's own Python functions and methods where it has them.

    They take the same arguments as the operation and reach it by half the way: a microsecond saved of
    each, which is as long as a small network's arithmetic takes.
    """
    for node in graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        name = node.target._schema.name.removeprefix("aten::")
        name = METHODS.get(name, name)
        if isinstance(getattr(torch, name, None), BuiltinFunctionType):
            node.target = getattr(torch, name)
        elif isinstance(getattr(Tensor, name, None), MethodDescriptorType):
            node.op, node.target = "call_method", name
