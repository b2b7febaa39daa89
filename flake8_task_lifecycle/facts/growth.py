"""Collections of tasks that only grow: adds that run again and again, and nothing that takes the finished out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import decorator_names, is_static, positional
from flake8_task_lifecycle.facts.guards import ONCE
from flake8_task_lifecycle.facts.protocols import ENDPOINTS, endpoint_of, factories, is_open_for_one_call
from flake8_task_lifecycle.facts.repeats import calls_of, runs_once
from flake8_task_lifecycle.facts.slots import Kind, Place, SlotEvent
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.names import enclosing_class, enclosing_function

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_STARTS = re.compile(
    r"_*(?:a|async_)?(?:(?:start|connect|open|setup|set_up|init|initiali[sz]e|launch|begin|serve|listen|boot|bootstrap"
    r"|enter|prepare|configure|startup|restart|reload)(?:_\w+)?|run|main|on_start|on_startup|on_connect)\Z"
)
_TAKEN_OUT = frozenset({Kind.REMOVE, Kind.CLEAR, Kind.HANDED})
_FIXTURES = frozenset({"fixture", "asynccontextmanager", "contextmanager"})
_MAX_DEPTH = 4


def only_grows(facts: Facts, place: Place) -> bool:
    """Whether no code of the module takes anything out of a collection, or hands the collection on."""
    return not any(_takes_out(event) for event in facts.slots.events(place))


def grows_elsewhere(facts: Facts, place: Place) -> bool:
    """Whether no other module does either; a wide question."""
    elsewhere = facts.slots.elsewhere(place)
    return elsewhere is not None and not any(_takes_out(event) for event in elsewhere)


def _takes_out(event: SlotEvent) -> bool:
    if event.kind in _TAKEN_OUT:
        return True
    return event.kind is Kind.STORE and event.function.rpartition(".")[2] not in {"", "__init__", "__post_init__"}


def adds_without_bound(facts: Facts, spawn: Spawn, place: Place) -> bool:
    """Whether the add can run any number of times while the collection lives."""
    function = enclosing_function(spawn.node)
    if function is None or _has_fixed_key(spawn):
        return False
    if not place.is_global and (_lives_for_one_call(facts, place) or _may_live_briefly(facts, spawn, place)):
        return False
    is_private = function.name.startswith("_")
    if _in_endless_loop(spawn.node) or (not is_private and _is_given(facts, spawn, function)):
        return True
    if function.name == "connection_made" and not _is_own(place):
        return True
    return _runs_often(facts, function, frozenset(), _MAX_DEPTH)


def _is_own(place: Place) -> bool:
    """Whether the collection is an attribute of the very object whose method adds."""
    return not place.is_global and place.name.count(".") == 1


def _is_given(facts: Facts, spawn: Spawn, function: nodes.FunctionDef) -> bool:
    """Whether the function spawns what its caller gives it: a wrapper runs as often as whoever calls it likes."""
    coroutine = spawn.coroutine
    made = coroutine.func if isinstance(coroutine, nodes.Call) else coroutine
    if not isinstance(made, nodes.Name) or function.name in ONCE:
        return False
    binding = facts.names.binding(made, made.name)
    return binding is not None and any(isinstance(store.parent, nodes.Arguments) for store in binding.nodes)


def _has_fixed_key(spawn: Spawn) -> bool:
    """``jobs["poll"] = spawn(...)`` adds one entry, however often it runs."""
    statement = spawn.value.statement()
    return isinstance(statement, nodes.Assign) and any(
        isinstance(target, nodes.Subscript) and isinstance(target.slice, nodes.Const) for target in statement.targets
    )


def _in_endless_loop(node: nodes.NodeNG) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.AsyncFor):
            return True
        if isinstance(parent, nodes.While) and isinstance(parent.test, nodes.Const):
            return True
        parent = parent.parent
    return False


def _runs_often(facts: Facts, function: nodes.FunctionDef, seen: frozenset[str], depth: int) -> bool:
    name = facts.qualified(function)
    if (
        name in seen
        or depth == 0
        or _STARTS.match(function.name)
        or not _FIXTURES.isdisjoint(decorator_names(function))
    ):
        return False
    once = runs_once(facts, function)
    if once is not None and once.is_no:
        return False
    around = enclosing_function(function) if enclosing_class(function) is None else None
    if around is not None:
        loads = facts.frame(around).loads[function.name]
        return bool(loads) and not any(isinstance(one.parent, nodes.Call) and one.parent.func is one for one in loads)
    calls = calls_of(facts, function)
    if calls is None:
        return False
    callers, referenced = calls
    known = [call for call in callers if call.sure]
    if not known:
        return not function.name.startswith("_") or referenced
    return any(
        call.function is not None
        and (_in_endless_loop(call.node) or _runs_often(call.facts, call.function, seen | {name}, depth - 1))
        for call in known
    )


def _lives_for_one_call(facts: Facts, place: Place) -> bool:
    """Whether every object of the class that the project makes is a local of the call that makes it."""
    made = _made(facts, place)
    return made is None or (bool(made) and all(_is_local(one, call) for one, call in made))


def _may_live_briefly(facts: Facts, spawn: Spawn, place: Place) -> bool:
    """Whether the owner is one of several, or each call is given it, and none of its class is the program's own."""
    binding = facts.names.binding(spawn.node, place.name.partition(".")[0])
    is_one_of_many = binding is not None and any(map(_is_given_or_picked, binding.nodes))
    return is_one_of_many and not any(enclosing_function(call) is None for _, call in _made(facts, place) or ())


def _is_given_or_picked(store: nodes.NodeNG) -> bool:
    """Whether a store binds a name to what a caller gives, or to one thing out of a collection."""
    match store.parent:
        case nodes.Arguments():
            return not _is_own_object(store)
        case nodes.For() | nodes.Comprehension():
            return True
        case nodes.Assign() | nodes.AnnAssign():
            return isinstance(store.parent.value, nodes.Subscript)
    return False


def _is_own_object(parameter: nodes.NodeNG) -> bool:
    """Whether a parameter is the one that a method's own object is given as."""
    function = parameter.parent.parent
    return (
        isinstance(function, nodes.FunctionDef)
        and enclosing_class(function) is not None
        and not is_static(function)
        and parameter in positional(function)[:1]
    )


def _made(facts: Facts, place: Place) -> list[tuple[Facts, nodes.NodeNG]] | None:
    """Where the project makes an object of a class, by a call or as an endpoint's protocol.

    None when there are too many files to look into.
    """
    name = place.home.rpartition(".")[2]
    others = facts.world.mentioning(f"{name}(")
    if others is None:
        return None
    found = [(one, call) for one in [facts, *others] for call in one.tree.calls.get(name, ())]
    opening = [facts]
    for word in sorted(ENDPOINTS):
        others = facts.world.mentioning(name, word)
        if others is None:
            return None
        opening += others
    return found + [(one, node) for one in dict.fromkeys(opening) for node in factories(one, name)]


def _is_local(facts: Facts, call: nodes.NodeNG) -> bool:
    endpoint = endpoint_of(call)
    if endpoint is not None:
        return is_open_for_one_call(facts, endpoint)
    if isinstance(call.parent, nodes.With):
        return True
    if enclosing_function(call) is None:
        return False
    use = facts.uses.of(call)
    if use.fate is not Fate.BOUND:
        return use.fate is Fate.FORGOTTEN
    frame = facts.frame(enclosing_function(call))
    loads = [load for name in use.names for load in frame.loads[name]]
    endpoints = [endpoint_of(load) for name in use.names for load, _ in frame.captured[name]]
    if not all(one is not None and is_open_for_one_call(facts, one) for one in endpoints):
        return False
    return all(
        isinstance(load.parent, nodes.Attribute | nodes.With)
        or facts.uses.of(load).fate in {Fate.FORGOTTEN, Fate.AWAITED}
        for load in loads
    )
