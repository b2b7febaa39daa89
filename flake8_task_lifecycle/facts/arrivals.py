"""Where a cancellation can arrive in a block, and what in it already takes the cancellation.

A task is cancelled by throwing ``CancelledError`` into it where it waits, so only where something waits:
https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import decorator_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import last_word

Takes = Callable[[nodes.NodeNG], bool]

_RESUMED_BY_THROW = frozenset({"asynccontextmanager", "fixture"})


def is_resumed_by_throw(function: nodes.FunctionDef) -> bool:
    """Whether a ``yield`` of the function is where its user waits: a context manager or fixture by decorator."""
    return not _RESUMED_BY_THROW.isdisjoint(decorator_names(function))


def arrivals(body: Iterable[nodes.NodeNG], takes: Takes, at_yield: bool) -> Iterator[nodes.NodeNG]:
    """The waits of a block at which a cancellation can arrive and leave the block.

    ``takes`` says of an inner ``try`` or ``with`` whether it takes every cancellation of its body. ``at_yield``: a
    ``yield`` is such a wait too.
    """
    waiting: list[nodes.NodeNG] = list(body)
    while waiting:
        node = waiting.pop()
        match node:
            case nodes.FunctionDef() | nodes.Lambda():
                waiting += [part for part in walk([node]) if part is not node and _waits(part, at_yield)]
                continue
            case nodes.ClassDef():
                continue
            case nodes.Try() | nodes.TryStar() if takes(node):
                waiting += [part for handler in node.handlers for part in handler.body]
                waiting += [*node.orelse, *node.finalbody]
                continue
            case nodes.With() if any(is_shielded_scope(context) for context, _ in node.items):
                continue
            case nodes.With() if takes(node):
                waiting += [context for context, _ in node.items]
                if isinstance(node, nodes.AsyncWith):
                    yield node
                continue
        if _waits(node, at_yield):
            yield node
        waiting += list(node.get_children())


def _waits(node: nodes.NodeNG, at_yield: bool) -> bool:
    match node:
        case nodes.Await() | nodes.AsyncFor() | nodes.AsyncWith():
            return True
        case nodes.Comprehension():
            return bool(node.is_async)
        case nodes.Yield():
            return at_yield
    return False


def is_shielded_scope(context: nodes.NodeNG) -> bool:
    """``CancelScope(shield=True)``: nothing is delivered inside it."""
    return (
        isinstance(context, nodes.Call)
        and any(
            keyword.arg == "shield" and isinstance(keyword.value, nodes.Const) and keyword.value.value is True
            for keyword in context.keywords
        )
        and last_word(context.func) in {"CancelScope", "move_on_after", "fail_after", "move_on_at", "fail_at"}
    )
