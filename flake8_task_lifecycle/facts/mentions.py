"""How a module comes to run a function: by a call, in a ``finally``, or by giving it to what calls it later.

Everything that leaves here is plain data: paths, lines and names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks, library
from flake8_task_lifecycle.facts.definitions import decorator_names
from flake8_task_lifecycle.facts.elements import taken
from flake8_task_lifecycle.facts.families import has_outside_base
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.shutdown import Role
from flake8_task_lifecycle.facts.values import UNKNOWN, Definition, External, Partial, Value, each, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Where(Enum):
    """What kind of place runs a function, or what kind of function it is for those outside of the project."""

    CALL = "call"
    LIFESPAN = "lifespan"
    EXIT = "exit method"
    CONTEXT = "context manager"
    SIGNAL = "signal handler"
    ATEXIT = "exit handler"
    STACK = "exit stack"
    HOOK = "shutdown hook"
    FIXTURE = "fixture"
    MAIN = "main"
    MODULE = "module level"
    FRAMEWORK = "framework"
    CALLBACK = "callback"
    TEST = "test"
    HANDED = "handed on"


class Mention(NamedTuple):
    """A place that runs a function or hands it on.

    ``function`` is the qualified name, in its module, of what stands around it, "" at module level; ``names`` are the
    functions it resolves to, none when they are not known; ``how`` is a clause that says what happens; ``dropped``: a
    coroutine is made there and never runs.
    """

    path: str
    line: int
    column: int
    text: str
    function: str
    names: frozenset[str]
    where: Where
    how: str
    dropped: bool = False


class Entry(NamedTuple):
    """Why something outside of the project calls a function: ``what`` it is, as a clause."""

    where: Where
    what: str


EXITS = frozenset({"__aexit__", "__exit__"})
_SIGNALS = frozenset({"add_signal_handler", "signal.signal", "asyncio.AbstractEventLoop.add_signal_handler"})
_STACKS = frozenset(
    {"push_async_callback", "callback", "push", "push_async_exit", "addAsyncCleanup", "addCleanup", "addfinalizer"}
    | {"add_cleanup"}
)
_RUN = frozenset({"asyncio.run", "asyncio.Runner.run", f"{library.LOOP}.run_until_complete", "anyio.from_thread.run"})
_SHUTDOWN = re.compile(
    r"(?:^|_)(?:on_)?(?:shutdown|cleanup|stop|close|exit|teardown|unload|finalize)(?:s|_ctx|_hooks?|_handlers?)?\Z"
)
_EVENTS = frozenset({"add_event_handler", "on_event", "listen_once", "async_listen_once", "connect", "add_listener"})
_HOOKS = re.compile(
    r"_*(?:on|handle)_\w+\Z|connection_(?:lost|made)\Z|(?:async_)?(?:teardown|setup)\w*\Z|cog_(?:un)?load"
)
_PLAIN = frozenset(
    {"staticmethod", "classmethod", "override", "final", "deprecated", "typechecked", "abstractmethod", "property"}
    | {"cached_property", "wraps", "contextmanager", "asynccontextmanager", "overload", "setter"}
)
_DISPLAYS = (nodes.List, nodes.Tuple, nodes.Set, nodes.Dict, nodes.Starred, nodes.Keyword, nodes.IfExp, nodes.BoolOp)


def mentions(facts: Facts, word: str, path: str) -> Iterator[Mention]:
    """Every place of a module that runs what is called ``word`` or hands it on, in no set order.

    An attribute that does not resolve gives one without names. ``path`` is where the module lies.
    """
    if word in EXITS:
        yield from _entered(facts, word, path)
        return
    found: list[nodes.NodeNG] = [
        node for node in facts.tree.attribute_loads.get(word, ()) if isinstance(node, nodes.Attribute)
    ]
    for name in sorted({word, *(alias for alias, original in facts.tree.aliases if original == word)}):
        found += [node for node in facts.plain_names.of(name) if isinstance(node, nodes.Name)]
    for node in found:
        values = facts.evaluator.of(node)
        if UNKNOWN in values and isinstance(node, nodes.Attribute):
            values |= frozenset(each(taken(facts, node.expr), partial(_member, facts, node.attrname)))
        names = frozenset(name for value in values if (name := resolved(facts, value)))
        if names or (isinstance(node, nodes.Attribute) and UNKNOWN in values):
            yield _mention(facts, node, names, path)


def _member(facts: Facts, attribute: str, base: Value) -> Iterable[Value]:
    return facts.evaluator.member(base, attribute)


def resolved(facts: Facts, value: Value) -> str:
    """The qualified name of a function or class; "" for anything else."""
    while isinstance(value, Partial):
        value = value.function
    match value:
        case Definition(node) if isinstance(node, nodes.FunctionDef | nodes.ClassDef):
            return facts.qualified(node)
        case External(name):
            return name
    return ""


def _entered(facts: Facts, word: str, path: str) -> Iterator[Mention]:
    """The ``with`` statements, which run the exit methods of what they enter."""
    kind = nodes.AsyncWith if word == "__aexit__" else nodes.With
    for function in facts.tree.functions:
        for node in walk(function.body):
            for context, _ in node.items if isinstance(node, kind) else ():
                members = [one for value in facts.evaluator.of(context) for one in facts.evaluator.member(value, word)]
                names = frozenset(name for value in members if (name := resolved(facts, value)))
                if names:
                    opening = "async with" if word == "__aexit__" else "with"
                    how = f"entered with {opening} in {qualified_name(function)}"
                    yield _at(facts, context, names, path, Where.CALL, how)


def _at(
    facts: Facts,
    node: nodes.NodeNG,
    names: frozenset[str],
    path: str,
    where: Where,
    how: str,
    *,
    dropped: bool = False,
) -> Mention:
    function = enclosing_function(node)
    span = facts.source.span_of(node)
    return Mention(
        path,
        span.line,
        span.column,
        facts.source.lines[span.line - 1].strip() if span.line <= len(facts.source.lines) else "",
        qualified_name(function) if function is not None else "",
        names,
        where,
        how,
        dropped,
    )


def _mention(facts: Facts, node: nodes.NodeNG, names: frozenset[str], path: str) -> Mention:
    is_call = isinstance(node.parent, nodes.Call) and node.parent.func is node
    function = enclosing_function(node)
    home = qualified_name(function) if function is not None else ""
    where, how = _given(facts, node.parent if is_call else node, handed=not is_call)
    if where is Where.CALL:
        in_finally = _stands_in_finally(node)
        how = f"called {'in the finally of' if in_finally else 'by'} {home}" if home else "called at module level"
        where = where if home else Where.MODULE
    elif where is not Where.LIFESPAN and home:
        how += f" in {home}"
    dropped = is_call and isinstance(node.parent.parent, nodes.Expr) and _is_coroutine_function(facts, node)
    return _at(facts, node, names, path, where, how, dropped=dropped)


def _is_coroutine_function(facts: Facts, function: nodes.NodeNG) -> bool:
    def is_async(_: Facts, node: nodes.NodeNG) -> bool:
        return isinstance(node, nodes.AsyncFunctionDef)

    values = facts.evaluator.of(function)
    return bool(values) and all(
        (isinstance(value, Definition) and isinstance(value.node, nodes.AsyncFunctionDef))
        or (isinstance(value, External) and facts.world.ask(value.name, is_async) is True)
        for value in values
    )


def _given(facts: Facts, node: nodes.NodeNG, *, handed: bool) -> tuple[Where, str]:
    """What takes a call, or a function that is ``handed`` on, from the inside out."""
    while True:
        parent = node.parent
        match parent:
            case nodes.Lambda() if not isinstance(parent, nodes.FunctionDef):
                handed = True
            case nodes.Keyword() if handed and parent.arg is not None and _taken_as(parent) is not None:
                return _taken_as(parent) or (Where.HANDED, "")
            case nodes.Call() if node is not parent.func:
                found = _taken_by(facts, parent, handed=handed)
                if found is not None:
                    return found
            case _ if not isinstance(parent, (*_DISPLAYS, nodes.Await, nodes.NamedExpr, nodes.Attribute, nodes.Call)):
                return (Where.HANDED, "kept") if handed else (Where.CALL, "")
        node = parent


def _taken_as(keyword: nodes.Keyword) -> tuple[Where, str] | None:
    """``FastAPI(lifespan=lifespan)``, ``Starlette(on_shutdown=[stop])``."""
    call = keyword.parent
    taker = last_word(call.func) if isinstance(call, nodes.Call) else ""
    if keyword.arg == "lifespan":
        return Where.LIFESPAN, f"given to {taker or 'the application'} as its lifespan"
    return (Where.HOOK, f"given to {taker or 'a call'} as {keyword.arg}") if _SHUTDOWN.search(keyword.arg) else None


def _taken_by(facts: Facts, call: nodes.Call, *, handed: bool) -> tuple[Where, str] | None:
    word = last_word(call.func)
    if not handed:
        names = known_names(facts.evaluator.of(call.func), instance=False) or frozenset()
        if names & (_RUN | frameworks.names(Does.RUNS) | frameworks.names(Does.ENTERS)) or word == "run_until_complete":
            return Where.MAIN, f"run by {dotted(call.func) or word}"
        return None
    if word in {"partial", "partialmethod"}:
        return None
    written = dotted(call.func) or word
    names = known_names(facts.evaluator.of(call.func), instance=False) or frozenset({written})
    if word in _SIGNALS or names & _SIGNALS:
        return Where.SIGNAL, "set as a signal handler"
    if names & {"atexit.register"}:
        return Where.ATEXIT, "registered with atexit"
    if word in _STACKS:
        return Where.STACK, f"given to {written}"
    if names & (_RUN | frameworks.names(Does.RUNS) | frameworks.names(Does.ENTERS)):
        return Where.MAIN, f"run by {written}"
    if word in library.LOOP_REGISTRARS or word == "add_done_callback":
        return Where.CALLBACK, f"a callback of {word}"
    receiver = last_word(call.func.expr) if isinstance(call.func, nodes.Attribute) else ""
    if _SHUTDOWN.search(receiver) and word in {"append", "add", "insert", "extend", "connect"}:
        return Where.HOOK, f"put into {dotted(call.func.expr)}"
    if word in _EVENTS and any(isinstance(one, nodes.Const) and _says_shutdown(one) for one in call.args):
        return Where.HOOK, f"given to {written}"
    return Where.HANDED, f"handed to {written}"


def _says_shutdown(text: nodes.Const) -> bool:
    return isinstance(text.value, str) and _SHUTDOWN.search(text.value.lower()) is not None


def _stands_in_finally(node: nodes.NodeNG) -> bool:
    while node.parent is not None and not isinstance(node, nodes.FunctionDef | nodes.Lambda):
        parent = node.parent
        if isinstance(parent, nodes.Try | nodes.TryStar) and node in parent.finalbody:
            return True
        node = parent
    return False


def entry_of(facts: Facts, function: nodes.FunctionDef) -> Entry | None:
    """Why something outside of the project calls a function; None when nothing says so."""
    if function.name in EXITS:
        return Entry(Where.EXIT, f"which {'async with' if function.name == '__aexit__' else 'with'} calls")
    if function.name == "__del__":
        return Entry(Where.FRAMEWORK, "which runs when the object is collected")
    role = facts.shutdown.role(function)
    decorators = list(decorator_names(function))
    if role is Role.CONTEXT:
        if function.name.endswith("lifespan") or not decorators:
            return Entry(Where.LIFESPAN, "a lifespan")
        return Entry(Where.CONTEXT, "a context manager")
    if role is Role.FIXTURE or "fixture" in decorators:
        return Entry(Where.FIXTURE, "a fixture" if "fixture" in decorators else "which a framework resumes")
    if _is_test(function):
        return Entry(Where.TEST, "a test")
    if function.name in {"asyncTearDown", "tearDown", "teardown_method", "asyncTearDownClass", "tearDownClass"}:
        return Entry(Where.FIXTURE, "which a test runner calls")
    unknown = [one for one in decorators if one not in _PLAIN]
    if unknown:
        shuts = any(isinstance(one, nodes.Const) and _says_shutdown(one) for one in _decorator_arguments(function))
        where = Where.HOOK if shuts or any(_SHUTDOWN.search(one) for one in unknown) else Where.FRAMEWORK
        return Entry(where, f"which @{unknown[0]} registers")
    owner = enclosing_class(function)
    if owner is not None and _HOOKS.match(function.name) and has_outside_base(facts, owner):
        return Entry(Where.FRAMEWORK, "which a base class outside of the project calls")
    return None


def _is_test(function: nodes.FunctionDef) -> bool:
    return bool(function.name.startswith("test"))


def _decorator_arguments(function: nodes.FunctionDef) -> Iterator[nodes.NodeNG]:
    for decorator in function.decorators.nodes if function.decorators is not None else ():
        if isinstance(decorator, nodes.Call):
            yield from decorator.args
