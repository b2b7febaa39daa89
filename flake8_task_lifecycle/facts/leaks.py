"""Tasks that a function leaves running when something goes wrong between their spawn and their release.

A way out is an exception at a step, a cancellation where the coroutine waits, or the end of a generator at a
``yield``. Each is followed from its step through the handlers and ``finally`` bodies that stand around it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.branches import Told
from flake8_task_lifecycle.facts.owners import enters, ways_on
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.thrown import Thrown, Throws, Way
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Label, Mark, Step, named_in, walk
from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import enclosing_function, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_LOCAL = frozenset({Form.TASK, Form.FUTURE, Form.WRAPPER, Form.GATHER})
_MAX_VISITS = 5_000
_ORDER = list(Way)
Names = frozenset[str]
_State = tuple[int, Names, bool]


class Leak(NamedTuple):
    """A task of a local that is left running. ``way`` is how the function is left, ``line`` where.

    ``single``: the local holds this one task, and is no collection.
    """

    span: Span
    name: str
    single: bool
    coroutine: str
    way: Way
    line: int
    qualname: str
    evidence: tuple[Evidence, ...]


class Leaks:
    """The tasks of one module's functions that an exception or a cancellation leaves running."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._throws = Throws(facts)
        self._quiet: dict[tuple[nodes.FunctionDef, Told], set[_State]] = defaultdict(set)

    @cached_property
    def all(self) -> list[Leak]:
        """Every task held by a local that is left running, with the first line that does it; in source order."""
        found = [leak for spawn in self._facts.spawns.all() if (leak := self._leak(spawn)) is not None]
        return sorted(found, key=lambda leak: leak.span)

    def _leak(self, spawn: Spawn) -> Leak | None:
        function = enclosing_function(spawn.value)
        if function is None or not self.is_local(spawn) or spawn.node in self._facts.shutdown.named:
            return None
        names = self._facts.uses.of(spawn.value).names
        try:
            source = self._trip(function, spawn).first_leak(names)
        except FlowTooLarge:
            return None
        if source is None or function.name.startswith("test") or self._facts.runners.is_main(function):
            return None
        way, node = source
        parent = spawn.value.parent
        return Leak(
            self._facts.source.span_of(spawn.node),
            min(names),
            isinstance(parent, nodes.Assign | nodes.AnnAssign | nodes.NamedExpr),
            self._facts.coroutines.name(spawn.coroutine),
            way,
            node.lineno or 0,
            qualified_name(spawn.node),
            (self._facts.evidence(spawn.node, "spawned here"), self._facts.evidence(node, "left running from here")),
        )

    def _trip(self, function: nodes.FunctionDef, spawn: Spawn) -> _Trip:
        settled = self._facts.owners.settled(spawn.value, function)
        quiet = self._quiet[function, settled]
        return _Trip(self._facts, self._throws, function, spawn.value, settled, quiet)

    def is_local(self, spawn: Spawn) -> bool:
        """Whether a local holds a spawned task from its spawn on, and no normal path of its function loses it."""
        if spawn.form not in _LOCAL or spawn.keeping or spawn.ends_at_once:
            return False
        if self._facts.uses.of(spawn.value).fate is not Fate.BOUND:
            return False
        function = enclosing_function(spawn.value)
        if function is None or self._facts.frame(function).all_names_read:
            return False
        ownership = self._facts.owners.of(spawn.value)
        return not ownership.lost.is_yes and not ownership.owner.startswith("closure:")

    def outlives(self, spawn: Spawn, statement: nodes.NodeNG) -> bool:
        """Whether a task that a local holds is left running when a statement of the function raises."""
        function = enclosing_function(spawn.value)
        if function is None or not self.is_local(spawn):
            return False
        try:
            return self._trip(function, spawn).leaks_from(statement, self._facts.uses.of(spawn.value).names)
        except FlowTooLarge:
            return False


class _Trip:
    """One task on its way through one function."""

    def __init__(
        self,
        facts: Facts,
        throws: Throws,
        function: nodes.FunctionDef,
        value: nodes.NodeNG,
        settled: Told,
        quiet: set[_State],
    ) -> None:
        """``quiet``: the states from which other tasks of the function, settled alike, were in no danger."""
        self._facts = facts
        self._throws = throws
        self._graph: Graph = facts.graph(function)
        self._function = function
        self._value = value
        self._frame = facts.frame(function)
        self._settled = settled
        self._quiet = quiet
        self._visits = 0
        self._best: tuple[int, int] | None = None

    def first_leak(self, names: Names) -> tuple[Way, nodes.NodeNG] | None:
        """The first step, errors before cancellations, that leaves the task running: how, and its statement."""
        found = None
        seen: set[_State] = set()
        is_quiet = True
        for index, held in self._normal(names, self._telling, seen, self._quiet):
            for origin, thrown in self._sources(index, held):
                is_quiet = False
                node = self._graph.steps[origin].statement
                if node is None or self._is_clean_up(index):
                    continue
                place = (_ORDER.index(thrown.way), node.lineno or 0)
                if (self._best is None or place < self._best) and self._leaks(origin, held, thrown):
                    self._best, found = place, (thrown.way, node)
        if is_quiet:
            self._quiet |= seen
        return found

    def _telling(self, index: int) -> list[Mark]:
        """What a step from this one on must have to tell of a leak that comes before the one that is known."""
        worst = len(_ORDER)
        if self._best is not None:
            statement = self._graph.steps[index].statement
            is_before = statement is None or (statement.lineno or 0) < self._best[1]
            worst = self._best[0] + (is_before or self._graph.has_loops)
        return [self._throws.mark(self._graph, way) for way in _ORDER[:worst]]

    def leaks_from(self, statement: nodes.NodeNG, names: Names) -> bool:
        """Whether an error at a statement leaves the function while only its locals hold the task."""
        steps = frozenset(self._graph.at(statement))
        marks = [steps.__contains__]
        return any(
            index in steps and self._leaks(index, held, Thrown(Way.ERROR))
            for index, held in self._normal(names, lambda _: marks, set(), frozenset())
        )

    def _normal(
        self,
        names: Names,
        telling: Callable[[int], Sequence[Mark]],
        seen: set[_State],
        known: AbstractSet[_State],
    ) -> Iterator[tuple[int, Names]]:
        """The steps that a still unreleased task can reach without an exception, with the names that hold it.

        Those that plainly follow one another are left out where they do not have what ``telling`` asks for, and so are
        the states that are ``known``; those that it comes to are put into ``seen``.
        """
        waiting = [
            (target, names, index)
            for index in self._graph.at(self._value.statement())
            for target in self._onward(index, names, entered=True)
        ]
        while waiting:
            index, held, before = waiting.pop()
            index, before = self._graph.onward(index, before, held, telling(index))
            entered = enters(self._graph.steps[index].statement, self._graph.steps[before].statement)
            state = index, held, entered
            if state in seen or state in known:
                continue
            seen.add(state)
            self._count()
            yield index, held
            now = None if self._is_past(index) else self._after(index, held)
            if now:
                waiting += [(target, now, index) for target in self._onward(index, now, entered=entered)]

    def _is_past(self, index: int) -> bool:
        """Whether all that can follow a step comes after the line of the answer, which nothing there can change."""
        if self._best is None or self._best[0] or self._graph.has_loops:
            return False
        statement = self._graph.steps[index].statement
        return statement is not None and (statement.lineno or 0) >= self._best[1]

    def _count(self) -> None:
        self._visits += 1
        if self._visits > _MAX_VISITS:
            raise FlowTooLarge

    def _onward(self, index: int, held: Names, *, entered: bool) -> Iterator[int]:
        return ways_on(self._graph.steps[index], held, self._settled, entered=entered)

    def _after(self, index: int, held: Names) -> Names | None:
        """The names that hold the task after a step, none when it lost its last one; None when somebody has it."""
        step = self._graph.steps[index]
        loads, stores = named_in(step)
        uses = [self._facts.uses.of(load) for load in loads if load.name in held and self._frame.reads(load)]
        bound = frozenset().union(*(use.names for use in uses)) if uses else frozenset()
        if any(use.fate.holds for use in uses) or self._element_uses(step, bound):
            return None
        return (held - stores) | bound

    def _element_uses(self, step: Step, bound: Names) -> list[nodes.Name]:
        """What the body of a loop over the tasks does with each, as far as it holds or releases it."""
        loop = step.statement
        if not isinstance(loop, nodes.For) or not bound:
            return []
        return [
            load
            for load in walk(loop.body)
            if isinstance(load, nodes.Name) and load.name in bound and self._facts.uses.of(load).fate.holds
        ]

    def _sources(self, index: int, held: Names) -> Iterator[tuple[int, Thrown]]:
        """How a step can be left by an exception while the task is held: the step that throws, and what."""
        step = self._graph.steps[index]
        if step.statement is None:
            return
        if self._after(index, held) is None:
            yield from self._in_turn(step, held)
            return
        for thrown in self._throws.at(self._graph, index):
            yield index, thrown

    def _in_turn(self, step: Step, held: Names) -> Iterator[tuple[int, Thrown]]:
        """``for task in tasks: await task``: when one raises, those after it are not reached."""
        loads, _ = named_in(step)
        bound = frozenset(name for load in loads if load.name in held for name in self._facts.uses.of(load).names)
        uses = [(load, self._facts.uses.of(load)) for load in self._element_uses(step, bound)]
        if any(use.fate is not Fate.AWAITED for _, use in uses):
            return
        for load, use in uses:
            if isinstance(use.target, nodes.Await) and self._throws.awaiting_can_raise(use.target):
                for origin in self._graph.at(load.statement()):
                    yield from ((origin, Thrown(way)) for way in (Way.ERROR, Way.CANCELLED))

    def _is_clean_up(self, index: int) -> bool:
        """Whether a step stands in an ``except`` or ``finally`` that the spawn does not stand in: a second fault."""
        child: nodes.NodeNG = self._graph.steps[index].statement
        parent = child.parent if child is not None else None
        while parent is not None and child is not self._function:
            handling = isinstance(parent, nodes.ExceptHandler) or (
                isinstance(parent, nodes.Try | nodes.TryStar) and child in parent.finalbody
            )
            if handling and not child.parent_of(self._value) and not parent.parent_of(self._value):
                return True
            child, parent = parent, parent.parent
        return False

    def _leaks(self, origin: int, held: Names, thrown: Thrown) -> bool:
        """Whether the function ends with the task unreleased when a step throws this."""
        step = self._graph.steps[origin]
        return self._drifts(
            [
                (landing, held, flying)
                for target, label in step.edges
                if label is Label.RAISE and step.statement is not None
                for landing, flying in self._throws.landings(self._graph, step.statement, target, thrown)
            ]
        )

    def _drifts(self, waiting: list[tuple[int, Names, Thrown]]) -> bool:
        seen: set[tuple[int, Names, Thrown]] = set()
        while waiting:
            index, held, flying = waiting.pop()
            if index in {self._graph.raised, self._graph.exit}:
                return True
            if (index, held, flying) in seen:
                continue
            seen.add((index, held, flying))
            self._count()
            step = self._graph.steps[index]
            if self._decides(step.statement, held):
                continue
            now = self._after(index, held)
            if now is None:
                continue
            if not now:
                return True
            if isinstance(step.statement, nodes.Raise):
                again = self._throws.raised(step.statement, flying)
                waiting += [
                    (landing, now, other)
                    for target, _ in step.edges
                    for landing, other in self._throws.landings(self._graph, step.statement, target, again)
                ]
                continue
            for target in self._onward(index, now, entered=True):
                waiting += [
                    (landing, now, other)
                    for landing, other in self._throws.flown(self._graph, step.statement, target, flying)
                ]
        return False

    def _decides(self, statement: nodes.NodeNG | None, held: Names) -> bool:
        """Whether a test decides on the way if the task is released: what it knows is not known here."""
        if not isinstance(statement, nodes.If | nodes.Match) or statement.parent_of(self._value):
            return False
        return any(
            isinstance(load, nodes.Name) and load.name in held and self._facts.uses.of(load).fate.holds
            for load in walk(statement.get_children())
        )
