"""To whom a handler gives a caught exception: a function that it asks, or another frame that it throws it into.

``if policy.allows(error): ... else: raise``, ``generator.throw(error)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import (
    is_abstract,
    is_generator,
    is_plainly_decorated,
    is_static,
    positional,
)
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import FlowTooLarge, walk
from flake8_task_lifecycle.names import dotted, enclosing_class, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_Content = TypeVar("_Content")


class Answers:
    """The answers of the functions that one module asks about an exception."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[tuple[nodes.FunctionDef, int], bool | None] = {}
        self.nothing: set[tuple[nodes.FunctionDef, int]] = set()

    def of(self, call: nodes.Call, place: int) -> bool | None:
        """What a call answers whose argument at a place is a cancellation; None when that is not known."""

        def question(facts: Facts, function: nodes.FunctionDef) -> bool | None:
            return facts.outcomes.answers.given(function, place)

        found = {ask(self._facts, value, question) for value in self._facts.evaluator.of(call.func)}
        return found.pop() if len(found) == 1 else None

    def is_nothing(self, call: nodes.Call, place: int) -> bool:
        """Whether a call gives None when its argument at a place is a cancellation."""

        def question(facts: Facts, function: nodes.FunctionDef) -> bool:
            answers = facts.outcomes.answers
            return answers.given(function, place) is False and (function, place) in answers.nothing

        values = self._facts.evaluator.of(call.func)
        return bool(values) and all(ask(self._facts, value, question) for value in values)

    def is_open(self, call: nodes.Call) -> bool:
        """Whether a call may be such a question at all: builtins and what logs tell nothing of the exception."""
        names = known_names(self._facts.evaluator.of(call.func), instance=False) or frozenset()
        return not any(name.startswith(("builtins.", "logging.")) for name in names)

    def given(self, function: nodes.FunctionDef, place: int) -> bool | None:
        """What a function of this module answers to a cancellation as its argument at a place."""
        key = (function, place)
        if key not in self._known:
            self._known[key] = None
            self._known[key] = self._find(function, place)
        return self._known[key]

    def _find(self, function: nodes.FunctionDef, place: int) -> bool | None:
        if isinstance(function, nodes.AsyncFunctionDef) or is_generator(function) or is_abstract(function):
            return None
        if not is_plainly_decorated(function):
            return None
        parameters = [one.name for one in positional(function)]
        if enclosing_class(function) is not None and not is_static(function):
            parameters = parameters[1:]
        if place >= len(parameters):
            return None
        try:
            graph = self._facts.graph(function)
        except FlowTooLarge:
            return None
        outcomes = self._facts.outcomes
        journey = self._facts.paths.travel(graph, {graph.entry: outcomes.caught(parameters[place])}, None)
        found, given = set(), set()
        for step, knowledge in journey.known.items():
            if any(target == graph.exit for target, _ in graph.steps[step].edges):
                statement = graph.steps[step].statement
                if not isinstance(statement, nodes.Return) or statement.value is None:
                    return None
                found.add(outcomes.truth(statement.value, knowledge))
                given.add(isinstance(statement.value, nodes.Const) and statement.value.value is None)
        if given == {True}:
            self.nothing.add((function, place))
        return found.pop() if len(found) == 1 else None


def place_of(call: nodes.Call, knowledge: Mapping[str, _Content], exception: _Content) -> int | None:
    """Which argument of a call is the caught exception; None: none is."""
    for place, argument in enumerate(call.args):
        if knowledge.get(dotted(argument)) is exception:
            return place
    return None


def asks_about(handler: nodes.ExceptHandler) -> bool:
    """Whether a handler tests what a call says of the exception that it caught."""
    if handler.name is None:
        return False
    name = handler.name.name
    return any(
        isinstance(node, nodes.Call)
        and any(isinstance(one, nodes.Name) and one.name == name for one in node.args)
        and _is_tested(node)
        for node in walk(handler.body)
    )


def throws_it_elsewhere(facts: Facts, handler: nodes.ExceptHandler) -> bool:
    """``generator.throw(error)``, ``greenlet.throw(*sys.exc_info())``: what waits there sees the exception."""
    name = handler.name.name if handler.name is not None else ""
    return any(
        handler.parent_of(call)
        and any((name and dotted(one) == name) or last_word(one) == "exc_info" for one in walk(call.args))
        for word in ("throw", "athrow")
        for call in facts.tree.calls.get(word, ())
    )


def _is_tested(node: nodes.NodeNG) -> bool:
    parent = node.parent
    while isinstance(parent, nodes.UnaryOp | nodes.BoolOp | nodes.Await):
        node, parent = parent, parent.parent
    return isinstance(parent, nodes.If | nodes.While | nodes.IfExp) and parent.test is node
