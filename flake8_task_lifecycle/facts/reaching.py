"""Which stores of a local can be the last before a read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.flow import FlowTooLarge, Graph, walk

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


def steps_before(graph: Graph) -> dict[int, list[int]]:
    """For each step those that it can follow."""
    found: dict[int, list[int]] = {}
    for index, step in enumerate(graph.steps):
        for target, _ in step.edges:
            found.setdefault(target, []).append(index)
    return found


def reaching_stores(
    facts: Facts, function: nodes.FunctionDef, read: nodes.NodeNG, name: str
) -> list[nodes.AssignName] | None:
    """The stores of a local of the function that a read of it can see; None when it may come from elsewhere."""
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return None
    before = steps_before(graph)
    found: list[nodes.AssignName] = []
    waiting = [index for step in graph.at(read.statement()) for index in before.get(step, ())]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        stores = [
            node
            for node in walk(graph.steps[index].parts)
            if isinstance(node, nodes.AssignName | nodes.DelName) and node.name == name
        ]
        if any(isinstance(node, nodes.DelName) or isinstance(node.parent, nodes.AugAssign) for node in stores):
            return None
        found += stores
        if not stores:
            if index == graph.entry and any(one.name == name for one in function.args.arguments):
                return None
            waiting += before.get(index, ())
    if graph.entry in graph.at(read.statement()) and not found:
        return None
    return found
