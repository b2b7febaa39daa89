"""Who holds a spawned task: what takes the spawn's value, and how far local names carry it along each path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.branches import (
    Decision,
    Outcomes,
    Settled,
    State,
    Told,
    asked_again,
    decided,
    matched,
    outcomes,
)
from flake8_task_lifecycle.facts.frames import Frame
from flake8_task_lifecycle.facts.reaching import loads_since_store
from flake8_task_lifecycle.facts.uses import Fate, Use, Uses, strongest
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Label, Step, inside, named_in, nodes_in, walk
from flake8_task_lifecycle.model import Answer, Evidence, Known
from flake8_task_lifecycle.names import enclosing_function, last_word

_RUNS_LOOP = frozenset({"run_forever", "run_until_complete"})
_MAX_VISITS = 20_000
_KEEPING = frozenset({Fate.KEPT, Fate.HANDED, Fate.CALLER})
Decisions = frozenset[Decision]
_State = tuple[int, frozenset[str], bool, Decisions]
FrameOf = Callable[[nodes.FunctionDef], Frame]
GraphOf = Callable[[nodes.FunctionDef], Graph]
EvidenceAt = Callable[[nodes.NodeNG, str], Evidence]


class Ownership(NamedTuple):
    """Who holds a task.

    ``lost``: is there a normal path on which nobody holds it while it may still run?

    ``name`` is the local that held it last, "" when the spawn's value itself is thrown away. ``uses`` are all
    that take it, on any path.
    """

    lost: Answer
    owner: str
    name: str = ""
    uses: tuple[Use, ...] = ()


@dataclass(slots=True, eq=False)
class _Walk:
    graph: Graph
    frame: Frame
    origin: nodes.NodeNG
    settled: Told
    asked_again: frozenset[str]
    lost: Evidence | None = None
    lost_name: str = ""


class Owners:
    """Finds the owners of the tasks of one module."""

    def __init__(self, uses: Uses, frame_of: FrameOf, graph_of: GraphOf, evidence: EvidenceAt) -> None:
        self._uses = uses
        self._frame_of = frame_of
        self._graph_of = graph_of
        self._evidence = evidence
        self._asked_again = cache(asked_again)
        self._settled = cache(Settled)
        self._aliases = cache(self._find_aliases)
        self._strongest: dict[int, tuple[Use, tuple[Use, ...]]] = {}
        self._kept: dict[int, tuple[tuple[Use, ...], tuple[Use, ...]]] = {}
        self._given_away = cache(self._find_given_away)
        self._safe: dict[tuple[nodes.FunctionDef, Told], set[_State]] = defaultdict(set)
        self.of = cache(self._of)

    def _of(self, value: nodes.NodeNG) -> Ownership:
        """The ownership of the task that an expression gives."""
        use = self._uses.of(value)
        if use.fate.holds:
            return _held(use, "", (use, *self.aliases(value, use)))
        if use.fate is Fate.FORGOTTEN:
            return Ownership(Answer(Known.YES, evidence=(self._evidence(value, "the task is dropped here"),)), "nobody")
        return self._of_local(value, use)

    def settled(self, spawn: nodes.NodeNG, function: nodes.FunctionDef) -> Told:
        """What is known of tests wherever a task of a function runs on."""
        return self._settled(function).where(spawn)

    def aliases(self, value: nodes.NodeNG, use: Use) -> tuple[Use, ...]:
        """The uses of the locals that a value is bound to, over the whole function, without regard to paths."""
        function = enclosing_function(value) if use.names else None
        return self._aliases(function, use.names) if function is not None else ()

    def _find_aliases(self, function: nodes.FunctionDef, names: frozenset[str]) -> tuple[Use, ...]:
        frame, found = self._frame_of(function), []
        waiting, seen = sorted(names), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if self._closure(frame, name):
                found.append(Use(Fate.KEPT, f"closure:{name}"))
            for load in frame.loads[name]:
                taken = self._uses.of(load)
                waiting += sorted(taken.names)
                found.append(taken)
        return tuple(found)

    def _of_local(self, value: nodes.NodeNG, use: Use) -> Ownership:
        function = enclosing_function(value)
        name = min(use.names)
        if function is None:
            return Ownership(Answer(Known.UNKNOWN, "bound outside any function"), f"local:{name}", name)
        uses = self.aliases(value, use)
        frame = self._frame_of(function)
        if frame.all_names_read:
            return Ownership(Answer(Known.UNKNOWN, "locals() reads every name"), f"local:{name}", name, uses)
        held = next((one for one in self._kept_among(uses) if one.holder.startswith("closure:")), None)
        if held is not None:
            return Ownership(Answer(Known.NO), held.holder, name, uses)
        try:
            graph = self._graph_of(function)
            shared = self._shared(graph, value.statement(), use.names)
            if shared is not None:
                return _held(shared, name, (*uses, shared))
            walk_state = _Walk(graph, frame, value, self.settled(value, function), self._asked_again(function))
            self._follow(walk_state, value.statement(), use.names)
        except FlowTooLarge:
            return Ownership(Answer(Known.UNKNOWN, "the function is too large to follow"), f"local:{name}", name, uses)
        if walk_state.lost is not None:
            answer = Answer(Known.YES, evidence=(self._evidence(value, "spawned here"), walk_state.lost))
            return Ownership(answer, "nobody", walk_state.lost_name or name, uses)
        return _held(self._holding(uses), name, uses)

    def kept(self, value: nodes.NodeNG) -> tuple[Use, ...]:
        """The uses that keep the task which an expression gives, on any path."""
        return self._kept_among(self.of(value).uses)

    def _kept_among(self, uses: tuple[Use, ...]) -> tuple[Use, ...]:
        if id(uses) not in self._kept:
            self._kept[id(uses)] = tuple(use for use in uses if use.fate is Fate.KEPT), uses
        return self._kept[id(uses)][0]

    def _holding(self, uses: tuple[Use, ...]) -> Use:
        """The strongest of the uses that hold the task; the aliases of one name are shared, and so is their answer."""
        if id(uses) not in self._strongest:
            self._strongest[id(uses)] = strongest([one for one in uses if one.fate.holds]), uses
        return self._strongest[id(uses)][0]

    def _closure(self, frame: Frame, name: str) -> bool:
        """Whether a nested function holds a local, other than one that is only the task's own done callback."""
        return any(not self._is_own_callback(frame, nested, name) for _, nested in frame.captured[name])

    def _is_own_callback(
        self, frame: Frame, nested: nodes.NodeNG, name: str, seen: tuple[nodes.NodeNG, ...] = ()
    ) -> bool:
        """Whether only the task has a nested function, as its done callback, or one that has no other callers."""
        if not isinstance(nested, nodes.FunctionDef):
            return _registers_on(nested, name)
        references = frame.loads[nested.name]
        callers = [inner for _, inner in frame.captured.get(nested.name, ()) if inner not in (nested, *seen)]
        return (
            bool(references or callers)
            and all(_registers_on(reference, name) for reference in references)
            and all(self._is_own_callback(frame, inner, name, (*seen, nested)) for inner in callers)
        )

    def _shared(self, graph: Graph, statement: nodes.NodeNG, names: frozenset[str]) -> Use | None:
        """Who was given a local collection before a statement puts the task into it."""
        bound = {node.name for node in walk([statement]) if isinstance(node, nodes.AssignName)}
        uses = [
            use
            for name in sorted(names - bound)
            if self._given_away(graph.function, name)
            for load in loads_since_store(graph, statement, name)
            if _gives_itself(load)
            for use in [self._uses.of(load)]
            if use.fate in _KEEPING or (use.fate.holds and _goes_on(load))
        ]
        return strongest(uses) if uses else None

    def _find_given_away(self, function: nodes.FunctionDef, name: str) -> bool:
        """Whether a local collection is given to somebody anywhere in its function."""
        return any(_gives_itself(node) for node in inside(function) if _is_load(node, name))

    def _follow(self, walk_state: _Walk, statement: nodes.NodeNG, names: frozenset[str]) -> None:
        graph = walk_state.graph
        nothing: Decisions = frozenset()
        waiting = [
            (target, names, index, decisions)
            for index in graph.at(statement)
            for target, decisions in self._ways_on(walk_state, index, names, nothing, entered=True)
        ]
        safe = self._safe[graph.function, walk_state.settled]
        seen: set[_State] = set()
        while waiting and walk_state.lost is None:
            index, held, before, decisions = waiting.pop()
            index, before = graph.onward(index, before, held | _RUNS_LOOP)
            if index == graph.exit:
                self._lose(walk_state, graph.steps[before], held, "falls out of scope here")
                break
            entered = enters(graph.steps[index].statement, graph.steps[before].statement)
            state = index, held, entered, decisions
            if index == graph.raised or state in seen or state in safe:
                continue
            seen.add(state)
            if len(seen) > _MAX_VISITS:
                raise FlowTooLarge
            now = self._after(walk_state, index, held)
            if now:
                ways = self._ways_on(walk_state, index, now, decisions, entered=entered)
                waiting += [(target, now, index, further) for target, further in ways]
        if walk_state.lost is None:
            safe |= seen

    def _after(self, walk_state: _Walk, index: int, held: frozenset[str]) -> frozenset[str]:
        """The names that hold the task, and nothing else does, after a step; empty when the path ends here."""
        step = walk_state.graph.steps[index]
        loads, stores = named_in(step)
        uses = [self._uses.of(load) for load in loads if load.name in held and walk_state.frame.reads(load)]
        bound = frozenset().union(*(use.names for use in uses)) if uses else frozenset()
        if any(use.fate.holds for use in uses) or self._held_by_elements(step, bound):
            return frozenset()
        if not isinstance(walk_state.graph.function, nodes.AsyncFunctionDef) and _runs_loop(step):
            return frozenset()
        filled = bound - held
        if filled and step.statement is not None and self._shared(walk_state.graph, step.statement, filled):
            return frozenset()
        now = (held - stores) | bound
        if not now:
            self._lose(walk_state, step, held, "is bound again here")
        return now

    def _ways_on(
        self, walk_state: _Walk, index: int, held: frozenset[str], decisions: Decisions, *, entered: bool
    ) -> Iterator[tuple[int, Decisions]]:
        """The next steps, with what has been decided on the way there of the tests that are asked again."""
        step = walk_state.graph.steps[index]
        told = walk_state.settled
        settled = told._replace(decisions=told.decisions | decisions) if decisions else told
        for target in ways_on(step, held, settled, entered=entered):
            decision = self._decision(walk_state, step, target)
            yield target, decisions if decision is None else decisions | {decision}

    @staticmethod
    def _decision(walk_state: _Walk, step: Step, target: int) -> Decision | None:
        labels = {label for to, label in step.edges if to == target} - {Label.RAISE, Label.NEXT}
        if len(labels) != 1 or not isinstance(step.statement, nodes.If | nodes.While):
            return None
        decision = decided(step.statement.test, labels == {Label.TRUE})
        is_asked = decision[0] in walk_state.asked_again or walk_state.settled.names(decision)
        return decision if is_asked else None

    def _held_by_elements(self, step: Step, bound: frozenset[str]) -> bool:
        """Whether the body of a loop over the tasks holds the element it is given."""
        loop = step.statement
        return isinstance(loop, nodes.For) and any(
            isinstance(load, nodes.Name) and load.name in bound and self._uses.of(load).fate.holds
            for load in walk(loop.body)
        )

    def _lose(self, walk_state: _Walk, step: Step, held: frozenset[str], how: str) -> None:
        name = min(held)
        walk_state.lost_name = name
        place = step.statement if step.statement is not None else walk_state.origin
        walk_state.lost = self._evidence(place, f"{name!r} {how}")


def _held(use: Use, name: str, uses: tuple[Use, ...]) -> Ownership:
    """The ownership that the strongest use of a task, on whichever path, shows."""
    match use.fate:
        case Fate.HANDED:
            callee = use.holder.removeprefix("callee:")
            return Ownership(Answer(Known.UNKNOWN, f"handed to {callee}, which is not resolved"), "unknown", name, uses)
        case Fate.AWAITED | Fate.RELEASED | Fate.FORGOTTEN | Fate.BOUND if name:
            return Ownership(Answer(Known.NO), f"local:{name}", name, uses)
    return Ownership(Answer(Known.NO), use.holder, name, uses)


def _gives_itself(load: nodes.NodeNG) -> bool:
    """Whether a collection itself is given, stored or returned, and no copy of it, and none of what is in it."""
    node = load
    while isinstance(node.parent, nodes.Tuple | nodes.List | nodes.Dict | nodes.Keyword | nodes.IfExp | nodes.BoolOp):
        node = node.parent
    taker = node.parent
    if isinstance(taker, nodes.Call):
        return node is not taker.func and last_word(taker.func) not in library.COPIES
    return isinstance(taker, nodes.Assign | nodes.AnnAssign | nodes.Return | nodes.Yield | nodes.NamedExpr)


def _is_load(node: nodes.NodeNG, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def _goes_on(load: nodes.NodeNG) -> bool:
    """Whether what is called with a value goes on after that: a coroutine that is handed to another call."""
    node = load
    while not node.is_statement and not isinstance(node, nodes.Call):
        node = node.parent
    return isinstance(node.parent, nodes.Call | nodes.Keyword)


def _runs_loop(step: Step) -> bool:
    """Whether a step runs the event loop: a plain function has its locals until no task runs any more."""
    return any(isinstance(node, nodes.Call) and last_word(node.func) in _RUNS_LOOP for node in nodes_in(step))


def _registers_on(reference: nodes.NodeNG, name: str) -> bool:
    call = reference.parent
    return (
        isinstance(call, nodes.Call)
        and isinstance(call.func, nodes.Attribute)
        and call.func.attrname == "add_done_callback"
        and isinstance(call.func.expr, nodes.Name)
        and call.func.expr.name == name
    )


def ways_on(step: Step, held: frozenset[str], settled: Told, *, entered: bool) -> Iterator[int]:
    """The steps that a still unfinished task can reach. A loop entered from above is taken to run at all."""
    outcome = possible(step, held, settled)
    runs_first = entered and isinstance(step.statement, nodes.For | nodes.While)
    for target, label in step.edges:
        if label is Label.RAISE or (runs_first and label is Label.FALSE):
            continue
        if outcome is None or label is Label.NEXT or outcome.get(label is Label.TRUE) is State.LIVE:
            yield target


def possible(step: Step, held: frozenset[str], settled: Told) -> Outcomes | None:
    """The outcomes of a step that tests something, while the task is held by these names; None for other steps."""
    match step.statement:
        case nodes.If() | nodes.While() | nodes.Assert() as statement:
            return outcomes(statement.test, held, settled)
        case nodes.MatchCase() as case:
            return matched(case, held)
    return None


def enters(statement: nodes.NodeNG | None, before: nodes.NodeNG | None) -> bool:
    """Whether a path comes to a loop's header from outside the loop."""
    return isinstance(statement, nodes.For | nodes.While) and not (before is not None and statement.parent_of(before))
