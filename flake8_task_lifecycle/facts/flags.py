"""Flags that a method of the same object is sure to set: ``self.close()``, and ``while not self._closing`` is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import is_abstract, is_generator, is_plainly_decorated
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.flow import inside, walk
from flake8_task_lifecycle.names import dotted

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_OWN = "self."


def tested_by_loops(function: nodes.FunctionDef) -> frozenset[str]:
    """The attributes of the object that the tests of a function's loops name."""
    tests = [node.test for node in inside(function) if isinstance(node, nodes.While)]
    return frozenset(
        dotted(node) for node in walk(tests) if isinstance(node, nodes.Attribute) and dotted(node).startswith(_OWN)
    )


def own_call(statement: nodes.Expr) -> nodes.Call | None:
    """The call of a method of the object itself that a statement is; None for any other."""
    call = statement.value.value if isinstance(statement.value, nodes.Await) else statement.value
    return call if isinstance(call, nodes.Call) and dotted(call.func).startswith(_OWN) else None


def set_by_call(facts: Facts, call: nodes.Call) -> Iterator[tuple[str, bool]]:
    """What a call of a method of the object itself sets there, with the value or, of an event, True.

    Of an event by the test of it: ``self._stopping.is_set()``.
    """
    answers = [ask(facts, value, _sets) for value in facts.evaluator.of(call.func)]
    if answers and all(answer is not None for answer in answers):
        common = set.intersection(*(set(answer or ()) for answer in answers))
        yield from sorted(common)


def _sets(_facts: Facts, function: nodes.FunctionDef) -> tuple[tuple[str, bool], ...]:
    """The flags that every way through a function sets, or finds set where it returns early."""
    if is_abstract(function) or is_generator(function) or not is_plainly_decorated(function):
        return ()
    found: dict[str, bool] = {}
    guards: set[tuple[str, bool]] | None = None
    for statement in function.body:
        if any(isinstance(node, nodes.Return) for node in walk([statement])):
            guard = _guard(statement)
            if guard is None or guards not in (None, {guard}):
                break
            guards = {guard}
        found |= dict(_set_by(statement))
    return tuple((name, value) for name, value in found.items() if guards is None or (name, value) in guards)


def _guard(statement: nodes.NodeNG) -> tuple[str, bool] | None:
    """``if self._closed: return``: the flag that an early return has found set."""
    if not isinstance(statement, nodes.If) or statement.orelse or not isinstance(statement.body[-1], nodes.Return):
        return None
    test, value = statement.test, True
    if isinstance(test, nodes.UnaryOp) and test.op == "not":
        test, value = test.operand, False
    if isinstance(test, nodes.Call) and isinstance(test.func, nodes.Attribute) and test.func.attrname == "is_set":
        return f"{dotted(test.func.expr)}.is_set()", value
    return (dotted(test), value) if dotted(test) else None


def _set_by(statement: nodes.NodeNG) -> Iterator[tuple[str, bool]]:
    match statement:
        case nodes.Assign(value=nodes.Const()) if isinstance(statement.value.value, bool):
            for target in statement.targets:
                if dotted(target).startswith(_OWN):
                    yield dotted(target), statement.value.value
        case nodes.Expr(value=nodes.Call(func=nodes.Attribute(attrname="set"), args=[])):
            event = dotted(statement.value.func.expr)
            if event.startswith(_OWN):
                yield f"{event}.is_set()", True
