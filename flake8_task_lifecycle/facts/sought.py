"""Loops that only look for one thing among others: ``async for item in stream: if item.id == wanted: ... break``."""

from __future__ import annotations

from astroid import nodes

from flake8_task_lifecycle.flow import leaves, walk
from flake8_task_lifecycle.names import dotted

_LOOKING = frozenset({"isinstance", "len", "getattr", "str", "int", "bool", "type"})


def looks_for_one(loop: nodes.NodeNG) -> bool:
    """Whether all that a loop does with what it waits for is to look at it, until the one comes with which it ends."""
    *before, last = loop.body
    if not isinstance(last, nodes.If) or last.orelse or not leaves(last.body, loop):
        return False
    seen = (
        {node.name for node in walk([loop.target]) if isinstance(node, nodes.AssignName)} if _is_stream(loop) else set()
    )
    for statement in before:
        if not isinstance(statement, nodes.Assign):
            return False
        waits = isinstance(statement.value, nodes.Await) and not seen
        if not waits and not _only_looks(statement.value, seen):
            return False
        seen |= {node.name for node in walk(statement.targets) if isinstance(node, nodes.AssignName)}
    return bool(seen) and _only_looks(last.test, seen)


def _is_stream(loop: nodes.NodeNG) -> bool:
    return isinstance(loop, nodes.AsyncFor)


def _only_looks(expression: nodes.NodeNG, seen: set[str]) -> bool:
    """Whether an expression reads some names, and asks nothing but them: it waits for nothing, and tells nobody."""
    parts = list(walk([expression]))
    asked = [node.func for node in parts if isinstance(node, nodes.Call)]
    return (
        any(isinstance(node, nodes.Name) and node.name in seen for node in parts)
        and not any(isinstance(node, nodes.Await) for node in parts)
        and all(dotted(one) in _LOOKING or _root(one) in seen for one in asked)
    )


def _root(function: nodes.NodeNG) -> str:
    """The name that a chain of attributes begins with."""
    while isinstance(function, nodes.Attribute):
        function = function.expr
    return function.name if isinstance(function, nodes.Name) else ""
