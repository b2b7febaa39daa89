"""Tasks that a wait leaves running: ``asyncio.wait`` that ends early, ``as_completed`` left early.

https://docs.python.org/3/library/asyncio-task.html#asyncio.wait: unlike ``wait_for``, ``wait`` does not cancel the
futures when a timeout occurs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.awaiting import is_partial_wait
from flake8_task_lifecycle.facts.branches import Told, outcomes
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.sweeps import sweeps
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import enclosing_function, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_TASKS = frozenset({Form.TASK, Form.FUTURE, Form.WRAPPER})
_ONLY_TESTS = (nodes.If, nodes.While, nodes.IfExp, nodes.Assert, nodes.UnaryOp, nodes.BoolOp, nodes.Compare)
_LOOKING_CALLS = frozenset({"builtins.len", "builtins.bool", "builtins.print", "builtins.any", "builtins.all"})


class Abandoned(NamedTuple):
    """A wait whose unfinished tasks are dropped. ``coroutine`` names one of them; ``how`` the wait was left."""

    span: Span
    waiter: str
    coroutine: str
    how: str
    qualname: str
    evidence: tuple[Evidence, ...]


class Pending:
    """The waits of one module that can leave tasks running."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @cached_property
    def abandoned(self) -> list[Abandoned]:
        """Every such wait over tasks spawned beside it, which nothing else holds or releases; in source order.

        None in a module that itself cancels or awaits whatever tasks there are.
        """
        found = [*self._waits(), *self._completions()]
        if found and sweeps(self._facts):
            return []
        return sorted(found, key=lambda one: one.span)

    def _waits(self) -> Iterator[Abandoned]:
        for call, function in self._calls("wait", "asyncio.wait"):
            if not isinstance(call.parent, nodes.Await) or not call.args or not is_partial_wait(call):
                continue
            if any(keyword.arg is None for keyword in call.keywords) or not self._drops_pending(call.parent, function):
                continue
            if _waits_until_none_is_left(call):
                continue
            left = self._left(call, function)
            if left and not self._facts.runners.is_main(function):
                yield self._described(call, "asyncio.wait", left, "returns while some still run, and they are dropped")

    def _completions(self) -> Iterator[Abandoned]:
        for call, function in self._calls("as_completed", "asyncio.as_completed"):
            loop = call.parent
            if not isinstance(loop, nodes.For) or loop.iter is not call or not call.args:
                continue
            how = _left_early(call, loop)
            if not how:
                continue
            left = self._left(call, function) or self._coroutines(call.args[0], function)
            if left and not self._facts.runners.is_main(function):
                yield self._described(call, "asyncio.as_completed", left, how)

    def _calls(self, word: str, name: str) -> Iterator[tuple[nodes.Call, nodes.FunctionDef]]:
        words = {word, *(alias for alias, original in self._facts.tree.aliases if original == word)}
        for call in [call for one in sorted(words) for call in self._facts.tree.calls.get(one, ())]:
            function = enclosing_function(call)
            names = known_names(self._facts.evaluator.of(call.func), instance=False)
            if names == {name} and isinstance(function, nodes.AsyncFunctionDef):
                yield call, function

    def _described(self, call: nodes.Call, waiter: str, left: list[nodes.NodeNG], how: str) -> Abandoned:
        spawns = [self._facts.spawns.of(node) if isinstance(node, nodes.Call) else None for node in left]
        names = [
            self._facts.coroutines.name(spawn.coroutine if spawn is not None else node)
            for spawn, node in zip(spawns, left, strict=True)
        ]
        return Abandoned(
            self._facts.source.span_of(call),
            waiter,
            next(filter(None, names), ""),
            how,
            qualified_name(call),
            tuple(self._facts.evidence(node, "started here") for node in left),
        )

    def _drops_pending(self, waiting: nodes.Await, function: nodes.FunctionDef) -> bool:
        """Whether the set of unfinished tasks is thrown away, or read only in a test."""
        parent = waiting.parent
        match parent:
            case nodes.Expr():
                return True
            case nodes.Subscript() if isinstance(parent.slice, nodes.Const):
                return bool(parent.slice.value == 0)
            case nodes.Assign(targets=[nodes.Tuple() | nodes.List() as target]) if len(target.elts) == 2:
                pending = target.elts[1]
                return isinstance(pending, nodes.AssignName) and self._is_only_tested(pending, function)
        return False

    def _is_only_tested(self, pending: nodes.AssignName, function: nodes.FunctionDef) -> bool:
        if self._facts.names.local_scope(pending, pending.name) is not function:
            return False
        frame = self._facts.frame(function)
        if frame.captured[pending.name] or frame.all_names_read:
            return False
        return all(self._is_test(load) for load in frame.loads[pending.name])

    def _is_test(self, load: nodes.NodeNG) -> bool:
        parent = load.parent
        if isinstance(parent, nodes.Compare):
            # ``task in pending`` asks about one task, which the code then knows by another name.
            return True
        if isinstance(parent, nodes.Call) and load in parent.args:
            return known_names(self._facts.evaluator.of(parent.func), instance=False) in [
                {name} for name in sorted(_LOOKING_CALLS)
            ]
        return isinstance(parent, _ONLY_TESTS) and not (isinstance(parent, nodes.IfExp) and load is not parent.test)

    def _left(self, call: nodes.Call, function: nodes.FunctionDef) -> list[nodes.NodeNG]:
        """The spawns of this function among the tasks of a wait that nothing else holds or releases."""
        origins = self._facts.holders.origins(call.args[0])
        spawns = self._facts.holders.spawns_of(origins)
        mine = [spawn for spawn in spawns if spawn.form in _TASKS and enclosing_function(spawn.node) is function]
        return [spawn.node for spawn in mine if not spawn.keeping and self._is_abandoned(spawn, call, function)]

    def _is_abandoned(self, spawn: Spawn, call: nodes.Call, function: nodes.FunctionDef) -> bool:
        """Whether the wait is all that ever happens to a task."""
        use = self._facts.uses.of(spawn.value)
        if use.fate is Fate.AWAITED:
            return bool(call.parent_of(spawn.node))
        if use.fate is not Fate.BOUND:
            return False
        waiting, seen = set(use.names), set()
        frame = self._facts.frame(function)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if frame.captured[name] or frame.all_names_read:
                return False
            for load in frame.loads[name]:
                if call.parent_of(load) or _is_reached_by_error_alone(load, call):
                    continue
                taken = self._facts.uses.of(load)
                if taken.fate.holds and not _only_reads_result(load):
                    return False
                waiting |= taken.names
        return True

    def _coroutines(self, given: nodes.NodeNG, function: nodes.FunctionDef) -> list[nodes.NodeNG]:
        """The coroutines given to ``as_completed``, which starts them and holds them alone."""
        if isinstance(given, nodes.Name):
            binding = self._facts.names.binding(given, given.name)
            values = [getattr(store.parent, "value", None) for store in binding.nodes] if binding is not None else []
            if len(values) != 1 or values[0] is None or binding is None or binding.scope is not function:
                return []
            given = values[0]
        match given:
            case nodes.List() | nodes.Tuple() | nodes.Set():
                made = given.elts
            case nodes.ListComp() | nodes.SetComp() | nodes.GeneratorExp():
                made = [given.elt]
            case _:
                return []
        return [one for one in made if self._facts.coroutines.is_resolved(one)]


def _is_reached_by_error_alone(load: nodes.NodeNG, call: nodes.Call) -> bool:
    """Whether a use stands in a handler of the very ``try`` that waits: a wait that returns does not lead there.

    One in a loop of the ``try`` may wait again, until its task is done or the handler runs.
    """
    parent = load.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef | nodes.Lambda):
        if isinstance(parent, nodes.ExceptHandler) and _waits_once_in(parent.parent, call):
            return True
        parent = parent.parent
    return False


def _waits_once_in(guarded: nodes.NodeNG, call: nodes.Call) -> bool:
    """Whether a wait stands in the body of a ``try``, and in no loop there."""
    child = call
    while child.parent is not guarded:
        if child.parent is None or isinstance(child.parent, nodes.While | nodes.For | nodes.FunctionDef):
            return False
        child = child.parent
    return child in guarded.body


def _only_reads_result(load: nodes.NodeNG) -> bool:
    """``task.result()``: looks at a task that is done, and ends none."""
    parent = load.parent
    return isinstance(parent, nodes.Attribute) and parent.attrname in {"result", "exception"}


def _left_early(call: nodes.Call, loop: nodes.For) -> str:
    """How a loop over ``as_completed`` can end before its tasks; "" when it cannot."""
    given = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "timeout")]
    if any(not (isinstance(one, nodes.Const) and one.value is None) for one in given):
        return "ends at its timeout while some still run, and they are dropped"
    if any(_leaves(node, loop) for node in walk(loop.body)):
        return "is left early while some still run, and they are dropped"
    return ""


def _waits_until_none_is_left(call: nodes.Call) -> bool:
    """Whether a wait stands in a loop that goes on while its tasks are there, and is not left otherwise."""
    waited = frozenset(node.name for node in walk([call.args[0]]) if isinstance(node, nodes.Name))
    loop = call.parent
    while loop is not None and not isinstance(loop, nodes.FunctionDef):
        if isinstance(loop, nodes.While) and False not in outcomes(loop.test, waited, Told()):
            return not any(_leaves(node, loop) for node in walk(loop.body))
        loop = loop.parent
    return False


def _leaves(node: nodes.NodeNG, loop: nodes.For) -> bool:
    if isinstance(node, nodes.Return):
        return True
    if not isinstance(node, nodes.Break):
        return False
    parent = node.parent
    while not isinstance(parent, nodes.For | nodes.While):
        parent = parent.parent
    return parent is loop
