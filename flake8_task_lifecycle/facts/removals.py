"""Done callbacks that take a task out of its collection by a name which is bound to another task by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import positional
from flake8_task_lifecycle.facts.reaching import reaching_stores
from flake8_task_lifecycle.facts.slots import Place
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.flow import FlowTooLarge, Label, Step, nodes_in, walk
from flake8_task_lifecycle.names import enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


def removes_another(facts: Facts, spawn: Spawn, place: Place) -> nodes.NodeNG | None:
    """A done callback that takes a task out by a name that is bound again before the task is done; None without."""
    function = enclosing_function(spawn.node)
    if function is None:
        return None
    for call in walk(function.body):
        if not (isinstance(call, nodes.Call) and last_word(call.func) == "add_done_callback" and call.args):
            continue
        callback = call.args[0]
        if isinstance(callback, nodes.Lambda) and _registers_on(facts, function, spawn, call):
            name = _name_removed(callback, place)
            if name is not None and _is_bound_again(facts, function, name, call):
                return call
    return None


def _registers_on(facts: Facts, function: nodes.FunctionDef, spawn: Spawn, call: nodes.Call) -> bool:
    """Whether a callback is registered on the task of this very spawn."""
    receiver = call.func.expr
    if receiver is spawn.value:
        return True
    statement = spawn.value.statement()
    if isinstance(receiver, nodes.Name):
        try:
            stores = reaching_stores(facts.graph(function), receiver, receiver.name) or ()
        except FlowTooLarge:
            return False
        return any(store.statement() is statement for store in stores)
    targets = statement.targets if isinstance(statement, nodes.Assign) else []
    return any(target.as_string() == receiver.as_string() for target in targets)


def _name_removed(callback: nodes.Lambda, place: Place) -> nodes.Name | None:
    """The name, of the function around a callback, by which the callback takes something out of a collection."""
    own = {one.name for one in positional(callback)} | {one.name for one in callback.args.kwonlyargs or ()}
    for inner in walk([callback.body]):
        if not (isinstance(inner, nodes.Call) and isinstance(inner.func, nodes.Attribute)):
            continue
        if last_word(inner.func.expr) != place.attribute or inner.func.attrname not in {"discard", "remove", "pop"}:
            continue
        for argument in inner.args[:1]:
            if isinstance(argument, nodes.Name) and argument.name not in own:
                return argument
    return None


def _is_bound_again(facts: Facts, function: nodes.FunctionDef, name: nodes.Name, call: nodes.Call) -> bool:
    """Whether a way on from a call binds a local of the function again before it waits for what the local holds."""
    binding = facts.names.binding(name, name.name)
    if binding is None or binding.scope is not function:
        return False
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return False
    waiting = list(graph.at(call.statement()))
    seen: set[int] = set()
    while waiting:
        for target, label in graph.steps[waiting.pop()].edges:
            if label is Label.RAISE or target in seen or _waits_for(graph.steps[target], name.name):
                continue
            if any(
                isinstance(node, nodes.AssignName) and node.name == name.name for node in nodes_in(graph.steps[target])
            ):
                return True
            seen.add(target)
            waiting.append(target)
    return False


def _waits_for(step: Step, name: str) -> bool:
    """Whether a step waits for one task by its name, or for what is made of the name's value."""
    return any(
        isinstance(node, nodes.Await)
        and (
            isinstance(node.value, nodes.Name)
            or any(isinstance(one, nodes.Name) and one.name == name for one in walk([node.value]))
        )
        for node in nodes_in(step)
    )
