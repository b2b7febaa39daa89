"""Collections of tasks that only grow: adds that run again and again, and nothing that takes the finished out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import decorator_names, positional
from flake8_task_lifecycle.facts.guards import ONCE
from flake8_task_lifecycle.facts.repeats import calls_of, runs_once
from flake8_task_lifecycle.facts.slots import Kind, Place, SlotEvent
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import enclosing_class, enclosing_function, last_word

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
    if not place.is_global and _lives_for_one_call(facts, place):
        return False
    if _in_endless_loop(spawn.node) or _is_given(facts, spawn, function):
        return True
    if function.name == "connection_made" and not _is_own(place):
        return True
    return _runs_often(facts, function, frozenset(), _MAX_DEPTH)


def _is_own(place: Place) -> bool:
    """Whether the collection is an attribute of the very object whose method adds."""
    return not place.is_global and place.name.count(".") == 1


def _is_given(facts: Facts, spawn: Spawn, function: nodes.FunctionDef) -> bool:
    """Whether the function spawns what its caller gives it: a wrapper runs as often as it is called."""
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
    name = place.home.rpartition(".")[2]
    others = facts.world.mentioning(f"{name}(")
    if others is None:
        return True
    made = [(one, call) for one in [facts, *others] for call in one.tree.calls.get(name, ())]
    return bool(made) and all(_is_local(one, call) for one, call in made)


def _is_local(facts: Facts, call: nodes.Call) -> bool:
    if isinstance(call.parent, nodes.With):
        return True
    if enclosing_function(call) is None:
        return False
    use = facts.uses.of(call)
    if use.fate is not Fate.BOUND:
        return use.fate is Fate.FORGOTTEN
    frame = facts.frame(enclosing_function(call))
    loads = [load for name in use.names for load in frame.loads[name]]
    if any(frame.captured[name] for name in use.names):
        return False
    return all(
        isinstance(load.parent, nodes.Attribute) or facts.uses.of(load).fate in {Fate.FORGOTTEN, Fate.AWAITED}
        for load in loads
    )


def removes_another(facts: Facts, spawn: Spawn, place: Place) -> nodes.NodeNG | None:
    """A done callback that takes a task out by a name that is bound again before the task is done; None without."""
    function = enclosing_function(spawn.node)
    if function is None:
        return None
    for call in walk(function.body):
        if not (isinstance(call, nodes.Call) and last_word(call.func) == "add_done_callback" and call.args):
            continue
        if not _registers_on(spawn, call):
            continue
        callback = call.args[0]
        if isinstance(callback, nodes.Lambda) and _takes_rebound(facts, function, callback, call, place):
            return call
    return None


def _registers_on(spawn: Spawn, call: nodes.Call) -> bool:
    receiver = call.func.expr
    if receiver is spawn.value:
        return True
    statement = spawn.value.statement()
    targets = statement.targets if isinstance(statement, nodes.Assign) else []
    return any(target.as_string() == receiver.as_string() for target in targets)


def _takes_rebound(
    facts: Facts, function: nodes.FunctionDef, callback: nodes.Lambda, call: nodes.Call, place: Place
) -> bool:
    own = {one.name for one in positional(callback)} | {one.name for one in callback.args.kwonlyargs or ()}
    for inner in walk([callback.body]):
        if not (isinstance(inner, nodes.Call) and isinstance(inner.func, nodes.Attribute)):
            continue
        if last_word(inner.func.expr) != place.attribute or inner.func.attrname not in {"discard", "remove", "pop"}:
            continue
        for argument in inner.args[:1]:
            if isinstance(argument, nodes.Name) and argument.name not in own:
                return _bound_again(facts, function, argument, call)
    return False


def _bound_again(facts: Facts, function: nodes.FunctionDef, name: nodes.Name, call: nodes.Call) -> bool:
    binding = facts.names.binding(name, name.name)
    if binding is None or binding.scope is not function:
        return False
    loop = call.parent
    while loop is not function and not isinstance(loop, nodes.For | nodes.While):
        loop = loop.parent
    for store in binding.nodes:
        if isinstance(store.parent, nodes.Arguments):
            continue
        if loop is not function and loop.parent_of(store) and not _waits_at_end(loop):
            return True
        if store.lineno > call.lineno and loop is function:
            return True
    return False


def _waits_at_end(loop: nodes.NodeNG) -> bool:
    return any(isinstance(node, nodes.Await) and isinstance(node.value, nodes.Name) for node in walk(loop.body))
