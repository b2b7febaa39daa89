"""Tasks that a generator starts before its ``yield`` and stops after it, and whether the stop is sure to run.

An exception in the body of ``async with`` is thrown in at the ``yield``
(https://docs.python.org/3/library/contextlib.html#contextlib.asynccontextmanager). A fixture is resumed plainly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks, library
from flake8_task_lifecycle.facts.definitions import decorator_names
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.named import is_decorated
from flake8_task_lifecycle.facts.raising import step_can_raise
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.task_scopes import is_kept_by_scope
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import UNKNOWN, Definition, External, Value
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Label, Step, nodes_in, walk
from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_START_METHODS = frozenset({"start", "open", "connect", "run", "launch", "startup", "begin", "setup", "initialize"})
_STOP_METHODS = frozenset(
    {"stop", "close", "shutdown", "cancel", "aclose", "disconnect", "terminate", "join", "astop", "wait_closed"}
    | {"teardown", "cleanup", "kill", "dispose"}
)
_NO_TASK = frozenset({Form.SCOPED, Form.CALLBACK, Form.THREADSAFE})
_MAX_DEPTH = 3


class Role(Enum):
    """What resumes the generator: a context manager throws in what its body raises, a fixture is only resumed."""

    CONTEXT = "context"
    FIXTURE = "fixture"


class Unguaranteed(NamedTuple):
    """A thing started before a ``yield`` whose stop may never run. ``name`` is how the function calls it."""

    span: Span
    name: str
    what: str
    started: bool
    role: Role
    qualname: str
    evidence: tuple[Evidence, ...]


class _Started(NamedTuple):
    """A spawn or a start: its node, and the texts of the places by which the function reaches it."""

    node: nodes.NodeNG
    keys: frozenset[str]
    spawn: Spawn | None


class Shutdown:
    """The generators of one module that are context managers, lifespans or fixtures."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @cached_property
    def unguaranteed(self) -> list[Unguaranteed]:
        """Every task or started thing whose stop stands after the ``yield`` without a guarantee, in source order."""
        return [self._described(started, role, release) for started, role, release in self._found]

    @cached_property
    def named(self) -> frozenset[nodes.NodeNG]:
        """The spawns among them."""
        return frozenset(started.node for started, _, _ in self._found if started.spawn is not None)

    @cached_property
    def _found(self) -> list[tuple[_Started, Role, nodes.NodeNG]]:
        found = []
        for function in self._facts.tree.functions:
            role = self.role(function)
            if role is None:
                continue
            try:
                graph = self._facts.graph(function)
            except FlowTooLarge:
                continue
            found += [(started, role, release) for started, release in self._unguaranteed_in(function, graph, role)]
        return sorted(found, key=lambda one: (one[0].node.lineno or 0, one[0].node.col_offset or 0))

    def _described(self, started: _Started, role: Role, release: nodes.NodeNG) -> Unguaranteed:
        what = ""
        if started.spawn is not None:
            what = self._facts.coroutines.name(started.spawn.coroutine)
        elif isinstance(started.node, nodes.Call):
            what = dotted(started.node.func)
        return Unguaranteed(
            self._facts.source.span_of(started.node),
            min(started.keys, key=lambda key: (len(key), key)),
            what,
            started.spawn is None,
            role,
            qualified_name(started.node),
            (self._facts.evidence(release, "stopped here, if the yield returns"),),
        )

    def role(self, function: nodes.FunctionDef) -> Role | None:
        """What resumes a generator of the module; None for every other function."""
        decorators = set(decorator_names(function))
        if "fixture" in decorators or self._is_resumed(function):
            return Role.FIXTURE if _yields(function.body) else None
        if not isinstance(function, nodes.AsyncFunctionDef):
            return None
        is_lifespan = not decorators and (function.name.endswith("lifespan") or function in self._lifespans)
        if "asynccontextmanager" in decorators or is_lifespan or self._is_renamed_manager(function):
            return Role.CONTEXT if _yields(function.body) else None
        return None

    def _is_renamed_manager(self, function: nodes.FunctionDef) -> bool:
        decorators = function.decorators.nodes if function.decorators is not None else ()
        manager = External("contextlib.asynccontextmanager")
        return any(manager in self._facts.evaluator.of(one) for one in decorators)

    @cached_property
    def _lifespans(self) -> frozenset[nodes.NodeNG]:
        """The functions given as ``lifespan=`` to some call."""
        return frozenset(
            value.node
            for name in frameworks.names(Does.ENTERS_CONTEXT)
            for call in self._facts.tree.calls.holding(name)
            for keyword in call.keywords
            if keyword.arg == name
            for value in self._facts.evaluator.of(keyword.value)
            if isinstance(value, Definition)
        )

    def _is_resumed(self, function: nodes.FunctionDef) -> bool:
        """Whether a framework goes on with the generator whatever happened, by its decorator or where it is put."""
        return function in self._resumed or is_decorated(
            self._facts.evaluator, function, frameworks.names(Does.RESUMES)
        )

    @cached_property
    def _resumed(self) -> frozenset[nodes.NodeNG]:
        """The functions put into a collection whose generators are resumed: ``app.cleanup_ctx.append(background)``."""
        words = frameworks.last_words(Does.RESUMES)
        calls = [call for word in ("append", "extend") for call in self._facts.tree.calls.get(word, ())]
        given = [
            argument
            for call in calls
            if isinstance(call.func, nodes.Attribute) and last_word(call.func.expr) in words
            for argument in call.args
        ]
        parts = [part for one in given for part in (one.elts if isinstance(one, nodes.List | nodes.Tuple) else [one])]
        return frozenset(
            value.node for part in parts for value in self._facts.evaluator.of(part) if isinstance(value, Definition)
        )

    def _unguaranteed_in(
        self, function: nodes.FunctionDef, graph: Graph, role: Role
    ) -> Iterator[tuple[_Started, nodes.NodeNG]]:
        for started in [*self._spawned(function), *self._starts(function)]:
            release = self._missed_release(graph, started, role)
            if release is not None and (started.spawn is not None or self._spawns(started.node)):
                yield started, release

    def _spawned(self, function: nodes.FunctionDef) -> Iterator[_Started]:
        for node in walk(function.body):
            spawn = self._facts.spawns.of(node) if isinstance(node, nodes.Call) else None
            if spawn is not None and spawn.form not in _NO_TASK:
                keys = _keys_of(spawn.value, function)
                if keys and not is_kept_by_scope(self._facts, spawn):
                    yield _Started(spawn.node, keys, spawn)

    def _starts(self, function: nodes.FunctionDef) -> Iterator[_Started]:
        for node in walk(function.body):
            if (
                isinstance(node, nodes.Call)
                and isinstance(node.func, nodes.Attribute)
                and _is_start(node.func.attrname)
                and dotted(node.func.expr)
                and isinstance(
                    node.parent if not isinstance(node.parent, nodes.Await) else node.parent.parent, nodes.Expr
                )
            ):
                yield _Started(node, frozenset({dotted(node.func.expr)}), None)

    def _missed_release(self, graph: Graph, started: _Started, role: Role) -> nodes.NodeNG | None:
        """The release after a ``yield`` that may not run; None when there is none, or when it is sure to run."""
        before = {index for place in graph.at(started.node.statement()) for index in graph.reached(place)}
        if self._is_registered(started, graph, before):
            return None
        for index in sorted(before):
            if not _yields(graph.steps[index].parts):
                continue
            release = self._release_after(graph, index, started)
            if release is None or self._is_sure(graph, _raising(graph, index), started):
                continue
            if role is Role.CONTEXT or self._may_fail_between(graph, index, started):
                return release
        return None

    def _is_registered(self, started: _Started, graph: Graph, before: set[int]) -> bool:
        """Whether the thing, or its stop, is given to what releases it anyway: an exit stack, an ``async with``."""
        for index in before:
            for load in _loads(graph.steps[index], started.keys):
                parent = load.parent
                if isinstance(parent, nodes.With):
                    return True
                if started.spawn is None:
                    called = isinstance(parent, nodes.Attribute) and _is_called(parent)
                    if isinstance(parent, nodes.Attribute) and parent.attrname in _STOP_METHODS and not called:
                        return True
                    if isinstance(parent, nodes.Call) and self._facts.uses.of(load).fate is Fate.HANDED:
                        return True
                elif self._facts.uses.of(load).fate in {Fate.HANDED, Fate.RELEASED} and not self._is_release(load):
                    return True
        return False

    def _release_after(self, graph: Graph, start: int, started: _Started) -> nodes.NodeNG | None:
        for index in sorted(graph.reached(start), reverse=True):
            if index != start and (release := self._release_in(graph.steps[index], started)) is not None:
                return release
        return None

    def _release_in(self, step: Step, started: _Started) -> nodes.NodeNG | None:
        for load in _loads(step, started.keys):
            if started.spawn is None:
                parent = load.parent
                if isinstance(parent, nodes.Attribute) and _is_called(parent) and _is_stop(parent.attrname):
                    return parent
            elif self._is_release(load):
                return load
        return None

    def _is_release(self, load: nodes.NodeNG) -> bool:
        use = self._facts.uses.of(load)
        if use.fate is Fate.RELEASED:
            parent = load.parent
            return not isinstance(parent, nodes.Attribute) or (parent.attrname == "cancel" and _is_called(parent))
        if use.fate is Fate.BOUND:
            fates = {one.fate for one in self._facts.owners.aliases(load, use)}
            return bool(fates & {Fate.AWAITED, Fate.RELEASED})
        return use.fate is Fate.AWAITED

    def _is_sure(self, graph: Graph, ways: list[int], started: _Started) -> bool:
        """Whether each of these ways of an exception comes by a release."""
        return all(self._comes_by(graph, way, started, set()) for way in ways)

    def _comes_by(self, graph: Graph, start: int, started: _Started, seen: set[int]) -> bool:
        waiting = [start]
        while waiting:
            index = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            step = graph.steps[index]
            if self._release_in(step, started) is not None:
                return True
            if isinstance(step.statement, nodes.Try | nodes.TryStar):
                if all(self._comes_by(graph, way, started, set(seen)) for way in _caught(graph, step)):
                    return True
                continue
            waiting += [
                target
                for target, label in step.edges
                if label is not Label.RAISE or isinstance(step.statement, nodes.Raise)
            ]
        return False

    def _may_fail_between(self, graph: Graph, start: int, started: _Started) -> bool:
        """Whether a step between the ``yield`` and the release can raise, on a way that leaves the release out."""
        waiting = [target for target, label in graph.steps[start].edges if label is not Label.RAISE]
        seen: set[int] = set()
        while waiting:
            index = waiting.pop()
            if index in seen or index == graph.exit:
                continue
            seen.add(index)
            step = graph.steps[index]
            if self._release_in(step, started) is not None or not self._leads_to_release(graph, index, started):
                continue
            can_raise = step_can_raise(self._facts, step.statement, step.parts) and not _is_suppressed(step.statement)
            if can_raise and not self._is_sure(graph, _raising(graph, index), started):
                return True
            waiting += [target for target, label in step.edges if label is not Label.RAISE]
        return False

    def _leads_to_release(self, graph: Graph, start: int, started: _Started) -> bool:
        return any(self._release_in(graph.steps[index], started) is not None for index in graph.reached(start))

    def _spawns(self, start: nodes.NodeNG) -> bool:
        """Whether a start resolves to functions that each spawn a task which outlives the call."""
        assert isinstance(start, nodes.Call)
        if isinstance(start.func, nodes.Attribute) and any(
            isinstance(value, Definition) and _is_decorated(self._facts, value.node, Does.LOOPS)
            for value in self._facts.evaluator.of(start.func.expr)
        ):
            return str(start.func.attrname) == "start"
        values = self._facts.evaluator.of(start.func)
        if UNKNOWN in values:
            values = frozenset(self._made_here(start))
        return bool(values) and all(
            isinstance(value, Definition | External) and ask(self._facts, value, _spawns_and_keeps) is True
            for value in values
        )

    def _made_here(self, start: nodes.Call) -> Iterator[Value]:
        """The methods that a start can be of, when the function itself puts one object where it finds the thing."""
        function = enclosing_function(start)
        place = dotted(start.func.expr)
        stores = [
            node.parent
            for node in walk(function.body if function is not None else [])
            if isinstance(node, nodes.AssignAttr) and dotted(node) == place
        ]
        if len(stores) == 1 and isinstance(stores[0], nodes.Assign):
            for value in self._facts.evaluator.of(stores[0].value):
                yield from self._facts.evaluator.member(value, start.func.attrname)


def _spawns_and_keeps(facts: Facts, function: nodes.FunctionDef, depth: int = 0) -> bool:
    """Whether a function leaves a task behind: it spawns one and keeps it, or calls one that does."""
    for node in walk(function.body):
        if not isinstance(node, nodes.Call):
            continue
        spawn = facts.spawns.of(node)
        if spawn is not None and spawn.form not in _NO_TASK:
            use = facts.uses.of(spawn.value)
            fates = {one.fate for one in (use, *facts.owners.aliases(spawn.value, use))}
            if Fate.KEPT in fates and Fate.AWAITED not in fates:
                return True
        elif depth < _MAX_DEPTH and isinstance(node.func, nodes.Attribute):
            called = facts.evaluator.classes.of_self(node.func.expr) is not None
            callees = [value.node for value in facts.evaluator.of(node.func) if isinstance(value, Definition)]
            if called and any(
                isinstance(callee, nodes.FunctionDef)
                and callee is not function
                and _spawns_and_keeps(facts, callee, depth + 1)
                for callee in callees
            ):
                return True
    return False


def _is_suppressed(statement: nodes.NodeNG | None) -> bool:
    """Whether a statement stands in a ``with`` that takes exceptions: ``suppress``, ``pytest.raises``."""
    parent = statement.parent if statement is not None else None
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.With) and any(
            isinstance(context, nodes.Call) and last_word(context.func) in {"suppress", "raises"}
            for context, _ in parent.items
        ):
            return True
        parent = parent.parent
    return False


def _is_start(name: str) -> bool:
    return name in _START_METHODS or name.startswith(("start_", "connect_", "open_"))


def _is_decorated(facts: Facts, function: nodes.NodeNG, does: Does) -> bool:
    return is_decorated(facts.evaluator, function, frameworks.names(does))


def _is_stop(name: str) -> bool:
    return name in _STOP_METHODS or name.startswith(("stop_", "close_", "shutdown_", "disconnect_"))


def _is_called(attribute: nodes.Attribute) -> bool:
    return isinstance(attribute.parent, nodes.Call) and attribute.parent.func is attribute


def _yields(parts: Iterable[nodes.NodeNG]) -> bool:
    return any(isinstance(node, nodes.Yield) for node in walk(parts))


def _raising(graph: Graph, index: int) -> list[int]:
    return [target for target, label in graph.steps[index].edges if label is Label.RAISE]


def _caught(graph: Graph, dispatch: Step) -> list[int]:
    """The ways that an exception can take at a ``try``: into a handler, or on where none takes all of them."""
    handlers = [
        target for target, _ in dispatch.edges if isinstance(graph.steps[target].statement, nodes.ExceptHandler)
    ]
    for target in handlers:
        handler = graph.steps[target].statement
        if isinstance(handler, nodes.ExceptHandler) and (
            handler.type is None or last_word(handler.type) == "BaseException"
        ):
            return handlers
    return [target for target, _ in dispatch.edges]


def _loads(step: Step, keys: frozenset[str]) -> Iterator[nodes.NodeNG]:
    for node in nodes_in(step):
        if isinstance(node, nodes.Name | nodes.Attribute | nodes.Subscript) and _text(node) in keys:
            yield node


def _text(node: nodes.NodeNG) -> str:
    return str(node.as_string()) if isinstance(node, nodes.Subscript) else dotted(node)


def _keys_of(value: nodes.NodeNG, function: nodes.FunctionDef) -> frozenset[str]:
    """The texts of the names, attributes and items that take a value, directly or from one another."""
    keys: set[str] = set(_takers(value))
    for node in walk(function.body):
        if isinstance(node, nodes.Name | nodes.Attribute) and keys and _text(node) in keys:
            keys |= set(_takers(node))
    return frozenset(key for key in keys if key)


def _takers(value: nodes.NodeNG) -> Iterator[str]:
    """What takes a value as it is, or inside a display, or by an ``append``."""
    node = value
    while True:
        parent = node.parent
        match parent:
            case nodes.NamedExpr():
                yield parent.target.name
            case nodes.List() | nodes.Tuple() | nodes.Set() | nodes.Dict() | nodes.ListComp() | nodes.SetComp():
                pass
            case nodes.Assign() if node is parent.value:
                for target in parent.targets:
                    yield _text(target)
                return
            case nodes.AnnAssign() if node is parent.value:
                yield _text(parent.target)
                return
            case nodes.Call(func=nodes.Attribute(attrname=method)) if node in parent.args:
                if method in library.CONTAINER_ADDERS:
                    yield dotted(parent.func.expr)
                return
            case _:
                return
        node = parent
