"""The tests by which a helper ends the loop that awaits it: it raises, or returns nothing, where a flag is off."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

from astroid import nodes

from flake8_task_lifecycle.flow import leaves, walk
from flake8_task_lifecycle.names import last_word


def gates(function: nodes.FunctionDef) -> Iterator[tuple[nodes.NodeNG, str]]:
    """The tests of a function that end it on one side, each with the name of what is raised there, "" for a return."""
    for node in walk(function.body):
        if isinstance(node, nodes.If):
            for branch in (node.body, node.orelse):
                match branch[-1] if branch else None:
                    case nodes.Raise(exc=nodes.NodeNG() as raised):
                        yield node.test, _name_of(raised)
                    case nodes.Return(value=None | nodes.Const(value=None | False)):
                        yield node.test, ""


def ends_loop(waiting: nodes.Await, loop: nodes.NodeNG, raised: str) -> bool:
    """Whether a loop is over when what it awaits raises this, or returns nothing for ""."""
    return _escapes(waiting, loop, raised) if raised else _is_asked_for_result(waiting, loop)


def _name_of(raised: nodes.NodeNG) -> str:
    return last_word(raised.func if isinstance(raised, nodes.Call) else raised)


def _escapes(node: nodes.NodeNG, loop: nodes.NodeNG, raised: str) -> bool:
    """Whether no handler between a node and a loop around it takes an exception and lets the loop go on."""
    while node is not loop:
        child, node = node, node.parent
        if isinstance(node, nodes.With) and child in node.body and _suppresses(node, raised):
            return False
        if not isinstance(node, nodes.Try) or child not in node.body:
            continue
        handler = next((one for one in node.handlers if _takes(one.type, raised)), None)
        if handler is None:
            continue
        last = handler.body[-1]
        if not isinstance(last, nodes.Raise):
            return leaves(handler.body, loop)
        raised = _name_of(last.exc) if last.exc is not None else raised
    return True


def _suppresses(block: nodes.With, raised: str) -> bool:
    return any(
        isinstance(context, nodes.Call)
        and last_word(context.func) == "suppress"
        and any(_takes(one, raised) for one in context.args)
        for context, _ in block.items
    )


def _takes(kind: nodes.NodeNG | None, raised: str) -> bool:
    """Whether a handler of some type takes an exception, by its name and what Python itself derives it from."""
    if kind is None:
        return True
    names = {last_word(one) for one in (kind.elts if isinstance(kind, nodes.Tuple) else [kind])}
    return not names.isdisjoint(_bases(raised))


def _bases(raised: str) -> frozenset[str]:
    if raised == "CancelledError":
        return frozenset({raised, "BaseException"})
    known = getattr(builtins, raised, None)
    if not isinstance(known, type):
        return frozenset({raised, "Exception", "BaseException"})
    return frozenset(base.__name__ for base in known.__mro__)


def _is_asked_for_result(waiting: nodes.Await, loop: nodes.NodeNG) -> bool:
    """``got = await self.receive()`` and then ``if got is None: break``."""
    statement = waiting.statement()
    names = {node.name for node in walk([statement]) if isinstance(node, nodes.AssignName)}
    return any(
        isinstance(node, nodes.If)
        and any(bool(branch) and leaves(branch, loop) for branch in (node.body, node.orelse))
        and any(isinstance(one, nodes.Name) and one.name in names for one in walk([node.test]))
        for node in walk(loop.body)
    )
