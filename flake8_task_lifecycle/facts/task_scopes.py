"""Task scopes of the project: an object whose method spawns and keeps, and whose ``__aexit__`` ends what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.slots import Kind, kind_of
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import Definition, External, Instance
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, enclosing_function

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_ENDING = frozenset({Kind.CANCEL, Kind.AWAIT, Kind.HANDED})
_MAX_DEPTH = 3


def is_kept_by_scope(facts: Facts, spawn: Spawn) -> bool:
    """Whether a task is spawned through an object that its function enters, and that ends the task when it is left.

    An object whose exit cannot be read counts as one that does.
    """
    made = spawn.node
    if not spawn.keeping or not isinstance(made, nodes.Call) or not isinstance(made.func, nodes.Attribute):
        return False
    scope = made.func.expr
    if not any(_enters(facts, context, target, scope) for context, target in _entered(spawn)):
        return False
    kept: set[str] = set()
    for value in facts.evaluator.of(made.func):
        attributes = ask(facts, value, _kept_in)
        if not attributes:
            return False
        kept |= attributes
    exits = [one for value in facts.evaluator.of(scope) for one in facts.evaluator.member(value, "__aexit__")]
    answers = [
        ask(facts, one, lambda home, node: _ends(home, node, frozenset(kept), _MAX_DEPTH))
        if isinstance(one, Definition | External)
        else None
        for one in exits
    ]
    return bool(answers) and all(answer is not False for answer in answers)


def _entered(spawn: Spawn) -> Iterator[tuple[nodes.NodeNG, nodes.NodeNG | None]]:
    """The objects of the ``async with`` statements that stand around a spawn or around a ``yield`` that follows it."""
    function = enclosing_function(spawn.node)
    for node in walk(function.body) if function is not None else ():
        if isinstance(node, nodes.AsyncWith) and (
            node.parent_of(spawn.node) or any(isinstance(one, nodes.Yield) for one in walk(node.body))
        ):
            yield from node.items


def _enters(facts: Facts, context: nodes.NodeNG, target: nodes.NodeNG | None, scope: nodes.NodeNG) -> bool:
    """Whether an item of an ``async with`` is the object itself, or what an object that gives itself is bound to."""
    text = dotted(scope)
    if text and text == dotted(context):
        return True
    if target is None or not text or dotted(target) != text:
        return False
    classes = [{one.of for one in facts.evaluator.of(node) if isinstance(one, Instance)} for node in (context, scope)]
    return bool(classes[0]) and classes[0] == classes[1]


def _kept_in(facts: Facts, method: nodes.FunctionDef) -> frozenset[str]:
    """The attributes that take what a method spawns."""
    return frozenset(
        place.attribute
        for spawn in facts.spawns.all()
        if enclosing_function(spawn.node) is method
        for place in facts.slots.places(spawn)
        if not place.is_global
    )


def _ends(facts: Facts, method: nodes.FunctionDef, kept: frozenset[str], depth: int) -> bool:
    """Whether a method of the object cancels, awaits or hands on what the attributes hold, or calls one that does."""
    for node in walk(method.body):
        match node:
            case nodes.Attribute() if node.attrname in kept and facts.evaluator.classes.of_self(node.expr) is not None:
                use = facts.uses.of(node)
                if any(kind_of(one) in _ENDING for one in (use, *facts.owners.aliases(node, use))):
                    return True
            case nodes.Call() if depth and isinstance(node.func, nodes.Attribute) and _is_own(facts, node.func.expr):
                if any(
                    ask(facts, value, lambda home, inner: _ends(home, inner, kept, depth - 1))
                    for value in facts.evaluator.of(node.func)
                ):
                    return True
    return False


def _is_own(facts: Facts, receiver: nodes.NodeNG) -> bool:
    """``self`` or ``super()``."""
    if isinstance(receiver, nodes.Call) and isinstance(receiver.func, nodes.Name):
        return str(receiver.func.name) == "super"
    return facts.evaluator.classes.of_self(receiver) is not None
