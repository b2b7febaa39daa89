"""Local collections that receive nothing but what is cancelled as it is put in: what waits for them waits for that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.together import comes_with
from flake8_task_lifecycle.flow import inside, walk
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_TAKES_ONE = frozenset({"append", "appendleft", "add"})
_TAKES_MANY = frozenset({"extend", "extendleft", "update"})
_EMPTY = frozenset({"list", "set", "deque"})


def put_aside(facts: Facts, function: nodes.FunctionDef) -> frozenset[str]:
    """The names under which the members of such collections of a function go."""
    if not facts.cancelled.by_function(function):
        return frozenset()
    received: dict[str, list[nodes.Call]] = defaultdict(list)
    for node in inside(function):
        if isinstance(node, nodes.Call) and isinstance(node.func, nodes.Attribute):
            collection = node.func.expr
            if isinstance(collection, nodes.Name) and node.func.attrname in _TAKES_ONE | _TAKES_MANY:
                received[collection.name].append(node)
    return frozenset(
        f"{name}@{function.lineno or 0}[]"
        for name, adds in received.items()
        if _is_local(facts, adds[0], function)
        and all(_is_filled_with_cancelled(facts, function, store) for store in function.locals[name])
        and all(_adds_cancelled(facts, function, add) for add in adds)
    )


def _is_local(facts: Facts, add: nodes.Call, function: nodes.FunctionDef) -> bool:
    return facts.names.local_scope(add, add.func.expr.name) is function


def _adds_cancelled(facts: Facts, function: nodes.FunctionDef, add: nodes.Call) -> bool:
    """Whether all that a call puts into a collection is cancelled with it."""
    if last_word(add.func) in _TAKES_MANY:
        return all(_members_are_cancelled(facts, function, one) for one in add.args)
    return all(_is_cancelled_with(facts, function, one, add.statement()) for one in add.args)


def _is_filled_with_cancelled(facts: Facts, function: nodes.FunctionDef, store: nodes.NodeNG) -> bool:
    """Whether a store binds a name to an empty collection, or to one of what is cancelled."""
    statement = store.parent
    if not isinstance(statement, nodes.Assign | nodes.AnnAssign | nodes.AugAssign):
        return False
    value = statement.value
    match value:
        case nodes.List() | nodes.Set():
            return all(_is_cancelled_with(facts, function, one, statement) for one in value.elts)
        case nodes.Call() if last_word(value.func) in _EMPTY and not value.args:
            return True
        case None:
            return True
    return _members_are_cancelled(facts, function, value)


def _members_are_cancelled(facts: Facts, function: nodes.FunctionDef, collection: nodes.NodeNG) -> bool:
    """Whether the function cancels the members of a collection; of a comprehension, in its own condition."""
    if isinstance(collection, nodes.ListComp | nodes.SetComp | nodes.GeneratorExp):
        conditions = [test for generator in collection.generators for test in generator.ifs]
        if any(
            call.as_string() == f"{collection.elt.as_string()}.cancel()"
            for call in walk(conditions)
            if isinstance(call, nodes.Call)
        ):
            return True
    names = facts.cancelled.members(collection)
    return any(not names.isdisjoint(texts) for _, texts in facts.cancelled.by_function(function))


def _is_cancelled_with(facts: Facts, function: nodes.FunctionDef, task: nodes.NodeNG, statement: nodes.NodeNG) -> bool:
    """Whether the function cancels a task, by the same name, whenever it runs a statement."""
    name = task.as_string()

    return any(
        any(one.as_string() == name for one in _receivers(place))
        and comes_with(place, statement, lambda one: one.as_string() == name)
        for place, _ in facts.cancelled.by_function(function)
    )


def _receivers(place: nodes.NodeNG) -> Iterator[nodes.NodeNG]:
    """What a call cancels, as far as it is written there."""
    if isinstance(place, nodes.Call):
        if isinstance(place.func, nodes.Attribute):
            yield place.func.expr
        yield from place.args
