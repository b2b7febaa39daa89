"""Does a handler ask who was cancelled: the task it awaited, its own task, or a flag that goes with a ``cancel()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_ASKING = frozenset({"cancelled", "cancelling", "uncancel"})


class Asking:
    """Reads the questions that the handlers of one module ask."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._is_asking = cache(self._find_asking)

    def asks(self, handler: nodes.ExceptHandler) -> bool:
        """Whether a handler asks who was cancelled: the task it awaited, its own task, or a flag of the owner."""
        return any(isinstance(node, nodes.Call | nodes.If) and self._is_asking(node) for node in walk(handler.body))

    def _find_asking(self, node: nodes.Call | nodes.If) -> bool:
        if isinstance(node, nodes.If):
            return self.tests_owner_flag(node.test) or self._tests_canceller(node)
        if _looks_up(node, "cancelling"):
            return True
        word, is_used = last_word(node.func), not isinstance(node.parent, nodes.Expr)
        if word in _ASKING and isinstance(node.func, nodes.Attribute):
            return word == "uncancel" or is_used
        return _answers(self._facts, node, _asks_itself if is_used else _asks_and_raises)

    def tests_owner_flag(self, test: nodes.NodeNG) -> bool:
        """Whether a test reads a flag that the statement before a ``cancel()`` of the module sets."""
        if not self._flags_before_cancel:
            return False
        texts, read = self._facts.cancelled.texts, list(walk([test]))
        read += [one for node in read if isinstance(node, nodes.Attribute) for one in self._told_by(node)]
        return any(
            not self._flags_before_cancel.isdisjoint(texts(node))
            for node in read
            if isinstance(node, nodes.Attribute | nodes.Name)
        )

    def _told_by(self, attribute: nodes.Attribute) -> Iterator[nodes.NodeNG]:
        """What a property, or a method, of the same object returns, when an attribute is one: ``return self._flag``."""
        classes = self._facts.evaluator.classes
        owner = classes.of_self(attribute.expr)
        for home in classes.hierarchy(owner) if owner is not None else ():
            for function in home.locals.get(attribute.attrname, ()):
                last = function.body[-1] if isinstance(function, nodes.FunctionDef) else None
                yield from walk([last]) if isinstance(last, nodes.Return) else ()

    def _tests_canceller(self, statement: nodes.If) -> bool:
        """Whether a test reads a future that, once done, has a callback of this function cancel something."""
        cancellers = self._cancellers.get(enclosing_function(statement), set())
        return bool(cancellers) and any(dotted(node) in cancellers for node in walk([statement.test]))

    @cached_property
    def _cancellers(self) -> dict[nodes.NodeNG | None, set[str]]:
        """The futures, as written, that a function gives a done callback which cancels something."""
        found: dict[nodes.NodeNG | None, set[str]] = {}
        for call, callback in self._facts.callbacks.registered():
            future = dotted(call.func.expr) if isinstance(call.func, nodes.Attribute) else ""
            if future and last_word(call.func) == "add_done_callback":
                values = self._facts.evaluator.of(callback)
                if any(isinstance(one, Definition) and _cancels(one.node) for one in values):
                    found.setdefault(enclosing_function(call), set()).add(future)
        return found

    @cached_property
    def _flags_before_cancel(self) -> frozenset[str]:
        """What is set to a constant in the statements just before a ``cancel()`` call, or is an event set there."""
        return frozenset(
            text
            for call in self._facts.tree.calls.get("cancel", ())
            for before in _just_before(call.statement())
            for target in _flagged(before)
            for text in self._facts.cancelled.texts(target)
        )


def _answers(facts: Facts, call: nodes.Call, question: Callable[[Facts, nodes.NodeNG], bool]) -> bool:
    return any(
        ask(facts, value, question) is True
        for value in facts.evaluator.of(call.func)
        if isinstance(value, Definition | External)
    )


def _asks_itself(_facts: Facts, function: nodes.NodeNG) -> bool:
    return isinstance(function, nodes.FunctionDef) and any(
        isinstance(node, nodes.Call) and (last_word(node.func) == "cancelling" or _looks_up(node, "cancelling"))
        for node in walk(function.body)
    )


def _asks_and_raises(facts: Facts, function: nodes.NodeNG) -> bool:
    """Whether a function raises under a test that asks, itself or by a function that does."""
    return isinstance(function, nodes.FunctionDef) and any(
        isinstance(statement, nodes.If)
        and any(isinstance(one, nodes.Raise) for one in walk(statement.body))
        and any(_answers(facts, one, _asks_itself) for one in walk([statement.test]) if isinstance(one, nodes.Call))
        for statement in walk(function.body)
    )


def _looks_up(call: nodes.Call, attribute: str) -> bool:
    """Whether a call is ``getattr(task, "cancelling", None)``, for an attribute of that name."""
    return (
        last_word(call.func) == "getattr"
        and len(call.args) > 1
        and isinstance(call.args[1], nodes.Const)
        and call.args[1].value == attribute
    )


def _just_before(statement: nodes.NodeNG) -> Iterator[nodes.Assign | nodes.Expr]:
    """The plain statements that lead to another, also those before the tests and loops that begin with it."""
    before = statement.previous_sibling()
    while isinstance(before, nodes.Assign | nodes.Expr):
        yield before
        before = before.previous_sibling()
    if before is None and isinstance(statement.parent, nodes.If | nodes.For):
        yield from _just_before(statement.parent)


def _cancels(callback: nodes.NodeNG) -> bool:
    """Whether a callback cancels something: ``lambda _: task.cancel()``."""
    body = callback.body if isinstance(callback, nodes.FunctionDef) else [callback]
    return any(isinstance(node, nodes.Call) and last_word(node.func) == "cancel" for node in walk(body))


def _is_constant(value: nodes.NodeNG) -> bool:
    """Whether a value is written out, or goes by the name of a constant: ``True``, ``State.STOPPED``, one of two."""
    if isinstance(value, nodes.IfExp):
        return _is_constant(value.body) and _is_constant(value.orelse)
    return isinstance(value, nodes.Const) or last_word(value).isupper()


def _flagged(statement: nodes.Assign | nodes.Expr) -> Iterator[nodes.NodeNG]:
    """The names that a statement sets to a constant, or the event that it sets."""
    if isinstance(statement, nodes.Assign):
        if _is_constant(statement.value):
            yield from statement.targets
    elif isinstance(statement.value, nodes.Call) and last_word(statement.value.func) == "set":
        yield statement.value.func.expr if isinstance(statement.value.func, nodes.Attribute) else statement.value
