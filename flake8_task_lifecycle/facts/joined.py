"""Coroutines that ``gather`` and ``shield`` start where they are awaited, and what is left of them afterwards.

https://docs.python.org/3/library/asyncio-task.html#asyncio.gather: without ``return_exceptions`` the first exception
goes to the waiter, and the other awaitables "won't be cancelled and will continue to run".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.coroutines import Kind
from flake8_task_lifecycle.facts.raising import awaiting_can_raise
from flake8_task_lifecycle.facts.spawns import Form
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Span
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_STARTING = frozenset({Form.TASK, Form.FUTURE, Form.WRAPPER})
_MAX_DEPTH = 3
_WATCHING = frozenset({"asyncio.wait", "asyncio.sleep", "asyncio.Event.wait", "asyncio.Queue.join"})


class Joint(NamedTuple):
    """A ``gather`` that leaves siblings, or a ``shield`` that leaves an orphan; ``coroutine`` names one of them."""

    span: Span
    coroutine: str
    qualname: str


class _Child(NamedTuple):
    """What ``gather`` is given in one place: the awaitable, and what is known of it.

    ``left``: nobody else holds or releases it when the gather raises. ``many``: it stands for any number of them.
    """

    awaitable: nodes.NodeNG
    raises: bool
    left: bool
    many: bool


class Joined:
    """The awaited ``gather`` and ``shield`` calls of one module."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @cached_property
    def gathers(self) -> list[Joint]:
        """Every awaited ``gather`` whose other children run on, with nobody to release them, when one of them fails."""
        return sorted(self._gathers(), key=lambda joint: joint.span)

    @cached_property
    def shields(self) -> list[Joint]:
        """Every awaited ``shield`` over a coroutine, whose task nobody holds once the waiter is cancelled."""
        return sorted(self._shields(), key=lambda joint: joint.span)

    def _calls(self, word: str) -> Iterator[tuple[nodes.Call, nodes.FunctionDef]]:
        """The calls of a function of asyncio whose result is awaited where it is made."""
        words = {word, *(alias for alias, original in self._facts.tree.aliases if original == word)}
        for call in [call for one in sorted(words) for call in self._facts.tree.calls.get(one, ())]:
            function = enclosing_function(call)
            names = known_names(self._facts.evaluator.of(call.func), instance=False)
            if names != {f"asyncio.{word}"} or not isinstance(function, nodes.AsyncFunctionDef):
                continue
            use = self._facts.uses.of(call)
            if use.fate is Fate.AWAITED and isinstance(use.target, nodes.Await):
                yield call, function

    def _gathers(self) -> Iterator[Joint]:
        for call, function in self._calls("gather"):
            if any(one.arg in {None, "return_exceptions"} and not _is_false(one.value) for one in call.keywords):
                continue
            children = [child for argument in call.args for child in self._children(argument, call)]
            left = self._sibling(children)
            if left is not None and not self._facts.runners.is_main(function):
                yield self._joint(call, left.awaitable)

    @staticmethod
    def _sibling(children: list[_Child]) -> _Child | None:
        """A child that is left running when another one raises; None when there is none."""
        for child in children:
            if child.left and any(other.raises and (other is not child or child.many) for other in children):
                return child
        return None

    def _joint(self, call: nodes.Call, awaitable: nodes.NodeNG) -> Joint:
        spawn = self._facts.spawns.of(awaitable) if isinstance(awaitable, nodes.Call) else None
        named = self._facts.coroutines.name(spawn.coroutine if spawn is not None else awaitable)
        return Joint(self._facts.source.span_of(call), named or dotted(awaitable), qualified_name(call))

    def _children(self, argument: nodes.NodeNG, call: nodes.Call, depth: int = _MAX_DEPTH) -> Iterator[_Child]:
        match argument:
            case nodes.Starred():
                yield from self._members(argument.value, call, depth)
            case nodes.Call():
                yield self._made_here(argument, many=False)
            case nodes.Name():
                yield self._named(argument, call, many=False)
            case _:
                yield _Child(argument, awaiting_can_raise(self._facts, argument), left=False, many=False)

    def _members(self, collection: nodes.NodeNG, call: nodes.Call, depth: int) -> Iterator[_Child]:
        match collection:
            case nodes.ListComp() | nodes.GeneratorExp() | nodes.SetComp():
                if isinstance(collection.elt, nodes.Call):
                    yield self._made_here(collection.elt, many=True)
                    return
            case nodes.List() | nodes.Tuple() | nodes.Set():
                for element in collection.elts:
                    yield from self._children(element, call, depth)
                return
            case nodes.Name() if depth:
                made = self._only_value(collection, call)
                tasks = self._named(collection, call, many=True)
                if tasks.left or made is None:
                    yield tasks
                else:
                    yield from (child for child in self._members(made, call, depth - 1) if not self._spawns(child))
                return
        yield _Child(collection, raises=True, left=False, many=True)

    def _spawns(self, child: _Child) -> bool:
        return isinstance(child.awaitable, nodes.Call) and self._facts.spawns.of(child.awaitable) is not None

    def _only_value(self, name: nodes.Name, call: nodes.Call) -> nodes.NodeNG | None:
        """What a local is bound to, once; None for anything else."""
        function = enclosing_function(call)
        binding = self._facts.names.binding(name, name.name)
        if binding is None or binding.scope is not function or len(binding.nodes) != 1:
            return None
        statement = binding.nodes[0].parent
        return statement.value if isinstance(statement, nodes.Assign | nodes.AnnAssign) else None

    def _made_here(self, awaitable: nodes.Call, *, many: bool) -> _Child:
        """A coroutine or a task that is made in the argument itself: nobody else has it."""
        spawn = self._facts.spawns.of(awaitable)
        if spawn is not None and spawn.form in _STARTING and not spawn.scoped:
            runs = spawn.coroutine
            left = not spawn.keeping and not spawn.ends_at_once
        else:
            runs = awaitable
            left = spawn is None and self._facts.coroutines.kind(awaitable) is Kind.COROUTINE
        raises = runs is None or awaiting_can_raise(self._facts, runs)
        return _Child(awaitable, raises, left and last_word(awaitable.func) != "sleep", many)

    def _named(self, name: nodes.Name, call: nodes.Call, *, many: bool) -> _Child:
        """A task, or a collection of tasks, that a local holds: left running when no handler here releases it."""
        function = enclosing_function(call)
        for spawn in self._facts.spawns.inside(function) if function is not None else ():
            use = self._facts.uses.of(spawn.value)
            if use.fate is not Fate.BOUND or name.name not in use.names:
                continue
            raises = spawn.coroutine is None or awaiting_can_raise(self._facts, spawn.coroutine)
            left = self._facts.leaks.outlives(spawn, call.statement())
            return _Child(spawn.node, raises, left, many)
        return _Child(name, raises=True, left=False, many=many)

    def _shields(self) -> Iterator[Joint]:
        for call, function in self._calls("shield"):
            if not call.args or not isinstance(call.args[0], nodes.Call) or self._facts.runners.is_main(function):
                continue
            child = call.args[0]
            spawn = self._facts.spawns.of(child)
            if spawn is not None:
                orphaned = spawn.form in _STARTING and not spawn.scoped and not spawn.keeping
            else:
                orphaned = self._facts.coroutines.is_resolved(child) and not self._only_watches(child)
            runs = spawn.coroutine if spawn is not None else child
            if orphaned and not (runs is not None and self._facts.coroutines.ends_in_first_step(runs)):
                yield self._joint(call, child)

    def _only_watches(self, call: nodes.Call) -> bool:
        """Whether a coroutine does nothing but wait for what others have: nothing is lost with it."""
        names = known_names(self._facts.evaluator.of(call.func), instance=False)
        return (
            names is not None
            and names <= _WATCHING
            and not any(isinstance(node, nodes.Call) for one in call.args for node in walk([one]))
        )


def _is_false(value: nodes.NodeNG) -> bool:
    return isinstance(value, nodes.Const) and not value.value
