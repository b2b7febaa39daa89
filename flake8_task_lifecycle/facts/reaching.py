"""Which stores of a local can be the last before a read of it."""

from __future__ import annotations

from collections.abc import Container, Iterator

from astroid import nodes

from flake8_task_lifecycle.flow import Graph, nodes_in, walk


def reaching_stores(graph: Graph, read: nodes.NodeNG, name: str) -> list[nodes.AssignName] | None:
    """The stores of a local of the graph's function that a read of it can see; None when it may come from elsewhere."""
    found: list[nodes.AssignName] = []
    for index, stores in _back_to_stores(graph, read.statement(), name):
        if any(isinstance(node, nodes.DelName) or isinstance(node.parent, nodes.AugAssign) for node in stores):
            return None
        found += stores
        if not stores and index == graph.entry and any(one.name == name for one in graph.function.args.arguments):
            return None
    return found


def is_replaced(graph: Graph, value: nodes.NodeNG, read: nodes.NodeNG, others: Container[nodes.NodeNG]) -> bool:
    """Whether a read of the local that a value is put into can only see one of the ``others`` that are put there.

    Not when the read has no such local, or can see what anything else binds, such as a loop over a collection.
    """
    statement = value.statement()
    targets = statement.targets if isinstance(statement, nodes.Assign) else ()
    names = {target.name for target in targets if isinstance(target, nodes.AssignName)}
    loads = [node for node in walk([read]) if isinstance(node, nodes.Name) and node.name in names]
    stores = [reaching_stores(graph, load, load.name) for load in loads]
    return bool(loads) and all(
        found
        and all(isinstance(one.parent, nodes.Assign) and one.parent.value in others for one in found)
        and all(one.parent is not statement for one in found)
        for found in stores
    )


def loads_since_store(graph: Graph, statement: nodes.NodeNG, name: str) -> list[nodes.Name]:
    """The reads of a local on the ways to a statement, since the store that it has its value from."""
    return [
        node
        for index, stores in _back_to_stores(graph, statement, name)
        if not stores
        for node in nodes_in(graph.steps[index])
        if isinstance(node, nodes.Name) and node.name == name
    ]


def _back_to_stores(graph: Graph, statement: nodes.NodeNG, name: str) -> Iterator[tuple[int, list[nodes.NodeNG]]]:
    """The steps on the ways to a statement, with the stores of a name in each: no further back than these."""
    before = graph.before
    waiting = [index for step in graph.at(statement) for index in before.get(step, ())]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        stores = [
            node
            for node in nodes_in(graph.steps[index])
            if isinstance(node, nodes.AssignName | nodes.DelName) and node.name == name
        ]
        yield index, stores
        if not stores:
            waiting += before.get(index, ())
