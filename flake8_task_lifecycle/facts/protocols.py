"""Protocol objects that an endpoint makes, and those that live for one call of the function that opens it.

https://docs.python.org/3/library/asyncio-protocol.html: the event loop has the protocol until its transport is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.lifetimes import long_lived
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_CLIENTS = frozenset(
    {"create_datagram_endpoint", "create_connection", "create_unix_connection", "connect_accepted_socket"}
    | {"connect_read_pipe", "connect_write_pipe", "subprocess_exec", "subprocess_shell"}
)
_SERVERS = frozenset({"create_server", "create_unix_server"})
ENDPOINTS = _CLIENTS | _SERVERS
_CLOSERS = frozenset({"close", "abort", "aclose"})
_FRESH = frozenset({"Event", "Future", "create_future"})


def endpoint_of(made: nodes.NodeNG) -> nodes.Call | None:
    """The endpoint that a class, an object or a call is the protocol factory of, plain, in a lambda or a partial."""
    factory = made
    match made.parent:
        case nodes.Lambda() if made.parent.body is made:
            factory = made.parent
        case nodes.Call() if last_word(made.parent.func) == "partial" and made in made.parent.args[:1]:
            factory = made.parent
    call = factory.parent
    if isinstance(call, nodes.Keyword) and call.arg == "protocol_factory":
        call = call.parent
    elif not isinstance(call, nodes.Call) or factory not in call.args[:1]:
        return None
    return call if isinstance(call, nodes.Call) and last_word(call.func) in ENDPOINTS else None


def factories(facts: Facts, name: str) -> Iterator[nodes.NodeNG]:
    """Where a module gives a class of this name itself as the protocol factory of an endpoint."""
    for node in [*facts.plain_names.of(name), *facts.tree.attribute_loads.get(name, ())]:
        if endpoint_of(node) is not None:
            yield node


def is_open_for_one_call(facts: Facts, endpoint: nodes.Call) -> bool:
    """Whether the function that opens an endpoint closes it again, ends, and leaves its protocol to nobody."""
    function = enclosing_function(endpoint)
    targets = _bound_to(endpoint)
    if function is None or targets is None or last_word(endpoint.func) in _SERVERS:
        return False
    frame = facts.frame(function)
    if any(frame.captured[name] for name in targets) or _waits_for_ever(facts, function):
        return False
    loads = [load for name in targets for load in frame.loads[name]]
    return any(map(_is_closed, loads)) and all(_stays(facts, load, targets) for load in loads)


def _bound_to(endpoint: nodes.Call) -> frozenset[str] | None:
    """The locals that take the transport and the protocol; None where anything else does."""
    value = endpoint
    while isinstance(value.parent, nodes.Await) or (
        isinstance(value.parent, nodes.Call) and last_word(value.parent.func) == "wait_for"
    ):
        value = value.parent
    statement = value.parent
    if not isinstance(statement, nodes.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, nodes.Tuple) or not all(isinstance(one, nodes.AssignName) for one in target.elts):
        return None
    return frozenset(one.name for one in target.elts)


def _is_closed(load: nodes.NodeNG) -> bool:
    """``transport.close()``, ``protocol.transport.abort()``, ``with closing(transport)``."""
    if isinstance(load.parent, nodes.Call):
        return last_word(load.parent.func) in {"closing", "aclosing"}
    node = load
    while isinstance(node.parent, nodes.Attribute):
        node = node.parent
    return isinstance(node.parent, nodes.Call) and node.parent.func is node and last_word(node) in _CLOSERS


def _stays(facts: Facts, load: nodes.NodeNG, targets: frozenset[str]) -> bool:
    """Whether a use of a local leaves what it holds to nobody else: ``protocol = cast(Protocol, protocol)`` does."""
    if isinstance(load.parent, nodes.Attribute) or _is_closed(load):
        return True
    use = facts.uses.of(load)
    return use.fate in {Fate.FORGOTTEN, Fate.AWAITED} or (use.fate is Fate.BOUND and use.names <= targets)


def _waits_for_ever(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a function loops without end, or waits for an event or a future that nobody else has."""
    return long_lived(facts, function).is_yes or any(
        isinstance(node, nodes.Await) and _is_never_set(node.value) for node in walk(function.body)
    )


def _is_never_set(awaited: nodes.NodeNG) -> bool:
    """``await asyncio.Event().wait()``, ``await loop.create_future()``."""
    match awaited:
        case nodes.Call(func=nodes.Attribute(attrname="wait", expr=nodes.Call() as made)):
            return last_word(made.func) in _FRESH
    return isinstance(awaited, nodes.Call) and last_word(awaited.func) in _FRESH
