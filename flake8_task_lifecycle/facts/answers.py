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
from flake8_task_lifecycle.facts.targets import ask, bound_calls
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import FlowTooLarge, walk
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word

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
    """``generator.throw(error)``, ``greenlet.throw(*sys.exc_info())``: what waits there sees the exception.

    So does a generator of the project that raises, by what it yielded: ``for attempt in retry(): attempt.fail(error)``.
    """
    name = handler.name.name if handler.name is not None else ""
    return (bool(name) and _is_given_back(facts, handler, name)) or any(
        handler.parent_of(call)
        and any((name and dotted(one) == name) or last_word(one) == "exc_info" for one in walk(call.args))
        for word in ("throw", "athrow")
        for call in facts.tree.calls.get(word, ())
    )


def _is_given_back(facts: Facts, handler: nodes.ExceptHandler, name: str) -> bool:
    """Whether a handler gives the exception to what the generator of a loop around it yielded."""
    loop = handler.parent
    while loop is not None and not isinstance(loop, nodes.FunctionDef):
        if isinstance(loop, nodes.For) and isinstance(loop.target, nodes.AssignName):
            given = _is_given_to(handler, loop.target.name, name)
            return given and _is_over_raising_generator(facts, loop.iter)
        loop = loop.parent
    return False


def _is_given_to(handler: nodes.ExceptHandler, receiver: str, name: str) -> bool:
    return any(
        isinstance(node, nodes.Call)
        and isinstance(node.func, nodes.Attribute)
        and dotted(node.func.expr) == receiver
        and any(isinstance(one, nodes.Name) and one.name == name for one in node.args)
        for node in walk(handler.body)
    )


def _is_over_raising_generator(facts: Facts, iterable: nodes.NodeNG) -> bool:
    calls = bound_calls(facts, iterable) if isinstance(iterable, nodes.Name) else [iterable]
    made_by = [one.func for one in calls if isinstance(one, nodes.Call)]
    return bool(made_by) and all(
        ask(facts, value, _is_raising_generator) is True
        for function in made_by
        for value in facts.evaluator.of(function)
    )


def _is_raising_generator(_facts: Facts, function: nodes.FunctionDef) -> bool:
    return is_generator(function) and any(isinstance(node, nodes.Raise) for node in walk(function.body))


def is_raised_around(facts: Facts, function: nodes.FunctionDef, name: str) -> bool:
    """Whether a function around a nested one raises by the name of a variable that both share."""
    outer = enclosing_function(function)
    while outer is not None and name not in outer.locals:
        outer = enclosing_function(outer)
    return outer is not None and name in facts.outcomes.raised_names(outer)


def _is_tested(node: nodes.NodeNG) -> bool:
    """Whether a test takes a value: where it stands, or by the local that it is stored in."""
    whole = _condition(node)
    if isinstance(whole.parent, nodes.Assign) and len(whole.parent.targets) == 1:
        return any(_decides(_condition(one)) for one in _readings(whole.parent.targets[0]))
    return _decides(whole)


def _readings(target: nodes.NodeNG) -> list[nodes.NodeNG]:
    """What reads a local, and the attributes that are read off it, in the handler that stores it."""
    handler = target.parent
    while handler is not None and not isinstance(handler, nodes.ExceptHandler):
        handler = handler.parent
    if not isinstance(target, nodes.AssignName) or handler is None:
        return []
    loads = [node for node in walk(handler.body) if isinstance(node, nodes.Name) and node.name == target.name]
    return [one.parent if isinstance(one.parent, nodes.Attribute) else one for one in loads]


def _condition(node: nodes.NodeNG) -> nodes.NodeNG:
    """The whole of a condition that a value is a part of: ``not await judge(error) or left``."""
    while isinstance(node.parent, nodes.UnaryOp | nodes.BoolOp | nodes.Await):
        node = node.parent
    return node


def _decides(condition: nodes.NodeNG) -> bool:
    parent = condition.parent
    return isinstance(parent, nodes.If | nodes.While | nodes.IfExp) and parent.test is condition
