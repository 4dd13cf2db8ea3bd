"""A recorded graph of ATen operations made cheaper to run, its results the same to the last bit."""

from __future__ import annotations

from types import BuiltinFunctionType, MethodDescriptorType

import torch
from torch import Tensor, fx, nn

from harness.training.graph.constants import fold_constants
from harness.training.graph.identities import drop_identities, share_views
from harness.training.graph.matrices import fuse_bias, pair_vectors, turn_narrow, turn_products
from harness.training.graph.memory import reuse_memory, write_in_place


def tidy(graph: fx.Graph, constants: nn.Module) -> None:
    """Remove what does nothing, join what one operation can do, and write where memory already is.

    `constants` holds the graph's own tensors; those found here are added.
    """
    fold_constants(graph, constants)
    for change in (
        drop_identities,
        turn_products,
        drop_identities,
        fuse_bias,
        turn_narrow,
        share_views,
        drop_identities,
        pair_vectors,
        reuse_memory,
        write_in_place,
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
