"""Views of a graph's first arguments, which are the same at every call while those stay where they are."""

from __future__ import annotations

from itertools import islice

from torch import fx

from harness.training.graph.nodes import aten, is_view, writes


def take_out_views(graph: fx.Graph, n_first: int) -> fx.Graph:
    """Move the views of the first arguments that the graph starts from into a graph of their own.

    That takes the first arguments and returns all the views; the given graph gets them before its own.
    """
    first, rest = list(islice(graph.nodes, n_first)), fx.Graph()
    moved = {node: rest.placeholder(node.name) for node in first}
    for node in graph.nodes:
        if _stays(node) and all(source in moved for source in node.all_input_nodes):
            moved[node] = rest.node_copy(node, moved.__getitem__)
    own = list(moved)[n_first:]
    given = [node for node in own if any(user not in moved for user in node.users)]
    rest.output(tuple(moved[node] for node in given))
    for node in given:
        with graph.inserting_before(first[0]):
            argument = graph.placeholder(f"view_{node.name}")
        node.replace_all_uses_with(argument, lambda user: user not in moved)
    for node in reversed(own):
        graph.erase_node(node)
    return rest


def _stays(node: fx.Node) -> bool:
    """Whether a call gives views alone; a reshaping may copy."""
    return is_view(node) and not writes(node) and node.target is not aten.reshape.default
