"""Loops that take what is there, one by one, and end when nothing is left: none of them waits for more."""

from __future__ import annotations

from astroid import nodes

from flake8_task_lifecycle.flow import inside, leaves, walk
from flake8_task_lifecycle.names import dotted, last_word

_TAKES = frozenset({"pop", "popleft", "popitem", "get_nowait"})
_NOTHING_LEFT = frozenset({"QueueEmpty", "Empty", "IndexError", "KeyError"})
_WAITS_FOR_MORE = frozenset({"get", "wait", "receive", "read"})


def ends_when_nothing_is_left(loop: nodes.NodeNG) -> bool:
    """``while True: if not self._queue: return``, of a queue from which the loop takes without waiting."""
    taken = _taken(loop)
    for node in inside(loop) if taken else ():
        if isinstance(node, nodes.If) and leaves(node.body, loop) and _emptied(node.test) in taken:
            return True
        if isinstance(node, nodes.ExceptHandler) and leaves(node.body, loop) and _is_of_empty_take(node):
            return True
    return False


def empties_its_test(loop: nodes.While) -> bool:
    """``while self._jobs: job = self._jobs.pop()``."""
    text = _filled(loop.test)
    return bool(text) and text in _taken(loop)


def _taken(loop: nodes.NodeNG) -> frozenset[str]:
    """What a loop takes from without waiting; nothing when it waits for more anywhere."""
    taken: set[str] = set()
    for node in inside(loop):
        if isinstance(node, nodes.Await) and any(map(_waits_for_more, walk([node.value]))):
            return frozenset()
        if isinstance(node, nodes.Call) and isinstance(node.func, nodes.Attribute) and node.func.attrname in _TAKES:
            taken.add(dotted(node.func.expr))
    return frozenset(taken - {""})


def _waits_for_more(node: nodes.NodeNG) -> bool:
    """``queue.get()``, ``event.wait()``: without an argument they ask for nothing but the next."""
    return isinstance(node, nodes.Call) and not node.args and last_word(node.func) in _WAITS_FOR_MORE


def _emptied(test: nodes.NodeNG) -> str:
    """What a test finds to be empty: ``not jobs``, ``jobs.empty()``, ``len(jobs) == 0``; "" for other tests."""
    match test:
        case nodes.UnaryOp(op="not"):
            return _filled(test.operand)
        case nodes.Call(func=nodes.Attribute(attrname="empty")):
            return dotted(test.func.expr)
        case nodes.Compare(ops=[("==" | "<=", nodes.Const(value=0))]):
            return _measured(test.left)
    return ""


def _filled(test: nodes.NodeNG) -> str:
    """What a test finds to hold something: ``jobs``, ``not jobs.empty()``, ``len(jobs) > 0``; "" for other tests."""
    match test:
        case nodes.Name() | nodes.Attribute():
            return dotted(test)
        case nodes.UnaryOp(op="not"):
            return _emptied(test.operand)
        case nodes.Compare(ops=[(">" | "!=", nodes.Const(value=0))]):
            return _measured(test.left)
        case nodes.Call():
            return _measured(test)
    return ""


def _measured(expression: nodes.NodeNG) -> str:
    """The collection of ``len(jobs)`` and ``jobs.qsize()``."""
    match expression:
        case nodes.Call(func=nodes.Name(name="len"), args=[given]):
            return dotted(given)
        case nodes.Call(func=nodes.Attribute(attrname="qsize")):
            return dotted(expression.func.expr)
    return ""


def _is_of_empty_take(handler: nodes.ExceptHandler) -> bool:
    """``except QueueEmpty`` around nothing but the take."""
    kinds = handler.type.elts if isinstance(handler.type, nodes.Tuple) else [handler.type]
    return (
        all(kind is not None and last_word(kind) in _NOTHING_LEFT for kind in kinds)
        and isinstance(handler.parent, nodes.Try)
        and len(handler.parent.body) == 1
        and any(isinstance(node, nodes.Call) and last_word(node.func) in _TAKES for node in walk(handler.parent.body))
    )
