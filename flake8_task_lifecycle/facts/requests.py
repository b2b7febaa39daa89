"""Release by request: flags, events and sentinels that a coroutine's own loop tests, and who sets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import positional
from flake8_task_lifecycle.facts.families import ancestors
from flake8_task_lifecycle.facts.gates import ends_loop, gates
from flake8_task_lifecycle.facts.lifetimes import Loop, unbounded
from flake8_task_lifecycle.facts.loops import asks_whether_closed
from flake8_task_lifecycle.facts.sentinels import gives_sentinel
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import Target, ask, spawned_functions, targets
from flake8_task_lifecycle.facts.uses import Fate, Use
from flake8_task_lifecycle.flow import leaves, walk
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

Setter = tuple[nodes.Call, nodes.NodeNG]
"""A call that may set a signal, and what it is called on."""

_SETTERS = frozenset(
    {
        "set",
        "clear",
        "close",
        "aclose",
        "stop",
        "astop",
        "cancel",
        "shutdown",
        "disconnect",
        "abort",
        "terminate",
        "kill",
    }
    | {"set_result", "set_exception", "feed_eof", "unsubscribe", "remove", "discard", "pop", "quit", "exit", "send_eof"}
    | {"__aexit__", "cancel_all"}
)
_PUTTERS = frozenset({"put", "put_nowait", "append", "appendleft", "send", "send_nowait"})
_STREAM_READS = frozenset(
    {"recv", "receive", "read", "readline", "readexactly", "readuntil", "get_message", "listen", "next", "accept"}
    | {"receive_bytes", "receive_text", "receive_json", "read_message", "readany", "__anext__", "get_notification"}
)
_WAITS = frozenset({"wait", "get", "acquire", "popleft", "receive", "join", "wait_for"})
_NOISE = frozenset({"self", "cls"})
_CONSTANT = re.compile(r"_*[A-Z]")
_SAYS_STOP = re.compile(r"stop|clos|shut|quit|exit|terminat|finish|cancel|done|kill|abort|disconnect", re.IGNORECASE)
_STARTS = re.compile(r"_*(?:a|async_|re)?(?:start|connect|open|setup|init|launch|begin|resume|reset)")
_CLOSERS = frozenset({"close", "aclose", "disconnect", "abort", "shutdown", "terminate", "kill", "stop"})


class Signals(NamedTuple):
    """What ends a coroutine's loop from outside.

    ``words`` are the last words of what its loops test or wait on; ``sentinels`` the texts of what a value taken from
    a queue is compared with; ``parameters``: those of the words that a caller passes, with their index after ``self``;
    ``reads_stream``: it waits on a connection that an attribute of the owner holds. ``own`` are those of the words that
    are attributes of the coroutine's own object, of one of the classes ``owners`` (names without their modules).
    """

    functions: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    sentinels: frozenset[str] = frozenset()
    parameters: frozenset[tuple[int, str]] = frozenset()
    reads_stream: bool = False
    own: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()


def signals_of(facts: Facts, spawn: Spawn) -> Signals:
    """The signals of what a spawn starts, those that it passes to the coroutine as arguments included."""
    found = merged(ask(facts, target, _signals_and_awaited) for target in spawned_functions(facts, spawn))
    coroutine = spawn.coroutine
    given: set[str] = set()
    if isinstance(coroutine, nodes.Call):
        for index, name in found.parameters:
            for argument in _arguments(coroutine, index, name):
                given |= _words_of_argument(facts, argument)
    own = found.own - given
    function = enclosing_function(spawn.node)
    owner = enclosing_class(function) if function is not None else None
    owners = found.owners | (_last_words(ancestors(facts, owner)) if owner is not None else frozenset())
    return found._replace(words=found.words | given, own=own, owners=owners)


def _last_words(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.rpartition(".")[2] for name in names)


def _arguments(call: nodes.Call, index: int, name: str) -> Iterator[nodes.NodeNG]:
    if index < len(call.args):
        yield call.args[index]
    yield from (keyword.value for keyword in call.keywords if keyword.arg == name)


def _words_of_argument(facts: Facts, argument: nodes.NodeNG) -> set[str]:
    """The last word of an argument; for a local, of the places that it is put into."""
    if isinstance(argument, nodes.Attribute):
        return {argument.attrname}
    if not isinstance(argument, nodes.Name):
        return set()
    if facts.names.local_scope(argument, argument.name) is None:
        return {argument.name}
    use = Use(Fate.BOUND, names=frozenset({argument.name}))
    return {last_word(one.target) for one in facts.owners.aliases(argument, use) if one.target is not None} - {""}


def merged(parts: Iterable[Signals | None]) -> Signals:
    """The signals of several functions together."""
    known = [part for part in parts if part is not None]
    return Signals(
        frozenset().union(*(part.functions for part in known)),
        frozenset().union(*(part.words for part in known)),
        frozenset().union(*(part.sentinels for part in known)),
        frozenset().union(*(part.parameters for part in known)),
        any(part.reads_stream for part in known),
        frozenset().union(*(part.own for part in known))
        - frozenset().union(*(part.words - part.own for part in known)),
        frozenset().union(*(part.owners for part in known)),
    )


def _signals_and_awaited(facts: Facts, function: nodes.FunctionDef) -> Signals:
    """The signals of a function and of the project functions that it awaits, one level down."""
    inner: list[Target] = []
    for node in walk(function.body):
        if isinstance(node, nodes.Await) and isinstance(node.value, nodes.Call):
            inner += targets(facts, node.value)
    own = _read_signals(facts, function, also_waits=True)
    found = merged([own, *(ask(facts, target, _own_signals) for target in inner[:20])])
    return found._replace(parameters=own.parameters)


class _Reader:
    """Collects the signals of one function."""

    def __init__(self, facts: Facts, function: nodes.FunctionDef) -> None:
        self._facts = facts
        self._function = function
        self.words: set[str] = set()
        self.sentinels: set[str] = set()
        self.parameters: set[str] = set()
        self.reads_stream = False
        self.gates: list[Signals | None] = []
        self._tested: set[nodes.NodeNG] = set()

    def loop(self, loop: Loop) -> None:
        """Takes in what a loop tests to go on or to leave, and the connection that it reads."""
        if isinstance(loop, nodes.While):
            self._test(loop.test)
        else:
            self._source(loop.iter)
        for node in walk(loop.body):
            match node:
                case nodes.If() if self._parts(node, loop):
                    self._test(node.test)
                case nodes.MatchCase() if _ends(node.body, loop):
                    self._test(node.parent.subject)
                    self.sentinels.add(node.pattern.as_string())
                case nodes.Await():
                    self.awaited(node.value, ends=_then_leaves(node, loop))
                    ends = partial(ends_loop, node, loop)
                    self.gates += [
                        ask(self._facts, target, partial(_gate_signals, ends=ends))
                        for target in targets(self._facts, node.value)
                    ]

    @staticmethod
    def _parts(branch: nodes.If, loop: Loop) -> bool:
        """Whether one side of an ``if`` leaves the loop."""
        return _ends(branch.body, loop) or _ends(branch.orelse, loop)

    def _test(self, test: nodes.NodeNG) -> None:
        if asks_whether_closed(self._facts.evaluator, test):
            return
        self.sentinels |= _compared(test)
        _read_predicates(self._facts, test, self.words)
        _read_attributes(test, self.words)
        for node in walk([test]):
            if isinstance(node, nodes.Name):
                self._name(node)

    def _name(self, name: nodes.Name) -> None:
        """A global or an enclosing name is a signal, a parameter the caller's; of a local, what it was taken from."""
        binding = self._facts.names.binding(name, name.name)
        if binding is None:
            return
        if binding.scope is not self._function:
            if not any(isinstance(store, nodes.Import) for store in binding.nodes):
                self.words.add(name.name)
            return
        for store in binding.nodes:
            if isinstance(store.parent, nodes.Arguments):
                self.parameters.add(name.name)
            binder = store.parent.parent if isinstance(store.parent, nodes.Tuple) else store.parent
            value = getattr(binder, "value", None)
            if isinstance(value, nodes.Await):
                self.awaited(value.value, ends=True)
            elif isinstance(value, nodes.Compare | nodes.BoolOp | nodes.UnaryOp) and value not in self._tested:
                self._tested.add(value)
                self._test(value)
            elif value is not None:
                _read_attributes(value, self.words)

    def _source(self, expression: nodes.NodeNG) -> None:
        """The object behind ``self._socket``, ``self._socket.listen()``: the owner ends the loop by closing it."""
        if isinstance(expression, nodes.Call):
            self.words |= {one.attrname for one in expression.args if isinstance(one, nodes.Attribute)}
            self._source(expression.func.expr if isinstance(expression.func, nodes.Attribute) else expression.func)
            return
        self.reads_stream = self.reads_stream or isinstance(expression, nodes.Attribute)
        self._receiver(expression)

    def _receiver(self, expression: nodes.NodeNG) -> None:
        if isinstance(expression, nodes.Name):
            self._name(expression)
        else:
            self.words.add(last_word(expression))

    def awaited(self, awaited: nodes.NodeNG, *, ends: bool) -> None:
        """Takes in what an ``await`` waits on: a connection always, an event or future if the loop ends after it."""
        for node in walk([awaited]):
            if isinstance(node, nodes.Call) and isinstance(node.func, nodes.Attribute):
                receiver, method = node.func.expr, node.func.attrname
                if method in _STREAM_READS:
                    self._receiver(receiver)
                    self.reads_stream = self.reads_stream or isinstance(receiver, nodes.Attribute)
                elif method in _WAITS and (ends or _SAYS_STOP.search(last_word(receiver))):
                    self._receiver(receiver)
            elif _is_read(node) and (ends or _SAYS_STOP.search(node.attrname)):
                self.words.add(node.attrname)


def _ends(body: list[nodes.NodeNG], loop: Loop) -> bool:
    return bool(body) and (isinstance(body[-1], nodes.Raise) or leaves(body, loop))


def _then_leaves(waiting: nodes.Await, loop: Loop) -> bool:
    """Whether the statement after an ``await`` leaves the loop."""
    statement = waiting.statement()
    following = statement.next_sibling()
    if following is None and isinstance(statement.parent, nodes.Try) and statement.parent.orelse:
        following = statement.parent.orelse[0]
    return isinstance(statement, nodes.Return) or (following is not None and _ends([following], loop))


def _own_signals(facts: Facts, function: nodes.FunctionDef) -> Signals:
    return _read_signals(facts, function, also_waits=False)


def _read_signals(facts: Facts, function: nodes.FunctionDef, *, also_waits: bool) -> Signals:
    """The signals of the endless loops of a function; with ``also_waits`` and no such loop, of what it waits on."""
    reader = _Reader(facts, function)
    loops = [node for node in walk(function.body) if isinstance(node, nodes.While | nodes.For)]
    endless = [loop for loop in loops if not unbounded(facts, loop).is_no]
    for loop in endless:
        reader.loop(loop)
    if also_waits and not endless:
        for node in walk(function.body):
            if isinstance(node, nodes.Await):
                reader.awaited(node.value, ends=True)
    parameters = [one.name for one in positional(function) if one.name not in {"self", "cls"}]
    words = frozenset(word for word in reader.words if word and word not in _NOISE and not _CONSTANT.match(word))
    owner = enclosing_class(function)
    own = words & _read_off_self(facts, function) if owner is not None else frozenset()
    read = Signals(
        frozenset({qualified_name(function)}),
        words,
        frozenset(reader.sentinels),
        frozenset((index, name) for index, name in enumerate(parameters) if name in reader.parameters),
        reader.reads_stream,
        own,
        _last_words(ancestors(facts, owner)) if owner is not None else frozenset(),
    )
    return merged([read, *reader.gates])


def _gate_signals(facts: Facts, function: nodes.FunctionDef, ends: Callable[[str], bool]) -> Signals:
    """What a helper that a loop awaits tests before it ends the loop; ``ends``: what the loop ends by."""
    words: set[str] = set()
    for test, raised in gates(function):
        if ends(raised):
            _read_predicates(facts, test, words)
            words.update(node.attrname for node in walk([test]) if _is_read(node) and _hangs_on_self(facts, node))
    words = {word for word in words if not _CONSTANT.match(word)}
    owner = enclosing_class(function)
    own = words & _read_off_self(facts, function) if owner is not None else frozenset()
    owners = _last_words(ancestors(facts, owner)) if owner is not None else frozenset()
    return Signals(frozenset({qualified_name(function)}), frozenset(words), own=frozenset(own), owners=owners)


def _hangs_on_self(facts: Facts, attribute: nodes.Attribute) -> bool:
    """Whether a chain of attributes starts at the own object, and not at an answer or an argument."""
    root = attribute.expr
    while isinstance(root, nodes.Attribute):
        root = root.expr
    return facts.evaluator.classes.of_self(root) is not None


def _read_off_self(facts: Facts, function: nodes.FunctionDef) -> frozenset[str]:
    """The attributes that a method reads off its own object and off nothing else."""
    own: set[str] = set()
    others: set[str] = set()
    for node in walk(function.body):
        if isinstance(node, nodes.Attribute):
            (own if facts.evaluator.classes.of_self(node.expr) is not None else others).add(node.attrname)
    return frozenset(own - others)


def _read_attributes(expression: nodes.NodeNG, words: set[str]) -> None:
    """Adds the attributes that an expression reads, methods that it calls apart."""
    for node in walk([expression]):
        if _is_read(node):
            words.add(node.attrname)


def _is_read(node: nodes.NodeNG) -> bool:
    """Whether a node is an attribute that is read, and not the method of a call."""
    return isinstance(node, nodes.Attribute) and not (isinstance(node.parent, nodes.Call) and node.parent.func is node)


def _read_predicates(facts: Facts, test: nodes.NodeNG, words: set[str]) -> None:
    """The attributes that a method or property of the project reads when a test asks it, those of its errors apart."""
    for node in walk([test]):
        if isinstance(node, nodes.Attribute):
            owner = facts.evaluator.classes.of_self(node.expr)
            if owner is not None:
                for home in facts.evaluator.classes.hierarchy(owner):
                    for function in home.locals.get(node.attrname, ()):
                        if isinstance(function, nodes.FunctionDef):
                            read = (one for one in walk(function.body) if isinstance(one, nodes.Attribute))
                            words.update(one.attrname for one in read if not isinstance(one.statement(), nodes.Raise))


def _compared(test: nodes.NodeNG) -> set[str]:
    """The texts of what a test compares with, None for a test of truth."""
    found: set[str] = set()
    for node in walk([test]):
        if isinstance(node, nodes.Compare):
            found |= {right.as_string() for operator, right in node.ops if operator in {"is", "=="}}
        elif isinstance(node, nodes.UnaryOp) and node.op == "not":
            found.add("None")
        elif isinstance(node, nodes.Call) and last_word(node.func) == "isinstance" and len(node.args) == 2:
            found.add(last_word(node.args[1]))
    return found


def requested_in(facts: Facts, spawn: nodes.NodeNG | None, signals: Signals) -> str:
    """A function of a module that sets one of the signals; "" when none does."""
    return next(requests_in(facts, spawn, signals), "")


def requests_in(facts: Facts, spawn: nodes.NodeNG | None, signals: Signals) -> Iterator[str]:
    """The functions of a module that set one of the signals."""
    for function, _ in request_nodes(facts, spawn, signals):
        yield qualified_name(function)


def request_nodes(
    facts: Facts, spawn: nodes.NodeNG | None, signals: Signals
) -> Iterator[tuple[nodes.FunctionDef, nodes.NodeNG]]:
    """The same functions, each with the node that sets the signal.

    Stores and calls inside the coroutine's own functions, in initializers and in the function that spawns, before the
    loop runs, are no requests.
    """
    apart = {*signals.functions}
    starter = enclosing_function(spawn) if spawn is not None else None
    for function, node in _setting(facts, signals):
        name = qualified_name(function)
        if name in apart or function.name in {"__init__", "__post_init__"}:
            continue
        if function is starter and not isinstance(node, nodes.Call):
            continue
        yield function, node


def _setting(facts: Facts, signals: Signals) -> Iterator[tuple[nodes.FunctionDef, nodes.NodeNG]]:
    for node in [*_stored(facts, signals), *_called(facts, signals)]:
        yield from _within(node)
    yield from _bare_names(facts, signals)


def _stored(facts: Facts, signals: Signals) -> Iterator[nodes.NodeNG]:
    """Stores to an attribute that is a signal, deletions of it and of its items."""
    for word in sorted(signals.words):
        loads = facts.tree.attribute_loads.get(word, ())
        deleted = [load for load in loads if isinstance(load, nodes.DelAttr) or _is_deleted(load)]
        stores = [store for store in facts.tree.attribute_stores.get(word, ()) if _is_request(store)]
        for node in [*stores, *deleted]:
            if _may_be_the_owner(facts, node, signals):
                yield node


def _is_request(store: nodes.NodeNG) -> bool:
    """Whether a store sets a flag: to a constant or a named state, and not in a method that starts something."""
    function = enclosing_function(store)
    value = getattr(store.parent, "value", None)
    if isinstance(store.parent, nodes.Tuple):
        return True
    named = isinstance(value, nodes.Attribute | nodes.Name) and _CONSTANT.match(last_word(value)) is not None
    starts = function is not None and _STARTS.match(function.name) is not None
    constant = isinstance(value, nodes.Const) and (value.value is None or isinstance(value.value, bool | str))
    return (named or constant) and not starts


def setters(facts: Facts) -> dict[str, dict[int, Setter]]:
    """The calls that may set a signal, or put a sentinel into it, with their place among all of them, by its word."""
    found: dict[str, dict[int, Setter]] = {}
    calls = (call for method in sorted(_SETTERS | _PUTTERS) for call in facts.tree.calls.get(method, ()))
    for place, call in enumerate(calls):
        receiver = _behind(facts, _receiver(call))
        found.setdefault(last_word(receiver), {})[place] = call, receiver
    return found


def _called(facts: Facts, signals: Signals) -> Iterator[nodes.NodeNG]:
    """Calls that set or close a signal, put a sentinel into it, or close the connection that the loop reads."""
    named = {place: one for word in signals.words for place, one in facts.setters.get(word, {}).items()}
    for _, (call, receiver) in sorted(named.items()):
        if not _may_be_the_owner(facts, receiver, signals):
            continue
        if last_word(call.func) in _SETTERS or gives_sentinel(facts, call, signals.sentinels):
            yield call
    if signals.reads_stream:
        owners = {name.rpartition(".")[0] for name in signals.functions} - {""}
        for closer in sorted(_CLOSERS):
            for call in facts.tree.calls.get(closer, ()):
                if dotted(_receiver(call)).count(".") and qualified_name(call).rpartition(".")[0] in owners:
                    yield call


def _may_be_the_owner(facts: Facts, attribute: nodes.NodeNG, signals: Signals) -> bool:
    """Whether ``self.word`` may be the coroutine's own attribute: not in a class that shares nothing with its own."""
    if not isinstance(attribute, nodes.Attribute | nodes.AssignAttr | nodes.DelAttr):
        return True
    if attribute.attrname not in signals.own:
        return True
    owner = facts.evaluator.classes.of_self(attribute.expr)
    return owner is None or not signals.owners.isdisjoint(_last_words(ancestors(facts, owner)))


def _bare_names(facts: Facts, signals: Signals) -> Iterator[tuple[nodes.FunctionDef, nodes.NodeNG]]:
    """Global and enclosing names that another function sets."""
    for function, names in facts.tree.nonlocals.items():
        if isinstance(function, nodes.FunctionDef):
            for name in sorted(names & signals.words):
                for store in function.locals.get(name, ()):
                    yield function, store


def _within(node: nodes.NodeNG) -> Iterator[tuple[nodes.FunctionDef, nodes.NodeNG]]:
    function = enclosing_function(node)
    if function is not None:
        yield function, node


def _receiver(call: nodes.Call) -> nodes.NodeNG:
    receiver = call.func.expr if isinstance(call.func, nodes.Attribute) else call.func
    while isinstance(receiver, nodes.Subscript):
        receiver = receiver.value
    return receiver


def _is_deleted(load: nodes.NodeNG) -> bool:
    return isinstance(load.parent, nodes.Subscript) and isinstance(load.parent.parent, nodes.Delete)


def _behind(facts: Facts, receiver: nodes.NodeNG) -> nodes.NodeNG:
    """The attribute that a local stands for: ``queue = self._queue``."""
    binding = facts.names.binding(receiver, receiver.name) if isinstance(receiver, nodes.Name) else None
    stores = binding.nodes if binding is not None else ()
    value = getattr(stores[0].parent, "value", None) if len(stores) == 1 else None
    return value if isinstance(value, nodes.Attribute) else receiver
