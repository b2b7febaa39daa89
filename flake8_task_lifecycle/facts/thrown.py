"""What a step can throw, and where that lands: the handlers and context managers that take it or let it pass."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import decorator_names
from flake8_task_lifecycle.facts.raising import awaiting_can_raise, raised, step_danger
from flake8_task_lifecycle.facts.shelters import (
    ANY,
    Danger,
    context_takes,
    exceptions,
    is_broad,
    is_cancellation,
    may_catch,
)
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import Graph, Mark, Step, nodes_in

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

# Entering these neither waits nor raises.
_ENTERED_AT_ONCE = frozenset(
    {"asyncio.timeout", "asyncio.timeout_at", "async_timeout.timeout", "async_timeout.timeout_at"}
    | {"asyncio.TaskGroup", "contextlib.AsyncExitStack", "anyio.create_task_group", "trio.open_nursery"}
)
_RESUMED = frozenset({"asynccontextmanager", "contextmanager", "fixture"})


class Way(Enum):
    """How a function is left: an error at a step, a cancellation there, the end of a generator at its ``yield``."""

    ERROR = "error"
    CANCELLED = "cancelled"
    CLOSED = "closed"


class Thrown(NamedTuple):
    """An exception in flight; ``danger`` names what an error can be."""

    way: Way
    danger: Danger = ANY


class Throws:
    """Follows exceptions through the functions of one module."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._thrown: dict[tuple[Graph, int], tuple[Thrown, ...]] = {}
        self.mark = cache(self._mark)

    def at(self, graph: Graph, index: int) -> tuple[Thrown, ...]:
        """What a step can throw."""
        key = graph, index
        if key not in self._thrown:
            self._thrown[key] = tuple(self._find(graph.steps[index], graph.function))
        return self._thrown[key]

    def _mark(self, graph: Graph, way: Way) -> Mark:
        """Whether a step of a function can be left in some way."""
        return lambda index: any(thrown.way is way for thrown in self.at(graph, index))

    def _find(self, step: Step, function: nodes.FunctionDef) -> Iterator[Thrown]:
        statement = step.statement
        if isinstance(statement, nodes.Try | nodes.TryStar | nodes.ExceptHandler):
            return
        if isinstance(statement, nodes.Raise):
            danger = raised(self._facts, statement)
            if danger:
                yield Thrown(Way.ERROR, danger)
            return
        if isinstance(statement, nodes.AsyncWith) and self._is_entered_at_once(statement):
            return
        danger = step_danger(self._facts, statement, step.parts)
        if danger:
            yield Thrown(Way.ERROR, danger)
        if isinstance(function, nodes.AsyncFunctionDef):
            nodes_here = nodes_in(step)
            if isinstance(statement, nodes.AsyncFor | nodes.AsyncWith) or any(map(_waits, nodes_here)):
                yield Thrown(Way.CANCELLED)
            closing = any(isinstance(node, nodes.Yield) for node in nodes_here)
            if closing and _RESUMED.isdisjoint(decorator_names(function)):
                yield Thrown(Way.CLOSED)

    def awaiting_can_raise(self, waiting: nodes.Await) -> bool:
        """Whether an ``await`` can raise an error."""
        return awaiting_can_raise(self._facts, waiting.value)

    def _is_entered_at_once(self, statement: nodes.AsyncWith) -> bool:
        for context, _ in statement.items:
            function = context.func if isinstance(context, nodes.Call) else context
            names = known_names(self._facts.evaluator.of(function), instance=False)
            if names is None or not names <= _ENTERED_AT_ONCE:
                return False
        return True

    def raised(self, statement: nodes.Raise, flying: Thrown) -> Thrown:
        """What a ``raise`` throws while another exception is handled."""
        handler = statement.parent
        while handler is not None and not isinstance(handler, nodes.ExceptHandler | nodes.FunctionDef):
            handler = handler.parent
        name = handler.name.name if isinstance(handler, nodes.ExceptHandler) and handler.name is not None else ""
        if statement.exc is None or (name and isinstance(statement.exc, nodes.Name) and statement.exc.name == name):
            return flying
        danger = raised(self._facts, statement)
        return Thrown(Way.ERROR, danger) if danger else Thrown(Way.CANCELLED)

    def landings(self, graph: Graph, node: nodes.NodeNG, target: int, thrown: Thrown) -> Iterator[tuple[int, Thrown]]:
        """The steps at which an exception thrown at a node goes on; ``target`` is where the graph sends it."""
        left = self._left_through(graph, node, thrown)
        if left is not None:
            yield from ((step, thrown) for step in left)
            return
        yield from self._at_try(graph, target, thrown)

    def flown(
        self, graph: Graph, statement: nodes.NodeNG | None, target: int, flying: Thrown
    ) -> Iterator[tuple[int, Thrown]]:
        """Where a plain edge leads: the end of a ``finally`` goes on with the exception that is in flight."""
        home = graph.steps[target].statement
        if target == graph.raised or isinstance(home, nodes.Try | nodes.TryStar):
            inner = _try_of_finally(statement)
            if inner is not None:
                yield from self.landings(graph, inner, target, flying)
                return
        yield target, flying

    def _at_try(self, graph: Graph, target: int, thrown: Thrown) -> Iterator[tuple[int, Thrown]]:
        statement = graph.steps[target].statement
        if not isinstance(statement, nodes.Try | nodes.TryStar):
            yield target, thrown
            return
        for entry, _ in graph.steps[target].edges:
            handler = graph.steps[entry].statement
            if not isinstance(handler, nodes.ExceptHandler) or handler.parent is not statement:
                if statement.finalbody:
                    yield entry, thrown
                else:
                    yield from self.landings(graph, statement, entry, thrown)
                continue
            takes = self._handler_takes(handler, thrown)
            if takes is not False:
                yield entry, thrown
            if takes is True:
                return

    def _handler_takes(self, handler: nodes.ExceptHandler, thrown: Thrown) -> bool | None:
        """Whether a handler takes an exception; None when it takes some that it may be, and not others."""
        names = exceptions(self._facts, handler.type)
        match thrown.way:
            case Way.CANCELLED:
                caught = self._facts.exceptions.caught(handler.type)
                return caught.cancellation or not caught.resolved
            case Way.CLOSED:
                return names is None or not names.isdisjoint({"builtins.BaseException", "builtins.GeneratorExit"})
        if names is None or is_broad(self._facts, handler):
            return True
        if is_cancellation(names):
            return False
        if thrown.danger == ANY:
            return None
        caught_ones = [may_catch(self._facts, names, one) for one in thrown.danger]
        return True if all(caught_ones) else (None if any(caught_ones) else False)

    def _left_through(self, graph: Graph, node: nodes.NodeNG, thrown: Thrown) -> list[int] | None:
        """Where a ``with`` statement goes on that swallows the exception; None when none around the node does."""
        child, parent = node, node.parent
        while parent is not None and not isinstance(parent, nodes.FunctionDef):
            match parent:
                case nodes.With() if child in parent.body and self._swallows(parent, thrown):
                    return [graph.after(header) for header in graph.at(parent)]
                case nodes.Try() | nodes.TryStar():
                    if (parent.handlers and child in parent.body) or (
                        parent.finalbody and child not in parent.finalbody
                    ):
                        return None
            child, parent = parent, parent.parent
        return None

    def _swallows(self, statement: nodes.With, thrown: Thrown) -> bool:
        managers = self._facts.handlers.managers
        asynchronous = isinstance(statement, nodes.AsyncWith)
        for context, _ in statement.items:
            if managers.hides(context, asynchronous=asynchronous):
                return True
            match thrown.way:
                case Way.ERROR if context_takes(self._facts, context, thrown.danger, True):
                    return True
                case Way.CANCELLED if managers.suppressed(context).cancellation:
                    return True
        return False


def _waits(node: nodes.NodeNG) -> bool:
    return isinstance(node, nodes.Await) or (isinstance(node, nodes.Comprehension) and bool(node.is_async))


def _try_of_finally(statement: nodes.NodeNG | None) -> nodes.NodeNG | None:
    """The ``try`` in whose ``finally`` a statement stands."""
    child = statement
    while child is not None and not isinstance(child, nodes.FunctionDef):
        parent = child.parent
        if isinstance(parent, nodes.Try | nodes.TryStar) and child in parent.finalbody:
            return parent
        child = parent
    return None
