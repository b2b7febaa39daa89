"""What stands between a held task and its successor: tests of the slot or of its owner's state, releases, hand-over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.slots import Kind, Place, SlotEvent
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.flow import FlowTooLarge, nodes_in, walk
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

ONCE = frozenset(
    {
        "__init__",
        "__new__",
        "__post_init__",
        "__aenter__",
        "__enter__",
        "__await__",
        "connection_made",
        "__init_subclass__",
    }
    | {"__attrs_post_init__", "__set_name__", "__init__subclass__", "model_post_init", "main", "amain"}
)
_STATUS = re.compile(
    r"(?:^|_|is)(?:run|start|stop|clos|open|connect|activ|aliv|ready|done|init|shut|finish|dispos|enter|state|status"
    r"|task|thread|loop_|listen|serv|bound|subscri|register|lock|setup|running)",
    re.IGNORECASE,
)
_TOUCHING = frozenset({Kind.CANCEL, Kind.AWAIT, Kind.CLEAR, Kind.HANDED, Kind.REQUEST})
_STOPS = re.compile(r"(?:^|_)(?:stop|cancel|close|reset|shutdown|teardown|disconnect|abort|kill|clear)")


def looks_first(
    facts: Facts, function: nodes.FunctionDef, store: nodes.NodeNG, place: Place, events: tuple[SlotEvent, ...]
) -> bool:
    """Whether some way to a statement tests a state, releases the old task, or hands it on."""
    return next(looks_before(facts, function, store, place, events), None) is not None


def looks_before(
    facts: Facts, function: nodes.FunctionDef, store: nodes.NodeNG, place: Place, events: tuple[SlotEvent, ...]
) -> Iterator[nodes.NodeNG]:
    """The nodes on the way to a statement that do, in no set order."""
    for node in _before(facts, function, store.statement()):
        match node:
            case nodes.If() | nodes.While() | nodes.Assert() | nodes.IfExp():
                looks = _tests_state(facts, function, node.test, place)
            case nodes.Match():
                looks = _tests_state(facts, function, node.subject, place)
            case nodes.Try():
                looks = any(names_slot(one, place) for one in walk(node.body))
            case nodes.Call():
                looks = _releases(facts, node, store, events)
            case nodes.Attribute() | nodes.Name():
                looks = names_slot(node, place)
            case _:
                looks = False
        if looks:
            yield node


def stopped_in_finally(facts: Facts, start: nodes.Call, events: tuple[SlotEvent, ...]) -> bool:
    """Whether the function that calls a start stops it in a ``finally`` of its own: it never leaves one running."""
    return any(
        isinstance(node, nodes.Call) and _releases(facts, node, start, events)
        for block in _finals_after(start)
        for node in walk(block)
    )


def _finals_after(node: nodes.NodeNG) -> Iterator[list[nodes.NodeNG]]:
    """The ``finally`` blocks that run once a node has: of the statements around it, and of one that follows."""
    following = node.statement().next_sibling()
    if isinstance(following, nodes.Try | nodes.TryStar):
        yield following.finalbody
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef | nodes.Lambda):
        if isinstance(parent, nodes.Try | nodes.TryStar) and child not in parent.finalbody:
            yield parent.finalbody
        child, parent = parent, parent.parent


def _before(facts: Facts, function: nodes.FunctionDef, statement: nodes.NodeNG) -> Iterator[nodes.NodeNG]:
    """The statements from which a statement can be reached, and what they evaluate; the statement's own reads too."""
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return
    reaching = set(graph.at(statement))
    came_from = graph.before
    waiting = list(reaching)
    while waiting:
        for index in came_from.get(waiting.pop(), ()):
            if index not in reaching:
                reaching.add(index)
                waiting.append(index)
    for index in sorted(reaching):
        step = graph.steps[index]
        if step.statement is not None:
            yield step.statement
            yield from nodes_in(step)


def _tests_state(facts: Facts, function: nodes.FunctionDef, test: nodes.NodeNG, place: Place) -> bool:
    """Whether a test reads the slot, or something of its owner that changes over the owner's life.

    What the function itself has set before the test tells nothing of an earlier call.
    """
    for node in walk([test]):
        if names_slot(node, place):
            return True
        if isinstance(node, nodes.Call) and last_word(node.func) in {"hasattr", "getattr"} and len(node.args) > 1:
            named = node.args[1]
            if isinstance(named, nodes.Const) and named.value == place.attribute:
                return True
        if isinstance(node, nodes.Attribute) and dotted(node).count("."):
            owner = facts.evaluator.classes.of_self(node.expr)
            if owner is None:
                if _STATUS.search(node.attrname):
                    return True
                continue
            if _changes(facts, owner, node.attrname) and not _is_set_first(function, node):
                return True
        elif isinstance(node, nodes.Name) and place.is_global:
            binding = facts.names.binding(node, node.name)
            if binding is not None and isinstance(binding.scope, nodes.Module):
                return True
    return False


def _is_set_first(function: nodes.FunctionDef, attribute: nodes.Attribute) -> bool:
    """Whether a function stores to an attribute, whatever the case, before it reads it."""
    text, line = dotted(attribute), attribute.lineno or 0
    stored = (one for one in function.body if isinstance(one, nodes.Assign) and (one.lineno or 0) < line)
    return any(dotted(target) == text for one in stored for target in one.targets)


def _changes(facts: Facts, owner: nodes.ClassDef, attribute: str) -> bool:
    """Whether an attribute of the own object is a state: a method, a property, or stored outside the initializer."""
    classes = facts.evaluator.classes
    family = [*classes.hierarchy(owner), *classes.subclasses(owner)]
    if any(isinstance(node, nodes.FunctionDef) for home in family for node in home.locals.get(attribute, ())):
        return True
    stores = facts.tree.attribute_stores.get(attribute, ())
    makers = [enclosing_function(store) for store in stores]
    if any(function is not None and function.name not in ONCE for function in makers):
        return True
    if any(
        isinstance(load.parent, nodes.Attribute) and _mutates(load.parent) for load in _self_loads(facts, attribute)
    ):
        return True
    return not stores and not any(home.locals.get(attribute) for home in family)


def _self_loads(facts: Facts, attribute: str) -> Iterator[nodes.NodeNG]:
    return (load for load in facts.tree.attribute_loads.get(attribute, ()) if isinstance(load, nodes.Attribute))


def _mutates(method: nodes.Attribute) -> bool:
    return isinstance(method.parent, nodes.Call) and method.attrname in {
        *(
            "set",
            "clear",
            "add",
            "append",
            "pop",
            "remove",
            "discard",
            "update",
            "put",
            "put_nowait",
            "acquire",
            "release",
        ),
    }


def names_slot(node: nodes.NodeNG, place: Place) -> bool:
    """Whether a node reads or stores something of the slot's name."""
    if isinstance(node, nodes.Attribute):
        return not place.is_global and node.attrname == place.attribute
    return isinstance(node, nodes.Name) and place.is_global and node.name == place.attribute


def _releases(facts: Facts, call: nodes.Call, store: nodes.NodeNG, events: tuple[SlotEvent, ...]) -> bool:
    """Whether a call before the store is of a function that releases, clears or hands on the slot, one level down."""
    if store.statement().parent_of(call) or not isinstance(call.func, nodes.Attribute | nodes.Name):
        return False
    touching = {
        event.function
        for event in events
        if event.kind in _TOUCHING and event.function and event.function.rpartition(".")[2] not in ONCE
    }
    words = {name.rpartition(".")[2] for name in touching}
    values = facts.evaluator.of(call.func)
    functions = [value.node for value in values if isinstance(value, Definition)]
    if any(isinstance(one, nodes.AsyncFunctionDef) for one in functions) and not isinstance(call.parent, nodes.Await):
        return False
    names = {qualified_name(one) for one in functions} | {one.name for one in values if isinstance(one, External)}
    if any(name == one or name.endswith(f".{one}") for name in names for one in touching):
        return True
    if any(word in words for one in functions for word in _own_calls(facts, one)) or _asks(facts, call, events):
        return True
    if not isinstance(call.func, nodes.Attribute):
        return False
    receiver, word = call.func.expr, last_word(call.func)
    if facts.evaluator.classes.of_self(receiver) is not None or isinstance(receiver, nodes.Call):
        return word in words or _STOPS.search(word) is not None
    return dotted(receiver) == _receiver_text(store) != "" and (word in words or _STOPS.search(word) is not None)


def _receiver_text(store: nodes.NodeNG) -> str:
    target = store.func if isinstance(store, nodes.Call) else store
    return dotted(target.expr) if isinstance(target, nodes.Attribute | nodes.AssignAttr) else ""


def _own_calls(facts: Facts, function: nodes.NodeNG) -> Iterator[str]:
    """The methods of its own object that a function calls."""
    for node in walk(function.body) if isinstance(function, nodes.FunctionDef) else ():
        method = node.func if isinstance(node, nodes.Call) else None
        if isinstance(method, nodes.Attribute) and facts.evaluator.classes.of_self(method.expr) is not None:
            yield method.attrname


def _asks(facts: Facts, call: nodes.Call, events: tuple[SlotEvent, ...]) -> bool:
    """Whether a call is of the object's own method that tests the slot, and raises: a guard by another name."""
    if not isinstance(call.func, nodes.Attribute) or facts.evaluator.classes.of_self(call.func.expr) is None:
        return False
    testing = {event.function for event in events if event.kind is Kind.TEST}
    return any(
        isinstance(value, Definition)
        and qualified_name(value.node) in testing
        and any(isinstance(node, nodes.Raise) for node in walk(value.node.body))
        for value in facts.evaluator.of(call.func)
        if isinstance(value, Definition) and isinstance(value.node, nodes.FunctionDef)
    )
