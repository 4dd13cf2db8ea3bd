"""Views of a graph's first argument, which are the same at every call while that stays where it is."""

from __future__ import annotations

from torch import fx

from harness.training.graph.nodes import aten, is_view, writes


def take_out_views(graph: fx.Graph) -> fx.Graph:
    """Move the views of the first argument that the graph starts from into a graph of their own.

    That takes the first argument and returns them all; the given graph gets them as arguments before
    its own.
    """
    first, rest = next(iter(graph.nodes)), fx.Graph()
    moved = {first: rest.placeholder(first.name)}
    for node in graph.nodes:
        if _stays(node) and all(source in moved for source in node.all_input_nodes):
            moved[node] = rest.node_copy(node, moved.__getitem__)
    own = [node for node in moved if node is not first]
    given = [node for node in own if any(user not in moved for user in node.users)]
    rest.output(tuple(moved[node] for node in given))
    for node in given:
        with graph.inserting_before(first):
            argument = graph.placeholder(f"view_{node.name}")
        node.replace_all_uses_with(argument, lambda user: user not in moved)
    for node in reversed(own):
        graph.erase_node(node)
    return rest


def _stays(node: fx.Node) -> bool:
    """Whether a call gives views alone; a reshaping may copy."""
    return is_view(node) and not writes(node) and node.target is not aten.reshape.default
