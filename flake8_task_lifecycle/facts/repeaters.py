"""Decorators of the project under which a coroutine function is called again and again, without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import PLAIN_DECORATORS, positional
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.flow import constant_truth, inside, walk
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


def repeater(facts: Facts, function: nodes.FunctionDef) -> nodes.NodeNG | None:
    """The decorator whose wrapper does nothing but await the function in a loop that nothing leaves; None for none.

    None too when another decorator stands beside it that may do something else.
    """
    written = function.decorators.nodes if function.decorators is not None else []
    others = [one for one in written if last_word(_called(one)) not in PLAIN_DECORATORS]
    return others[0] if len(others) == 1 and _is_repeater(facts, others[0]) else None


def _called(decorator: nodes.NodeNG) -> nodes.NodeNG:
    return decorator.func if isinstance(decorator, nodes.Call) else decorator


def _is_repeater(facts: Facts, decorator: nodes.NodeNG) -> bool:
    values = facts.evaluator.of(_called(decorator))
    return bool(values) and all(ask(facts, value, _repeats) for value in values)


def _repeats(_facts: Facts, decorator: nodes.FunctionDef) -> bool:
    """Whether a decorator, or what makes one, gives back a coroutine function that repeats what it is given."""
    nested = [node for node in inside(decorator) if isinstance(node, nodes.FunctionDef)]
    if len(nested) != 1:
        return False
    if isinstance(nested[0], nodes.AsyncFunctionDef):
        return _loops_over(nested[0], {one.name for one in positional(decorator)})
    return _repeats(_facts, nested[0])


def _loops_over(wrapper: nodes.AsyncFunctionDef, given: set[str]) -> bool:
    return any(
        isinstance(loop, nodes.While)
        and constant_truth(loop.test) is True
        and any(_awaits(node, given) for node in walk(loop.body))
        and not any(isinstance(node, nodes.Break | nodes.Return | nodes.Raise) for node in walk(loop.body))
        for loop in inside(wrapper)
    )


def _awaits(node: nodes.NodeNG, given: set[str]) -> bool:
    call = node.value if isinstance(node, nodes.Await) else None
    return isinstance(call, nodes.Call) and isinstance(call.func, nodes.Name) and call.func.name in given


def handles_errors(facts: Facts, decorator: nodes.NodeNG) -> bool:
    """Whether a decorator of the project has a handler, whatever it takes; also when that cannot be told."""
    values = facts.evaluator.of(_called(decorator))
    return not values or any(ask(facts, value, _has_handler) is not False for value in values)


def _has_handler(_facts: Facts, function: nodes.FunctionDef) -> bool:
    return any(True for _ in function.nodes_of_class((nodes.ExceptHandler, nodes.With)))
